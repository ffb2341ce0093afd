"""Pages as a PowerPoint file that stays editable: true titles, native tables and lists, speaker notes."""

import copy
import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lxml import etree
from pptx.enum.dml import MSO_THEME_COLOR
from pptx.enum.shapes import MSO_SHAPE, PP_PLACEHOLDER
from pptx.enum.text import MSO_ANCHOR, MSO_AUTO_SIZE, PP_ALIGN
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls, qn
from pptx.util import Pt

from worker.kinds.presentation.deck import Run, runs_leftward
from worker.kinds.presentation.fit import CODE
from worker.kinds.presentation.sheet import HERO_TITLE, TITLE, Box, Grid, Line, Page, Panel, Shape, Words
from worker.kinds.presentation.template import CONTENT, OPENING, SCHEME, empty_presentation
from worker.kinds.presentation.theme import Color, Theme

CODE_FACE = "Consolas"
ONE_LINE = 1.22
"""What PowerPoint takes for single spacing, in sizes of Calibri."""
NO_STYLE = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"
"""The table style without fills and borders; we bring our own."""
SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - the format knows no zones
"""When every deck says that it was made: the same slides give the same file."""
MOST_COUNTED = 32_767
"""The highest number that a list may begin with in the format."""
_ALIGN = {"left": PP_ALIGN.LEFT, "center": PP_ALIGN.CENTER, "right": PP_ALIGN.RIGHT}
_MIRRORED = {"left": PP_ALIGN.RIGHT, "center": PP_ALIGN.CENTER, "right": PP_ALIGN.LEFT}
_HIGHLIGHT = f'<a:highlight {nsdecls("a")}><a:schemeClr val="{SCHEME["card"]}"/></a:highlight>'
_DECORATIVE = (
    f'<a:extLst {nsdecls("a")}><a:ext uri="{{C183D7F6-B498-43B3-948B-1728B52AA6E4}}">'
    '<adec:decorative xmlns:adec="http://schemas.microsoft.com/office/drawing/2017/decorative" val="1"/>'
    "</a:ext></a:extLst>"
)


def write_pptx(path: Path, title: str, pages: Sequence[Page], theme: Theme) -> None:
    """Write the pages; equal pages give equal bytes."""
    presentation = empty_presentation(theme)
    for page in pages:
        _add_slide(presentation, page)
    properties = presentation.core_properties
    properties.title, properties.author, properties.last_modified_by = title[:255], "", ""
    properties.created = properties.modified = SOME_DAY
    saved = io.BytesIO()
    presentation.save(saved)
    _write_undated(saved, path)


def _add_slide(presentation: Any, page: Page) -> None:
    slide = presentation.slides.add_slide(presentation.slide_layouts.get_by_name(OPENING if page.hero else CONTENT))
    title = slide.shapes.title
    _write(title.text_frame, page.title.lines)
    if page.title.box not in (TITLE, HERO_TITLE):
        title.left, title.top, title.width, title.height = _emu(page.title.box)
    if page.hero:
        _write_subtitle(slide.placeholders[1], page.shapes)
    else:
        for shape in page.shapes:
            _add_shape(slide.shapes, shape)
        _add_number(slide)
    if page.notes:
        slide.notes_slide.notes_text_frame.text = page.notes


def _write_subtitle(placeholder: Any, shapes: Sequence[Shape]) -> None:
    lines = [line for shape in shapes if isinstance(shape, Words) for line in shape.lines]
    if lines:
        _write(placeholder.text_frame, lines)
    else:
        placeholder._element.getparent().remove(placeholder._element)


def _add_shape(shapes: Any, shape: Shape) -> None:
    match shape:
        case Words():
            box = shapes.add_textbox(*_emu(shape.box))
            frame = box.text_frame
            frame.word_wrap, frame.auto_size = True, MSO_AUTO_SIZE.NONE
            frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
            _write(frame, shape.lines)
        case Panel():
            _add_panel(shapes, shape)
        case Grid():
            _add_table(shapes, shape)


def _add_panel(shapes: Any, panel: Panel) -> None:
    kind = MSO_SHAPE.ROUNDED_RECTANGLE if panel.radius else MSO_SHAPE.RECTANGLE
    drawn = shapes.add_shape(kind, *_emu(panel.box))
    if panel.radius:
        drawn.adjustments[0] = panel.radius / min(panel.box.width, panel.box.height)
    drawn._element.remove(drawn._element.find(qn("p:style")))  # it brings a shadow
    drawn.line.fill.background()
    drawn.fill.solid()
    drawn.fill.fore_color.theme_color = _theme_color(panel.fill)
    drawn._element.nvSpPr.cNvPr.append(parse_xml(_DECORATIVE))


def _add_table(shapes: Any, grid: Grid) -> None:
    table = shapes.add_table(len(grid.rows), len(grid.widths), *_emu(grid.box)).table
    table._tbl.tblPr.find(qn("a:tableStyleId")).text = NO_STYLE
    table.horz_banding = False
    for column, width in zip(table.columns, grid.widths, strict=True):
        column.width = Pt(width)
    for number, (row, height, lines) in enumerate(zip(table.rows, grid.heights, grid.rows, strict=True)):
        row.height = Pt(height)
        for cell, line in zip(row.cells, lines, strict=True):
            cell.margin_left = cell.margin_right = Pt(grid.inset)
            cell.margin_top = cell.margin_bottom = 0
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            _write(cell.text_frame, [line])
            cell._tc.get_or_add_tcPr().append(_border(1.5, "accent") if number == 0 else _border(0.75, "line"))


def _border(width: float, color: Color) -> Any:
    return parse_xml(
        f'<a:lnB {nsdecls("a")} w="{Pt(width)}"><a:solidFill><a:schemeClr val="{SCHEME[color]}"/></a:solidFill></a:lnB>'
    )


def _add_number(slide: Any) -> None:
    """The slide's number, which python-pptx does not take over from the layout."""
    for placeholder in slide.slide_layout.placeholders:
        if placeholder.placeholder_format.type == PP_PLACEHOLDER.SLIDE_NUMBER:
            number = copy.deepcopy(placeholder._element)
            number.nvSpPr.cNvPr.set("id", str(max(shape.shape_id for shape in slide.shapes) + 1))
            slide.shapes._spTree.append(number)


def _write(frame: Any, lines: Sequence[Line]) -> None:
    starts = _first_numbers(lines)
    for number, line in enumerate(lines):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        leftward = runs_leftward(line.text)
        paragraph.alignment = (_MIRRORED if leftward else _ALIGN)[line.align]
        paragraph.line_spacing = round(line.leading / ONE_LINE, 2)
        paragraph.space_before = Pt(line.before)
        properties = paragraph._p.get_or_add_pPr()
        if leftward:
            properties.set("rtl", "1")
        if line.level:
            paragraph.level = line.level
        if line.indent:
            properties.set("marL", str(Pt(line.indent)))
            properties.set("indent", str(-Pt(line.hang) if line.marker else 0))
            _mark(properties, line.marker, starts[number])
        for run in line.text:
            _add_run(paragraph, run, line)


def _first_numbers(lines: Sequence[Line]) -> list[int]:
    """For each line the number that its list begins with: PowerPoint counts on from there by itself."""
    starts, counting = list[int](), dict[int, tuple[int, int]]()
    for line in lines:
        if not line.marker.removesuffix(".").isdecimal():
            starts.append(0)
            continue
        number = int(line.marker.removesuffix("."))
        first, last = counting.get(line.level, (number, number - 1))
        first = first if number == last + 1 else number
        counting = {level: kept for level, kept in counting.items() if level < line.level}
        counting[line.level] = (first, number)
        starts.append(first)
    return starts


def _mark(properties: Any, marker: str, start: int) -> None:
    if not marker:
        etree.SubElement(properties, qn("a:buNone"))
        return
    color = etree.SubElement(properties, qn("a:buClr"))
    etree.SubElement(color, qn("a:schemeClr"), val=SCHEME["accent"])
    if start and start <= MOST_COUNTED:
        etree.SubElement(properties, qn("a:buFont"), typeface="+mj-lt")
        etree.SubElement(properties, qn("a:buAutoNum"), type="arabicPeriod", startAt=str(start))
    else:
        etree.SubElement(properties, qn("a:buFont"), typeface="Segoe UI Symbol" if marker in "☐☑" else "Arial")
        etree.SubElement(properties, qn("a:buChar"), char=marker)


def _add_run(paragraph: Any, run: Run, line: Line) -> None:
    for number, part in enumerate(run.text.split("\n")):
        if number:
            paragraph.add_line_break()
        if not part:
            continue
        added = paragraph.add_run()
        added.text = part
        font = added.font
        font.size = Pt(line.size * (CODE if run.code else 1))
        font.bold = run.bold or line.bold or None
        font.italic = run.italic or line.italic or None
        if run.code:
            font.name = CODE_FACE
        if run.strike:
            added._r.get_or_add_rPr().set("strike", "sngStrike")
        if run.link:
            added.hyperlink.address = run.link  # takes the theme's colour for links
        elif line.color in SCHEME:
            font.color.theme_color = _theme_color(line.color)
            if run.code:
                font._rPr.find(qn("a:solidFill")).addnext(parse_xml(_HIGHLIGHT))


def _emu(box: Box) -> tuple[Any, Any, Any, Any]:
    return Pt(box.x), Pt(box.y), Pt(box.width), Pt(box.height)


def _theme_color(color: Color) -> Any:
    return MSO_THEME_COLOR.from_xml(SCHEME[color])


def _write_undated(saved: io.BytesIO, path: Path) -> None:
    """Copy the package without the times at which its parts were packed."""
    with zipfile.ZipFile(saved) as package, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as undated:
        for name in package.namelist():
            undated.writestr(zipfile.ZipInfo(name), package.read(name), zipfile.ZIP_DEFLATED)
