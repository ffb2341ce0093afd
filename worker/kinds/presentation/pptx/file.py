"""Pages as a PowerPoint file that stays editable: true titles, native lists, tables and charts, speaker notes."""

import io
import uuid
import zipfile
from collections.abc import Sequence
from functools import partial
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls

from worker.kinds.presentation.deck import Deck, Run, plain
from worker.kinds.presentation.layout.sheet import (
    FOOT_SIZE,
    Box,
    Disc,
    Grid,
    Line,
    Page,
    Panel,
    Picture,
    Plot,
    Shape,
    Words,
)
from worker.kinds.presentation.pdf.plot import told
from worker.kinds.presentation.pptx.plot import chart_part
from worker.kinds.presentation.pptx.shapes import DECORATIVE, at, drawn, emu, fill
from worker.kinds.presentation.pptx.template import (
    CLOSING,
    CONTENT,
    FOOTER_KIND,
    NUMBER_KIND,
    SECTION,
    TITLE_ONLY,
    TITLE_SLIDE,
    body_place,
    empty_presentation,
    footer_place,
    number_field,
    title_place,
    tree,
)
from worker.kinds.presentation.pptx.text import ANCHORS, Link, Place, direction, paragraphs, placeholder
from worker.kinds.presentation.theme import Color, Theme

_NO_STYLE = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"
"""The table style without fills and borders; we bring our own."""
_HEAD_BORDER: tuple[float, Color] = (1.5, "accent")
_ROW_BORDER: tuple[float, Color] = (0.75, "line")
_SECTIONS = "{521415D9-36F7-43E2-AB2F-B90AF26B5E84}"
_P14 = "http://schemas.microsoft.com/office/powerpoint/2010/main"
_CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_TABLE = "http://schemas.openxmlformats.org/drawingml/2006/table"


def write_pptx(path: Path, deck: Deck, pages: Sequence[Page], theme: Theme) -> None:
    """Write the pages; equal pages give equal bytes."""
    presentation = empty_presentation(theme, is_mirrored=any(page.is_mirrored for page in pages))
    layouts = {layout.name: layout for layout in presentation.slide_layouts}
    for number, page in enumerate(pages, 1):
        _add_slide(presentation, layouts, page, number, theme)
    _part_into_sections(presentation, deck, pages)
    _describe(presentation.core_properties, deck)
    saved = io.BytesIO()
    presentation.save(saved)
    _write_undated(saved, path)


def _add_slide(presentation: Any, layouts: dict[str, Any], page: Page, number: int, theme: Theme) -> None:
    body = _body(page)
    relation, slide = presentation.part.add_slide(layouts[_layout(page, body)])
    presentation.element.get_or_add_sldIdLst().add_sldId(relation)
    shapes = [_title(page, theme, slide.part)]
    for place, shape in enumerate(page.shapes, 3):
        shapes.append(
            _text(place, page, shape, theme, slide.part) if shape is body else _shape(place, shape, theme, slide.part)
        )
    if page.ground == "content":
        shapes.append(_foot(len(page.shapes) + 3, page, number, theme))
    held = slide._element.cSld
    held.replace(held.spTree, tree("".join(shapes)))
    if page.notes:
        _note(slide.notes_slide.notes_text_frame, page)


def _note(frame: Any, page: Page) -> None:
    frame.text = page.notes
    for paragraph in frame.paragraphs if page.is_mirrored else ():
        paragraph._p.get_or_add_pPr().attrib.update({"algn": "r", "rtl": "1"})


def _body(page: Page) -> Words | None:
    """What the slide says, if it is in one place: that goes into the placeholder for it."""
    bodies = [shape for shape in page.shapes if isinstance(shape, Words) and shape.is_body]
    return bodies[0] if len(bodies) == 1 else None


def _layout(page: Page, body: Words | None) -> str:
    match page.ground:
        case "content":
            return CONTENT if body else TITLE_ONLY
        case "hero":
            return TITLE_SLIDE
        case "section":
            return SECTION
        case "closing":
            return CLOSING


def _title(page: Page, theme: Theme, part: Any) -> str:
    return _filled(2, "Title", page.title, title_place(theme, page.ground, is_mirrored=page.is_mirrored), theme, part)


def _text(number: int, page: Page, words: Words, theme: Theme, part: Any) -> str:
    place = body_place(theme, page.ground, is_mirrored=page.is_mirrored)
    return _filled(number, "Text", words, place, theme, part)


def _filled(number: int, name: str, words: Words, place: Place, theme: Theme, part: Any) -> str:
    """A placeholder with words in it, saying where it is only if that is not the layout's place."""
    moved = at(words.box) if words.box != place.box else ""
    body = f'<a:bodyPr anchor="{ANCHORS[words.anchor]}"/>' if words.anchor != place.anchor else ""
    text = paragraphs(words.lines, place, theme, _link(part))
    return placeholder(number, f"{name} {number - 1}", place.kind, text, at=moved, body=body)


def _foot(number: int, page: Page, slide: int, theme: Theme) -> str:
    line = Line((Run(page.footer),), FOOT_SIZE, theme.body, is_mirrored=page.is_mirrored)
    turned = direction(line, footer_place(theme, is_mirrored=page.is_mirrored))
    style = f"<a:pPr{turned}/>" if turned else ""
    said = f"<a:p>{style}<a:r><a:rPr/><a:t>{escape(page.footer, quote=False)}</a:t></a:r></a:p>"
    shown = placeholder(number, f"Footer {number - 1}", FOOTER_KIND, said) if page.footer else ""
    counted = f"<a:p>{number_field(str(slide))}</a:p>"
    return shown + placeholder(number + 1, f"Slide number {number}", NUMBER_KIND, counted)


def _shape(number: int, shape: Shape, theme: Theme, part: Any) -> str:
    match shape:
        case Words():
            return _text_box(number, shape, theme, part)
        case Panel() | Disc():
            return drawn(number, shape, theme)
        case Picture():
            return _picture(number, shape, part)
        case Grid():
            return _frame(number, "Table", _TABLE, _table_alt(shape), shape.box, _table(shape, theme, part))
        case Plot():
            chart = part.relate_to(chart_part(shape, part.package), RELATIONSHIP_TYPE.CHART)
            held = f'<c:chart xmlns:c="{_CHART}" r:id="{chart}"/>'
            return _frame(number, "Chart", _CHART, told(shape.chart), shape.box, held)


def _text_box(number: int, words: Words, theme: Theme, part: Any) -> str:
    text = paragraphs(words.lines, Place(words.box, theme.body), theme, _link(part))
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="Text {number - 1}"/><p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr>'
        f'<p:spPr>{at(words.box)}<a:prstGeom prst="rect"><a:avLst/></a:prstGeom><a:noFill/></p:spPr>'
        f'<p:txBody><a:bodyPr wrap="square" lIns="0" tIns="0" rIns="0" bIns="0" rtlCol="0" anchor="{ANCHORS[words.anchor]}">'
        f"<a:noAutofit/></a:bodyPr><a:lstStyle/>{text}</p:txBody></p:sp>"
    )


def _picture(number: int, picture: Picture, part: Any) -> str:
    _, image = part.get_or_add_image_part(picture.path)
    told = f' descr="{escape(picture.alt)}"/>' if picture.alt else f">{DECORATIVE}</p:cNvPr>"
    return (
        f'<p:pic><p:nvPicPr><p:cNvPr id="{number}" name="Picture {number - 1}"{told}'
        '<p:cNvPicPr><a:picLocks noChangeAspect="1"/></p:cNvPicPr><p:nvPr/></p:nvPicPr>'
        f'<p:blipFill><a:blip r:embed="{image}"/><a:stretch><a:fillRect/></a:stretch></p:blipFill>'
        f'<p:spPr>{at(picture.box)}<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr></p:pic>'
    )


def _frame(number: int, name: str, uri: str, alt: str, box: Box, held: str) -> str:
    return (
        f'<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="{number}" name="{name} {number - 1}" descr="{escape(alt)}"/>'
        '<p:cNvGraphicFramePr><a:graphicFrameLocks noGrp="1"/></p:cNvGraphicFramePr><p:nvPr/></p:nvGraphicFramePr>'
        f'{at(box, "p:xfrm")}<a:graphic><a:graphicData uri="{uri}">{held}</a:graphicData></a:graphic></p:graphicFrame>'
    )


def _table(grid: Grid, theme: Theme, part: Any) -> str:
    # The format has rtl="1" for a table, but LibreOffice shows such a one from left to right.
    order = -1 if grid.is_mirrored else 1
    columns = "".join(f'<a:gridCol w="{emu(width)}"/>' for width in grid.widths[::order])
    rows = "".join(
        f'<a:tr h="{emu(high)}">{"".join(_cell(line, grid, theme, part, is_head=row == 0) for line in lines[::order])}</a:tr>'
        for row, (high, lines) in enumerate(zip(grid.heights, grid.rows, strict=True))
    )
    return (
        f'<a:tbl><a:tblPr firstRow="1"><a:tableStyleId>{_NO_STYLE}</a:tableStyleId></a:tblPr>'
        f"<a:tblGrid>{columns}</a:tblGrid>{rows}</a:tbl>"
    )


def _cell(line: Line, grid: Grid, theme: Theme, part: Any, *, is_head: bool) -> str:
    text = paragraphs((line,), Place(grid.box, theme.body), theme, _link(part))
    border, inset = _HEAD_BORDER if is_head else _ROW_BORDER, emu(grid.inset)
    return (
        f"<a:tc><a:txBody><a:bodyPr/><a:lstStyle/>{text}</a:txBody>"
        f'<a:tcPr marL="{inset}" marR="{inset}" marT="0" marB="0" anchor="ctr">'
        f'<a:lnB w="{emu(border[0])}">{fill(border[1], theme)}</a:lnB></a:tcPr></a:tc>'
    )


def _table_alt(grid: Grid) -> str:
    return f"Table: {', '.join(filter(None, (plain(line.text) for line in grid.rows[0])))}"


def _link(part: Any) -> Link:
    return partial(part.relate_to, reltype=RELATIONSHIP_TYPE.HYPERLINK, is_external=True)


def _part_into_sections(presentation: Any, deck: Deck, pages: Sequence[Page]) -> None:
    """Sections as the slide sorter shows them; a deck without parts has none."""
    if len({page.section for page in pages}) < 2:
        return
    ids = iter(slide.id for slide in presentation.element.sldIdLst.sldId_lst)
    sections = "".join(
        _section(index, name or deck.title, [next(ids) for _ in group])
        for index, (name, group) in enumerate(groupby(pages, key=lambda page: page.section))
    )
    presentation.element.append(
        parse_xml(
            f'<p:extLst {nsdecls("p")}><p:ext uri="{_SECTIONS}">'
            f'<p14:sectionLst xmlns:p14="{_P14}">{sections}</p14:sectionLst></p:ext></p:extLst>'
        )
    )


def _section(index: int, name: str, slides: Sequence[int]) -> str:
    """A section, by an id that is the same for the same part of the same deck."""
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{index}:{name}")).upper()
    held = "".join(f'<p14:sldId id="{slide}"/>' for slide in slides)
    return f'<p14:section name="{escape(name)}" id="{{{key}}}"><p14:sldIdLst>{held}</p14:sldIdLst></p14:section>'


def _describe(properties: Any, deck: Deck) -> None:
    properties.title, properties.author = deck.title[:255], deck.author[:255]


def _write_undated(saved: io.BytesIO, path: Path) -> None:
    """Copy the package without the times at which its parts were packed."""
    with zipfile.ZipFile(saved) as package, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as undated:
        for name in package.namelist():
            undated.writestr(zipfile.ZipInfo(name), package.read(name), zipfile.ZIP_DEFLATED)
