"""The PDF and the pictures: what is in them, and that they stay the same."""

import io
import os
import shutil
from dataclasses import replace

import pages_given as given
import pypdfium2
import pytest
import typst
from ink import read_pages
from pages_given import page, said
from PIL import Image, ImageChops
from pypdf import PdfReader

from worker.kinds.presentation.deck import Deck, Run
from worker.kinds.presentation.layout.faces import other_faces
from worker.kinds.presentation.layout.mirror import mirrored
from worker.kinds.presentation.layout.sheet import BODY, Box, Grid, Line, Panel, Picture, Words
from worker.kinds.presentation.pdf import overview
from worker.kinds.presentation.pdf import print as pdf
from worker.kinds.presentation.pdf.print import Print, fingerprint, page_picture
from worker.kinds.presentation.theme import CLEAN, MIDNIGHT, PAPER, VIVID

DECK = Deck("Tides & more", (), author="Ada")
ODD = '#show: \\#panic() `#let` $x^2$ \\u{0} </script> "quotes\' & <b> {{ 7*7 }} #image("/etc/passwd")'


@pytest.fixture(scope="module")
def printed(pages, theme, folder):
    return written(folder, pages, theme)


def written(folder, pages, theme=CLEAN, deck=DECK):
    Print(deck, pages, theme).write_pdf(folder / "deck.pdf")
    return PdfReader(folder / "deck.pdf")


def words(*lines, box=BODY):
    return Words(box, tuple(Line(line, 20, CLEAN.body) for line in lines))


def picture(drawn):
    return Image.open(io.BytesIO(drawn)).convert("RGB")


def told(reader):
    """What the tags of the PDF say in place of pictures."""
    tree = [item for item in map(reader.get_object, range(1, len(reader.xref[0]) + 1)) if isinstance(item, dict)]
    return [item["/Alt"] for item in tree if "/Alt" in item]


def titles(outline):
    return [titles(entry) if isinstance(entry, list) else entry.title for entry in outline]


def test_the_pdf_says_whose_it_is_and_what_it_is_called(printed):
    assert printed.metadata.title == "Tides & more"
    assert printed.metadata.author == "Ada"
    assert printed.metadata.creation_date is None


def test_each_page_has_a_bookmark_below_that_of_its_part(printed, pages):
    names = ["".join(run.text for run in page.title.lines[0].text) for page in pages]

    assert len(printed.pages) == len(pages)
    assert titles(printed.outline) == [*names[:3], names[3:-1], names[-1]]


def test_all_words_of_a_page_are_in_the_pdf(printed, pages):
    for number, (page_given, page_printed) in enumerate(zip(pages, printed.pages, strict=True), 1):
        text = " ".join(page_printed.extract_text().split())
        for shape in (page_given.title, *page_given.shapes):
            for line in shape.lines if isinstance(shape, Words) else ():
                assert all(word in text for run in line.text for word in run.text.split()), text
        if page_given.ground == "content":
            assert text.endswith(f"{page_given.footer} {number}".strip())


def test_pictures_and_charts_are_told_to_who_cannot_see_them(printed):
    alts = told(printed)

    assert 'A "red" square' in alts
    assert any(alt.startswith("Line chart: A week.") for alt in alts)


def test_screen_readers_can_follow_the_pdf(pages, theme):
    prints = Print(DECK, pages, theme)

    assert prints._compiler.compile(pdf._SOURCE, format="pdf", pdf_standards="ua-1")


def test_equal_pages_make_equal_files(printed, pages, theme, folder, tmp_path):
    Print(DECK, pages, theme).write_pdf(tmp_path / "again.pdf")

    assert (tmp_path / "again.pdf").read_bytes() == (folder / "deck.pdf").read_bytes()


def test_a_page_alone_looks_as_it_does_in_the_pdf(printed, pages, theme, folder):
    with pypdfium2.PdfDocument(folder / "deck.pdf") as document:
        for number in (1, 2, 7, 8):
            ours = picture(page_picture(pages[number - 1], number, theme)).resize((480, 270))
            theirs = document[number - 1].render(scale=0.5).to_pil().convert("RGB")
            far = ImageChops.difference(ours, theirs).convert("L").histogram()
            assert ours.size == theirs.size
            assert sum(far[96:]) < 0.002 * 480 * 270


def test_a_picture_is_1920_pixels_wide_and_always_the_same(pages, theme):
    first, again = (page_picture(pages[1], 2, theme) for _ in range(2))

    assert picture(first).size == (1920, 1080)
    assert first == again


def test_pages_that_look_different_have_different_fingerprints(tmp_path):
    there = page(CLEAN, "One", words(said("a")))
    shown = given.picture(CLEAN, tmp_path)

    marks = {
        fingerprint(there, 1, CLEAN),
        fingerprint(there, 2, CLEAN),
        fingerprint(there, 1, PAPER),
        fingerprint(page(CLEAN, "One", words(said("b"))), 1, CLEAN),
        fingerprint(replace(there, footer="x"), 1, CLEAN),
        fingerprint(mirrored(there), 1, CLEAN),
        fingerprint(shown, 1, CLEAN),
    }
    Image.new("RGB", (640, 320), "teal").save(tmp_path / "picture.png")

    assert len(marks | {fingerprint(shown, 1, CLEAN)}) == 8


def test_what_cannot_be_seen_does_not_change_the_fingerprint(tmp_path):
    there = given.picture(CLEAN, tmp_path)
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "picture.png", tmp_path / "other")
    moved = replace(there.shapes[0], path=str(tmp_path / "other" / "picture.png"))
    unseen = replace(there, shapes=(moved,), notes="said", section="Part", slide=7)

    assert fingerprint(unseen, 3, CLEAN) == fingerprint(there, 3, CLEAN)
    assert page_picture(unseen, 3, CLEAN) == page_picture(there, 3, CLEAN)


def test_no_text_is_read_as_a_program(tmp_path):
    odd = page(CLEAN, ODD, words(said(ODD)), footer=ODD)
    reader = written(tmp_path, [odd], deck=Deck(ODD, (), author=ODD))

    assert reader.metadata.title == ODD
    assert reader.pages[0].extract_text().count("#panic()") == 3
    with pytest.raises(typst.TypstError, match="not found"):
        page_picture(page(CLEAN, "T", Picture(BODY, str(tmp_path / "#read.png"), "")), 1, CLEAN)


def test_pictures_of_several_folders_are_found(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 20), "teal").save(tmp_path / name / "it.png")
    shapes = [
        Picture(Box(60 + 200 * n, 140, 100, 50), str(tmp_path / name / "it.png"), "") for n, name in enumerate("ab")
    ]

    shown = picture(page_picture(page(CLEAN, "T", *shapes), 1, CLEAN))

    assert shown.getpixel((2 * 110, 2 * 165)) == shown.getpixel((2 * 310, 2 * 165)) == (0, 128, 128)


@pytest.mark.parametrize("words_given", ["Привет мир", "x² → ✓ ½ ₹", "Ελληνικά", "Zażółć gęślą"])
def test_letters_that_a_face_lacks_are_drawn_and_can_be_read_back(words_given, tmp_path):
    styles = [{"bold": bold, "italic": italic} for bold in (False, True) for italic in (False, True)]
    texts = [said(words_given), *((Run(words_given, **style),) for style in styles)]
    reader = written(tmp_path, [page(VIVID, words_given, words(*texts, (Run(words_given, code=True),)))], VIVID)

    assert "".join(reader.pages[0].extract_text().split()).count("".join(words_given.split())) == 7


@pytest.mark.office
@pytest.mark.parametrize("words_given", ["日本語のテキスト", "한국어 문장", "مرحبا بالعالم", "हिन्दी में"])
def test_other_scripts_can_be_drawn_and_read_back(words_given, tmp_path):
    if other_faces(words_given, MIDNIGHT).missing:
        assert not os.environ.get("CI"), "CI needs the Noto faces: make setup-system"
        pytest.skip("no face for this script is installed")

    reader = written(tmp_path, [page(MIDNIGHT, "T", words(said(words_given)))], MIDNIGHT)

    text = reader.pages[0].extract_text()
    assert sum(character in text for character in words_given) > 0.7 * len(words_given)


def test_emoji_leave_the_words_around_them_readable(tmp_path):
    reader = written(tmp_path, [page(CLEAN, "Up 😀", words(said("before 👩‍👩‍👧✔️ after")))])

    text = reader.pages[0].extract_text()
    assert "before" in text
    assert "after" in text


def test_a_link_can_be_followed(tmp_path):
    reader = written(tmp_path, [given.listed(CLEAN)])

    links = [note.get_object()["/A"]["/URI"] for note in reader.pages[0]["/Annots"]]

    assert set(links) == {"https://x.example/?a=1&b=2"}


def test_code_has_the_colours_of_its_tones():
    shown = picture(page_picture(given.code(CLEAN), 1, CLEAN))

    colors = {color for _, color in shown.getcolors(1_000_000)}
    wanted = (CLEAN.accent, CLEAN.accent2, CLEAN.accent3, CLEAN.accent4, CLEAN.muted)
    assert {tuple(bytes.fromhex(color)) for color in wanted} <= colors


@pytest.mark.parametrize(("anchor", "top"), [("top", 140), ("middle", 227), ("bottom", 314)])
def test_words_hang_stand_or_float_in_their_box(anchor, top):
    box = Box(60, 140, 400, 200)
    line = Line(said("HHHH"), 20, CLEAN.body)
    shown = picture(page_picture(page(CLEAN, "T", Words(box, (line,), anchor)), 1, CLEAN)).crop((100, 270, 900, 700))

    _, upper, _, lower = ImageChops.difference(shown, Image.new("RGB", shown.size, "white")).getbbox()

    assert abs((upper + lower) / 4 + 135 - (top + 13)) < 3


def test_a_panel_can_be_seen_through():
    shapes = (
        Panel(Box(60, 140, 200, 100), "accent", opacity=0.5),
        Panel(Box(300, 140, 200, 100), None, border="accent"),
    )
    shown = picture(page_picture(page(CLEAN, "T", *shapes), 1, CLEAN))

    half = tuple((255 + part) / 2 for part in bytes.fromhex(CLEAN.accent))
    assert shown.getpixel((320, 380)) == pytest.approx(half, abs=1)
    assert shown.getpixel((800, 380)) == (255, 255, 255)
    assert shown.getpixel((600, 380)) == pytest.approx(tuple(bytes.fromhex(CLEAN.accent)), abs=1)


def test_a_table_keeps_its_cells_within_their_columns():
    cell = Line(said("W" * 30), 18, CLEAN.body)
    grid = Grid(Box(60, 140, 400, 200), (200, 200), (100, 100), ((cell, cell), (cell, cell)), 12)
    shown = picture(page_picture(page(CLEAN, "T", grid), 1, CLEAN))

    between = shown.crop((2 * 250, 300, 2 * 270, 2 * 238))
    assert between.getextrema() == ((255, 255),) * 3


def drawn_from(shown):
    """From where to where something is drawn on white, in points."""
    left, _, right, _ = ImageChops.difference(shown, Image.new("RGB", shown.size, "white")).getbbox()
    return left / 2, right / 2


def test_a_mirrored_page_has_its_marks_and_number_at_the_other_side():
    there = page(CLEAN, "HHHH", words(said("HHHH")))
    shown = picture(page_picture(mirrored(there), 7, CLEAN))

    for top, bottom in ((30, 50), (60, 120), (140, 180)):
        left, right = drawn_from(shown.crop((0, 2 * top, 1920, 2 * bottom)))
        assert left > 480
        assert right == pytest.approx(900, abs=3)
    left, right = drawn_from(shown.crop((0, 2 * 500, 1920, 1080)))
    assert left == pytest.approx(60, abs=2)
    assert right < 80


def test_a_mirrored_table_begins_at_the_right():
    cells = tuple(Line(said("H" * many), 18, CLEAN.body) for many in (12, 1))
    grid = Grid(Box(60, 140, 400, 60), (300, 100), (60,), (cells,), 12)
    shown = picture(page_picture(mirrored(page(CLEAN, "T", grid)), 1, CLEAN))

    row = shown.crop((0, 300, 1920, 380))
    first, second = row.crop((2 * 600, 0, 1920, 80)), row.crop((0, 0, 2 * 600, 80))
    assert 600 + drawn_from(first)[1] == pytest.approx(960 - 60 - 12, abs=2)
    assert drawn_from(second)[1] == pytest.approx(960 - 360 - 12, abs=2)
    assert drawn_from(first)[1] - drawn_from(first)[0] > 8 * (drawn_from(second)[1] - drawn_from(second)[0])


def test_an_entry_in_other_letters_has_its_mark_at_the_right_and_its_signs_in_place(tmp_path):
    entry = Line(said("C++ (v3)."), 20, CLEAN.body, indent=40, hang=40, marker="•")
    written(tmp_path, [mirrored(page(CLEAN, "T", Words(BODY, (entry,))))])

    ((_, letters),) = read_pages(tmp_path / "deck.pdf")
    line = [letter.text for letter in sorted(letters, key=lambda letter: letter.x) if 140 < letter.baseline < 170]
    assert "".join(line) == "C++(v3).•"


def test_mirrored_pages_lie_from_right_to_left_on_the_overview(tmp_path):
    pages = [mirrored(page(CLEAN, "T", ground="hero")), mirrored(page(CLEAN, "T"))]
    Print(DECK, pages, CLEAN).write_overview(tmp_path / "overview.png")

    with Image.open(tmp_path / "overview.png") as shown:
        wide = shown.width
        assert shown.convert("RGB").getpixel((wide - 40, 60)) == tuple(bytes.fromhex(CLEAN.hero))
        assert shown.convert("RGB").getpixel((wide // 2 - 40, 60)) == (255, 255, 255)


@pytest.mark.parametrize(("many", "across", "width"), [(1, 1, 414), (5, 4, 1598), (41, 6, 1598)])
def test_all_pages_lie_side_by_side_on_the_overview(many, across, width, tmp_path):
    pages = [page(CLEAN, f"Page {n}", words(said("What it says"))) for n in range(many)]
    Print(DECK, pages, CLEAN).write_overview(tmp_path / "overview.png")

    with Image.open(tmp_path / "overview.png") as shown:
        assert overview.table(many).across == across
        assert shown.width == pytest.approx(width, abs=12)
        assert shown.width <= 1600


def test_the_overview_of_many_pages_shows_the_first_hundred_and_says_so(tmp_path):
    drawn = io.BytesIO()
    Image.new("RGB", (250, 141), "teal").save(drawn, "PNG")

    hundred, more = (overview.laid_out([drawn.getvalue()] * many, CLEAN) for many in (100, 101))

    assert 0 < picture(more).height - picture(hundred).height < 40


def test_the_overview_stays_small_whatever_the_pages_show():
    noise = io.BytesIO()
    Image.effect_noise((380, 214), 120).convert("RGB").save(noise, "PNG")

    assert len(overview.laid_out([noise.getvalue()] * 40, MIDNIGHT)) <= overview.MOST_BYTES
