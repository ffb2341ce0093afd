"""The PowerPoint file, opened by python-pptx: what somebody finds who goes on working in it."""

import io
import re
import zipfile
from dataclasses import replace

import pages_given as given
import pytest
from lxml import etree
from pages_given import page, said
from pptx import Presentation
from pptx.oxml.ns import qn
from pptx.util import Inches, Pt

from worker.kinds.presentation.deck import Chart, Deck, Run, Series
from worker.kinds.presentation.layout.mirror import mirrored
from worker.kinds.presentation.layout.sheet import BODY, Box, Line, Panel, Plot, Words
from worker.kinds.presentation.pptx.file import write_pptx
from worker.kinds.presentation.theme import CLEAN, MIDNIGHT, PAPER

DECK = Deck("Tides & more", (), author="Ada")


@pytest.fixture(scope="module")
def opened(theme, pages, folder):
    return written(folder, pages, theme)


def written(folder, pages, theme=CLEAN, deck=DECK):
    write_pptx(folder / "deck.pptx", deck, pages, theme)
    return Presentation(folder / "deck.pptx")


def parts(folder):
    with zipfile.ZipFile(folder / "deck.pptx") as package:
        return {name: package.read(name) for name in package.namelist()}


def runs(slide):
    frames = [shape.text_frame for shape in slide.shapes if shape.has_text_frame]
    return [run for frame in frames for paragraph in frame.paragraphs for run in paragraph.runs]


def test_every_slide_has_a_true_title(opened, pages):
    titles = [slide.shapes.title for slide in opened.slides]

    assert [title.text_frame.text for title in titles] == [page.title.lines[0].text[0].text for page in pages]
    assert all(title.is_placeholder for title in titles)


def test_the_file_is_wide_and_brings_the_five_layouts_alone(opened):
    assert (round(opened.slide_width / Inches(1), 3), opened.slide_height) == (13.333, Inches(7.5))
    assert opened.element.sldSz.get("type") is None
    assert [layout.name for layout in opened.slide_layouts] == [
        "Title Slide", "Title and Content", "Section Header", "Title Only", "Closing",
    ]  # fmt: skip


def test_each_page_is_on_the_layout_of_its_ground(opened, pages):
    layouts = [slide.slide_layout.name for slide in opened.slides]

    assert layouts[:4] == ["Title Slide", "Title and Content", "Section Header", "Title Only"]
    assert layouts[-1] == "Closing"


def test_opening_pages_hold_their_words_alone(opened):
    """What lies under them is the layout's."""
    for number in (0, 2, -1):
        assert [shape.placeholder_format.idx for shape in opened.slides[number].shapes] == [0, 1]
        assert any(not shape.is_placeholder for shape in opened.slides[number].slide_layout.shapes)


def test_words_that_are_what_the_slide_says_go_into_the_placeholder_for_them(tmp_path):
    body = Words(BODY, (Line(said("All of it"), 20, CLEAN.body),), is_body=True)
    moved = replace(body, box=Box(100, 200, 300, 100))
    first, second, third = written(
        tmp_path, [page(CLEAN, "A", body), page(CLEAN, "B", moved), page(CLEAN, "C", body, moved)]
    ).slides

    assert first.placeholders[1].text_frame.text == "All of it"
    assert first.placeholders[1]._element.spPr.find(qn("a:xfrm")) is None
    assert second.placeholders[1].left == Pt(100)
    assert third.slide_layout.name == "Title Only"


def test_a_page_takes_its_looks_from_the_theme(opened, theme):
    """Titles are in the theme's face for titles, all else in that for text, and only code names its own."""
    named = {run.font.name for slide in opened.slides for run in runs(slide)}
    fonts = etree.fromstring(opened.slide_master.part.part_related_by(THEME_PART).blob)

    assert named <= {None, "+mj-lt", "+mn-lt", "Consolas"}
    assert [font.get("typeface") for font in fonts.iterfind(f".//{qn('a:latin')}")] == [
        theme.head.family,
        theme.body.family,
    ]


THEME_PART = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/theme"


def test_lines_are_as_far_apart_in_every_face(tmp_path):
    words = Words(BODY, (Line(said("a"), 20, CLEAN.body, leading=1.3), Line(said("b"), 20, CLEAN.body, before=7)))
    (slide,) = written(tmp_path, [page(CLEAN, "A", words)]).slides

    first, second = slide.shapes[1].text_frame.paragraphs
    assert (first.line_spacing, second.line_spacing, second.space_before) == (Pt(26), Pt(26), Pt(7))


def test_code_is_coloured_and_not_proofread(tmp_path):
    (slide,) = written(tmp_path, [given.code(CLEAN)]).slides

    looks = {run.text: (run._r.rPr.get("noProof"), run.font.name, run._r.rPr.xml) for run in runs(slide)[1:]}
    assert {(proof, face) for proof, face, _ in looks.values()} == {("1", "Consolas")}
    colors = [
        re.findall('schemeClr val="(.+?)"', looks[text][2])
        for text in ("def ", '"high"', "12.42", "high", "# twice a day")
    ]
    assert colors == [["accent1"], ["accent2"], ["accent3"], ["accent4"], ["tx2"]]


def test_tables_are_native_aligned_and_told(tmp_path):
    (slide,) = written(tmp_path, [given.table(CLEAN)]).slides

    (shape,) = [shape for shape in slide.shapes if shape.has_table]
    table = shape.table
    assert [cell.text for cell in table.rows[1].cells] == ["Fundy", "m", "16.3"]
    assert table.first_row
    assert table.cell(1, 2).text_frame.paragraphs[0].alignment.name == "RIGHT"
    assert table.cell(0, 0).text_frame.paragraphs[0].runs[0].font.bold
    assert shape._element.nvGraphicFramePr.cNvPr.get("descr") == "Table: Place, Unit, Height"


def test_pictures_stand_in_their_box_and_are_told(tmp_path):
    made = given.picture(CLEAN, tmp_path)
    untold = replace(made, shapes=(replace(made.shapes[0], alt=""),))
    told, mute = (slide.shapes[1] for slide in written(tmp_path, [made, untold]).slides)

    assert (told.left, told.top, told.width, told.height) == (Pt(160), Pt(140), Pt(640), Pt(320))
    assert told._element.nvPicPr.cNvPr.get("descr") == 'A "red" square'
    assert "decorative" in etree.tostring(mute._element.nvPicPr.cNvPr).decode()


def test_what_is_only_drawn_is_passed_over_by_screen_readers(tmp_path):
    (slide,) = written(tmp_path, [given.drawn(PAPER)]).slides

    for shape in slide.shapes:
        assert ("decorative" in etree.tostring(shape._element.nvSpPr).decode()) == (not shape.text_frame.text)


def test_shapes_keep_their_borders_and_let_through_what_they_should(tmp_path):
    (slide,) = written(tmp_path, [given.drawn(PAPER)]).slides

    _, framed, pale, _, ring, _ = [shape for shape in slide.shapes if shape.name.startswith("Shape")]
    assert framed.fill.type.name == "BACKGROUND"
    assert framed.line.width == Pt(1.5)
    assert pale._element.spPr.find(f".//{qn('a:alpha')}").get("val") == "40000"
    assert ring.line.width == Pt(6)


def test_lists_are_native_with_numbers_that_go_on(tmp_path):
    (slide,) = written(tmp_path, [given.listed(CLEAN)]).slides

    paragraphs = slide.placeholders[1].text_frame.paragraphs
    marks = [re.findall(r'(?:startAt|char)="(.+?)"', paragraph._p.xml) for paragraph in paragraphs]
    assert marks == [["•"], ["–"], ["–"], ["•"], ["3"], ["1"], ["3"]]
    assert [paragraph.level for paragraph in paragraphs] == [0, 1, 1, 0, 0, 1, 0]


def test_text_from_right_to_left_begins_at_the_right(tmp_path):
    words = Words(BODY, (Line(said("مرحبا"), 20, CLEAN.body),))
    (slide,) = written(tmp_path, [page(CLEAN, "A", words)]).slides

    paragraph = slide.shapes[1].text_frame.paragraphs[0]
    assert (paragraph.alignment.name, paragraph._p.pPr.get("rtl")) == ("RIGHT", "1")


def way(paragraph):
    """At which side it says that it stands, and whether it says that it runs leftward."""
    style = paragraph._p.pPr
    return (None, None) if style is None else (style.get("algn"), style.get("rtl"))


def test_a_mirrored_deck_is_one_for_whoever_goes_on_with_it(tmp_path):
    """A slide that is added by hand begins at the right, too."""
    made = written(tmp_path, [mirrored(given.listed(PAPER))], PAPER)

    master, feet = made.slide_master, {shape.name: shape for shape in made.slide_master.placeholders}
    styles = master._element.find(qn("p:txStyles")).iterchildren(qn("p:titleStyle"), qn("p:bodyStyle"))
    assert made.element.get("rtl") == "1"
    assert {(level.get("algn"), level.get("rtl")) for style in styles for level in style} == {("r", "1")}
    assert feet["Slide number"].left < feet["Date"].left < feet["Footer"].left
    rule, mark = [shape for shape in made.slide_layouts.get_by_name("Title Only").shapes if not shape.is_placeholder]
    assert rule.left + rule.width == mark.left + mark.width == Pt(900)


def test_placeholders_of_mirrored_pages_stand_where_their_layout_has_them(tmp_path):
    pages = [mirrored(given.opening(CLEAN, "Tides", "The sea", ground)) for ground in ("hero", "section", "closing")]
    made = written(tmp_path, [*pages, mirrored(given.listed(CLEAN))])

    for slide in made.slides:
        assert all(shape._element.spPr.find(qn("a:xfrm")) is None for shape in slide.placeholders)
    assert [slide.shapes.title.left + slide.shapes.title.width for slide in made.slides] == [
        Pt(right) for right in (960 - 72, 960 - 96, 960 - 130, 900)
    ]


def test_a_mirrored_table_has_its_first_column_at_the_right_in_every_program(tmp_path):
    (slide,) = written(tmp_path, [mirrored(given.table(CLEAN))]).slides

    (table,) = [shape.table for shape in slide.shapes if shape.has_table]
    assert [cell.text for cell in table.rows[1].cells] == ["16.3", "m", "Fundy"]
    assert [column.width for column in table.columns] == [Pt(240), Pt(200), Pt(400)]
    assert [table.cell(1, n).text_frame.paragraphs[0].alignment.name for n in range(3)] == ["RIGHT", "CENTER", "RIGHT"]


def test_entries_of_a_mirrored_list_have_their_marks_at_the_right_and_their_signs_in_place(tmp_path):
    outer = Line((), 24, CLEAN.body, indent=28, hang=28, marker="•")
    texts = ("البحر", "C++", "DHT22 هو", "−82 %")
    words = Words(BODY, tuple(replace(outer, text=said(text)) for text in texts), is_body=True)
    plain = Words(Box(60, 300, 400, 40), (Line(said("C++"), 20, CLEAN.body),))
    (slide,) = written(tmp_path, [mirrored(page(CLEAN, "A", words, plain))]).slides

    paragraphs = slide.placeholders[1].text_frame.paragraphs
    assert [way(paragraph) for paragraph in paragraphs] == [(None, "1")] * 4
    assert [paragraph.text for paragraph in paragraphs] == [
        "البحر", "\u200eC++\u200e", "DHT22 هو", "\u200e−82 %\u200e",
    ]  # fmt: skip
    (alone,) = slide.shapes[2].text_frame.paragraphs
    assert (way(alone), alone.text) == (("r", None), "C++")


@pytest.mark.parametrize(
    ("footer", "turn", "said_way"),
    [
        ("Ours", lambda page: page, (None, None)),
        ("لنا", lambda page: page, ("r", "1")),
        ("لنا", mirrored, (None, "1")),
        ("Ours", mirrored, (None, "0")),
    ],
)
def test_a_footer_runs_as_its_letters_do(footer, turn, said_way, tmp_path):
    (slide,) = written(tmp_path, [turn(page(CLEAN, "A", footer=footer))]).slides

    assert [way(paragraph) for paragraph in slide.placeholders[11].text_frame.paragraphs] == [said_way]


def test_notes_of_a_mirrored_deck_begin_at_the_right(tmp_path):
    (slide,) = written(tmp_path, [mirrored(given.listed(CLEAN))]).slides

    assert [way(paragraph) for paragraph in slide.notes_slide.notes_text_frame.paragraphs] == [("r", "1")] * 2


def test_notes_are_for_the_speaker_alone(tmp_path):
    (slide,) = written(tmp_path, [given.listed(CLEAN)]).slides

    assert slide.notes_slide.notes_text_frame.text == "Say *this*\nand that"
    assert "Say" not in "".join(run.text for run in runs(slide))


def test_links_lead_where_they_say_and_can_be_seen_on_every_ground(tmp_path):
    linked = Line((Run("there", link="https://x.example/?a=1&b=2"),), 20, CLEAN.body, "hero_ink")
    opening = page(CLEAN, "Tides", Words(Box(72, 338, 560, 140), (linked,), is_body=True), ground="hero")
    first, second = written(tmp_path, [opening, given.listed(CLEAN)]).slides

    assert [run.hyperlink.address for run in runs(first)] == [None, "https://x.example/?a=1&b=2"]
    assert "https://x.example/?a=1&b=2" in [run.hyperlink.address for run in runs(second)]
    assert "hlinkClr" in etree.tostring(first._element).decode()
    assert "hlinkClr" not in etree.tostring(second._element).decode()


def test_the_foot_of_content_says_what_it_should_and_the_slides_number(opened, pages):
    feet = [{shape.name.split()[0]: shape.text_frame.text for shape in slide.placeholders} for slide in opened.slides]

    assert feet[1]["Footer"] == "Ours · May"
    assert [foot.get("Slide") for foot in feet] == [
        str(number) if page.ground == "content" else None for number, page in enumerate(pages, 1)
    ]
    assert "Footer" not in feet[3]


def test_parts_are_sections_that_hold_each_slide_once(opened):
    (sections,) = opened.element.iter("{*}sectionLst")

    assert [section.get("name") for section in sections] == ["Tides & more", "Drawn"]
    assert [entry.get("id") for entry in sections.iter("{*}sldId")] == [str(slide.slide_id) for slide in opened.slides]
    assert len({section.get("id") for section in sections}) == 2


def test_a_deck_of_one_part_has_no_sections(tmp_path):
    assert not list(written(tmp_path, [page(CLEAN, "A"), page(CLEAN, "B")]).element.iter("{*}sectionLst"))


def test_the_file_says_what_it_is_called_and_who_made_it(opened):
    said = opened.core_properties

    assert (said.title, said.author, said.language) == ("Tides & more", "Ada", "en-US")
    assert (said.subject, said.keywords, said.comments, said.last_modified_by) == ("", "", "", "")


def charted(tmp_path, chart, theme=CLEAN, **more):
    (slide,) = written(tmp_path, [given.chart(theme, "A chart", chart, **more)], theme).slides
    (frame,) = [shape for shape in slide.shapes if shape.has_chart]
    return frame


def test_charts_are_native_and_keep_their_gaps(tmp_path):
    two = (Series("One", (1.0, None, 3.0)), Series("Two", (4.0, 5.0, 6.0)))
    chart = charted(tmp_path, Chart("line", ("a", "<b>", "c & d"), two, given.NO_TABLE)).chart

    assert list(chart.plots[0].categories) == ["a", "<b>", "c & d"]
    assert [(series.name, series.values) for series in chart.plots[0].series] == [
        ("One", (1.0, None, 3.0)),
        ("Two", (4.0, 5.0, 6.0)),
    ]
    assert chart._chartSpace.chart.find(qn("c:dispBlanksAs")).get("val") == "gap"
    assert chart.has_legend
    assert not chart.plots[0].has_data_labels


def test_one_series_is_labelled_with_its_unit_and_has_no_legend(tmp_path):
    frame = charted(tmp_path, given.bars(" m"))

    assert frame.chart.plots[0].data_labels.number_format == '#,##0.00" m"'
    assert not frame.chart.has_legend
    assert frame.chart.chart_title.text_frame.text == "How high"
    assert frame._element.nvGraphicFramePr.cNvPr.get("descr").startswith("Bar chart: How high.")


def test_a_unit_that_comes_first_does_so_in_a_chart(tmp_path):
    chart = replace(given.bars("$"), unit_first=True, series=(Series("Sum", (1200.0, 90.0, 5.0)),), title=())
    frame = charted(tmp_path, chart)

    assert frame.chart.value_axis.tick_labels.number_format == '"$"#,##0'


def test_bars_begin_at_zero_also_where_they_differ_little(tmp_path):
    chart = replace(given.bars(""), series=(Series("Sum", (98.0, 99.0, 100.0)),))

    assert charted(tmp_path, chart).chart.value_axis.minimum_scale == 0


def test_bars_that_lie_begin_at_the_top(tmp_path):
    chart = charted(tmp_path, given.bars(), is_horizontal=True).chart

    assert chart.chart_type.name == "BAR_CLUSTERED"
    assert chart.category_axis.reverse_order
    assert chart.value_axis._element.crosses.val.name == "MAXIMUM"


def test_a_pies_slices_have_a_colour_each(tmp_path):
    pie = Chart("pie", tuple("abcde"), (Series("All", (1.0, 2.0, 3.0, 4.0, 5.0)),), given.NO_TABLE)
    chart = charted(tmp_path, pie).chart

    points = [chart.plots[0].series[0].points[number] for number in range(5)]
    assert [point.format.fill.fore_color.theme_color.name for point in points] == [
        "ACCENT_1", "ACCENT_2", "ACCENT_3", "ACCENT_4", "ACCENT_1",
    ]  # fmt: skip
    assert chart.has_legend


def test_a_charts_workbook_holds_words_as_words(tmp_path):
    hostile = ("=1+1", "https://x.example", "@SUM(A1)")
    frame = charted(tmp_path, Chart("bar", hostile, (Series("=2", (1.0, 2.0, 3.0)),), given.NO_TABLE))

    workbook = zipfile.ZipFile(io.BytesIO(frame.chart.part.chart_workbook.xlsx_part.blob))
    sheet = workbook.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert b"=1+1" in workbook.read("xl/sharedStrings.xml")


def test_equal_pages_make_equal_files(opened, pages, theme, folder, tmp_path):
    written(tmp_path, pages, theme)

    assert (tmp_path / "deck.pptx").read_bytes() == (folder / "deck.pptx").read_bytes()


def test_nothing_in_the_file_carries_a_time(opened, folder):
    inside = parts(folder)
    books = [blob for name, blob in inside.items() if name.endswith(".xlsx")]
    packages = [(folder / "deck.pptx").read_bytes(), *books]

    assert len(books) == 5
    for package in map(zipfile.ZipFile, map(io.BytesIO, packages)):
        assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert set(re.findall(rb"20\d\d-\d\d-\d\d", package.read("docProps/core.xml"))) == {b"2000-01-01"}


def test_no_slide_uses_an_id_twice(opened):
    for slide in opened.slides:
        ids = [element.get("id") for element in slide._element.iter(qn("p:cNvPr"))]
        assert len(set(ids)) == len(ids)


ORDER = {
    "a:pPr": "lnSpc spcBef spcAft buClrTx buClr buSzPct buFontTx buFont buNone buAutoNum buChar tabLst defRPr extLst",
    "a:rPr": "ln noFill solidFill effectLst highlight uLn latin ea cs sym hlinkClick extLst",
    "a:defRPr": "ln noFill solidFill effectLst highlight uLn latin ea cs sym hlinkClick extLst",
    "a:tcPr": "lnL lnR lnT lnB noFill solidFill extLst",
    "a:p": "pPr r br fld endParaRPr",
    "a:theme": "themeElements objectDefaults extraClrSchemeLst custClrLst extLst",
    "a:themeElements": "clrScheme fontScheme fmtScheme",
    "p:sp": "nvSpPr spPr style txBody",
    "p:pic": "nvPicPr blipFill spPr",
    "p:graphicFrame": "nvGraphicFramePr xfrm graphic",
    "p:spPr": "xfrm prstGeom noFill solidFill ln effectLst",
    "p:cSld": "bg spTree custDataLst controls extLst",
    "p:sld": "cSld clrMapOvr transition timing extLst",
    "p:presentation": "sldMasterIdLst notesMasterIdLst handoutMasterIdLst sldIdLst sldSz notesSz defaultTextStyle extLst",
    "c:chartSpace": "date1904 lang roundedCorners style chart spPr txPr externalData",
    "c:chart": "title autoTitleDeleted plotArea legend plotVisOnly dispBlanksAs showDLblsOverMax",
    "c:title": "tx layout overlay spPr txPr",
    "c:barChart": "barDir grouping varyColors ser dLbls gapWidth overlap axId",
    "c:lineChart": "grouping varyColors ser dLbls marker smooth axId",
    "c:pieChart": "varyColors ser dLbls firstSliceAng",
    "c:ser": "idx order tx spPr invertIfNegative marker dPt dLbls cat val smooth",
    "c:dPt": "idx invertIfNegative marker bubble3D explosion spPr",
    "c:dLbls": "dLbl numFmt spPr txPr dLblPos showLegendKey showVal showCatName showSerName showPercent showBubbleSize separator showLeaderLines",
    "c:marker": "symbol size spPr",
    "c:catAx": "axId scaling delete axPos majorGridlines title numFmt majorTickMark minorTickMark tickLblPos spPr txPr crossAx crosses auto lblAlgn lblOffset noMultiLvlLbl",
    "c:valAx": "axId scaling delete axPos majorGridlines title numFmt majorTickMark minorTickMark tickLblPos spPr txPr crossAx crosses crossBetween majorUnit",
    "c:legend": "legendPos legendEntry layout overlay spPr txPr",
}  # fmt: skip
"""What stands in what, in the order that the format wants; PowerPoint repairs, or refuses, a file of another."""
ANY_ORDER = {"r", "br", "fld", "ser", "dPt", "axId"}


def test_everything_stands_in_the_order_that_the_format_wants(opened, folder):
    seen = set()
    for name, blob in parts(folder).items():
        if name.startswith(("ppt/slide", "ppt/chart", "ppt/theme", "ppt/presentation")) and name.endswith(".xml"):
            for element in etree.fromstring(blob).iter():
                tag = f"{element.prefix}:{etree.QName(element).localname}"
                if tag in ORDER:
                    seen.add(tag)
                    check_order(tag, [etree.QName(child).localname for child in element], name)
    assert seen == set(ORDER)


def check_order(tag, children, name):
    order = ORDER[tag].split()
    assert set(children) <= set(order), (name, tag)
    if not (tag == "a:p" or len(children) < 2):
        assert children == sorted(children, key=order.index), (name, tag)
    repeated = [child for child in set(children) - ANY_ORDER if children.count(child) > 1]
    assert not repeated, (name, tag, repeated)


def test_a_dark_theme_calls_its_ground_dark(tmp_path):
    master = written(tmp_path, [page(MIDNIGHT, "A", Panel(BODY, "card"))], MIDNIGHT).slide_master

    assert master._element.find(qn("p:clrMap")).get("bg1") == "dk1"


def test_a_chart_without_numbers_can_be_written(tmp_path):
    empty = Chart("bar", ("a", "b"), (Series("None", (None, None)),), given.NO_TABLE)

    assert written(tmp_path, [page(CLEAN, "A", Plot(BODY, empty, CLEAN.body, 13))]).slides[0].shapes[1].has_chart
