"""An empty PowerPoint file in one of our themes.

Colours and the places of titles are the master's and the layouts', so that whoever edits the deck changes them in one
place, and slides added by hand look like the others.
"""

from typing import Any

from lxml import etree
from pptx import Presentation
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls, qn
from pptx.util import Pt

from worker.kinds.presentation.sheet import (
    BODY,
    DISCS,
    HERO_BODY,
    HERO_MARK,
    HERO_TITLE,
    MARK,
    NUMBER,
    SHEET_HEIGHT,
    SHEET_WIDTH,
    TITLE,
    Box,
)
from worker.kinds.presentation.theme import Color, Theme

OPENING, CONTENT = "Title Slide", "Title Only"
"""The layouts that are kept of python-pptx's own."""
SCHEME: dict[Color, str] = {
    "background": "bg1",
    "ink": "tx1",
    "card": "bg2",
    "muted": "tx2",
    "accent": "accent1",
    "accent2": "accent2",
    "accent3": "accent3",
    "accent4": "accent4",
    "line": "accent5",
    "glow": "accent6",
}
"""Our colours by the names that PowerPoint has for a theme's."""
_HYPERLINKS: dict[str, Color] = {"hlink": "accent", "folHlink": "accent"}
_DARK_MAP = {"bg1": "dk1", "tx1": "lt1", "bg2": "dk2", "tx2": "lt2"}
_LIGHT_MAP = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}
_FRAME = (
    '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
    '<p:grpSpPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/><a:chOff x="0" y="0"/><a:chExt cx="0" cy="0"/></a:xfrm>'
    "</p:grpSpPr>"
)


def empty_presentation(theme: Theme) -> Any:
    """A wide presentation without slides, with the layouts OPENING and CONTENT."""
    presentation = Presentation()
    presentation.slide_width, presentation.slide_height = Pt(SHEET_WIDTH), Pt(SHEET_HEIGHT)
    for layout in list(presentation.slide_layouts):
        if layout.name not in (OPENING, CONTENT):
            presentation.slide_layouts.remove(layout)
    master = presentation.slide_master
    _color(master, theme)
    _redraw(master, "", _fill("bg1"), _master())
    _redraw(presentation.slide_layouts.get_by_name(OPENING), OPENING, _rgb(theme.hero), _opening(theme))
    _redraw(presentation.slide_layouts.get_by_name(CONTENT), CONTENT, "", _content())
    title_style = master._element.find(f".//{qn('p:titleStyle')}/{qn('a:lvl1pPr')}")
    title_style.set("algn", "l")
    title_style.find(qn("a:defRPr")).attrib.update({"sz": "3600", "b": "1"})
    return presentation


def _color(master: Any, theme: Theme) -> None:
    """Set the theme's colours. A dark deck calls its dark ground dark, and maps background to it."""
    slots = _DARK_MAP if theme.dark else _LIGHT_MAP
    part = master.part.part_related_by(RELATIONSHIP_TYPE.THEME)
    root = etree.fromstring(part.blob)
    scheme = root.find(f".//{qn('a:clrScheme')}")
    scheme.set("name", "Backburner")
    colors = {slots.get(name, name): color for color, name in SCHEME.items()} | _HYPERLINKS
    for slot, color in colors.items():
        scheme.find(qn(f"a:{slot}"))[:] = [etree.Element(qn("a:srgbClr"), val=getattr(theme, color))]
    part._blob = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    master._element.find(qn("p:clrMap")).attrib.update(slots)


def _redraw(slide: Any, name: str, ground: str, shapes: str) -> None:
    background = f"<p:bg><p:bgPr>{ground}<a:effectLst/></p:bgPr></p:bg>" if ground else ""
    drawn = parse_xml(
        f'<p:cSld name="{name}" {nsdecls("p", "a")}>{background}<p:spTree>{_FRAME}{shapes}</p:spTree></p:cSld>'
    )
    slide._element.replace(slide._element.find(qn("p:cSld")), drawn)


def _master() -> str:
    return "".join((
        _placeholder(2, "Title", 'type="title"', TITLE, "Title"),
        _placeholder(3, "Text", 'type="body" idx="1"', BODY, "Text"),
        _placeholder(4, "Slide number", 'type="sldNum" sz="quarter" idx="4"', NUMBER, style=_style("r", 1200, _fill("tx2"))),
    ))  # fmt: skip


def _opening(theme: Theme) -> str:
    white = _rgb(theme.hero_ink)
    shine = _fill("accent6", '<a:alpha val="22000"/>')
    return "".join((
        *(_shape(10 + n, f"Disc {n}", "ellipse", disc, shine) for n, disc in enumerate(DISCS, 1)),
        _shape(20, "Mark", "rect", HERO_MARK, _fill("accent6")),
        _placeholder(2, "Title", 'type="ctrTitle"', HERO_TITLE, "Title", "b", _style("l", 6000, white)),
        _placeholder(3, "Subtitle", 'type="subTitle" idx="1"', HERO_BODY, "Subtitle", "t", _style("l", 2400, white)),
    ))  # fmt: skip


def _content() -> str:
    return "".join((
        _shape(20, "Mark", "rect", MARK, _fill("accent1")),
        _placeholder(2, "Title", 'type="title"', None, "Title"),
        _placeholder(3, "Slide number", 'type="sldNum" sz="quarter" idx="12"', None),
    ))  # fmt: skip


def _placeholder(
    number: int, name: str, kind: str, box: Box | None, text: str = "", anchor: str = "t", style: str = ""
) -> str:
    """A placeholder; without a box it is where the master's is, and without text it shows the slide's number."""
    shown = f"<a:r><a:t>{text}</a:t></a:r>" if text else _NUMBER_FIELD
    body = (
        f'<a:bodyPr lIns="0" tIns="0" rIns="0" bIns="0" anchor="{anchor}"><a:normAutofit/></a:bodyPr>'
        if box
        else "<a:bodyPr/>"
    )
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{name}"/><p:cNvSpPr><a:spLocks noGrp="1"/></p:cNvSpPr>'
        f"<p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr><p:spPr>{_at(box) if box else ''}</p:spPr>"
        f"<p:txBody>{body}<a:lstStyle>{style}</a:lstStyle><a:p>{shown}</a:p></p:txBody></p:sp>"
    )


_NUMBER_FIELD = (
    '<a:fld id="{C1FF6DA9-008F-8B48-92A6-B652298478BF}" type="slidenum"><a:rPr lang="en-US"/><a:t>‹#›</a:t></a:fld>'
)


def _shape(number: int, name: str, geometry: str, box: Box, fill: str) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{name}"/><p:cNvSpPr/><p:nvPr userDrawn="1"/></p:nvSpPr>'
        f'<p:spPr>{_at(box)}<a:prstGeom prst="{geometry}"><a:avLst/></a:prstGeom>{fill}<a:ln><a:noFill/></a:ln></p:spPr></p:sp>'
    )


def _at(box: Box) -> str:
    x, y, width, height = (int(Pt(n)) for n in (box.x, box.y, box.width, box.height))
    return f'<a:xfrm><a:off x="{x}" y="{y}"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>'


def _style(align: str, size: int, fill: str) -> str:
    return (
        f'<a:lvl1pPr marL="0" indent="0" algn="{align}"><a:buNone/><a:defRPr sz="{size}">{fill}</a:defRPr></a:lvl1pPr>'
    )


def _fill(color: str, change: str = "") -> str:
    return f'<a:solidFill><a:schemeClr val="{color}">{change}</a:schemeClr></a:solidFill>'


def _rgb(color: str) -> str:
    return f'<a:solidFill><a:srgbClr val="{color}"/></a:solidFill>'
