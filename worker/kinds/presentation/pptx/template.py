"""An empty PowerPoint file in one of our themes.

Colours, faces, and what lies under a page are the theme's, the master's and the layouts', so that whoever edits the
deck changes them in one place, and slides added by hand look like the others.
"""

import io
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from pptx import Presentation
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls, qn
from pptx.util import Pt

from worker.kinds.presentation.layout.grounds import setting
from worker.kinds.presentation.layout.mirror import mirrored_box
from worker.kinds.presentation.layout.sheet import (
    BODY,
    FOOT_SIZE,
    FOOTER,
    NUMBER,
    OTHER_SIDE,
    SHEET_HEIGHT,
    SHEET_WIDTH,
    TITLE,
    Box,
    Ground,
)
from worker.kinds.presentation.pptx.shapes import at, drawn, emu, fill
from worker.kinds.presentation.pptx.text import ALIGNS, ANCHORS, Place, placeholder
from worker.kinds.presentation.pptx.theme import color_map, theme_xml
from worker.kinds.presentation.theme import Theme

TITLE_SLIDE, CONTENT, SECTION, TITLE_ONLY, CLOSING = (
    "Title Slide", "Title and Content", "Section Header", "Title Only", "Closing",
)  # fmt: skip
SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - the format knows no zones
"""When every deck says that it was made: the same slides give the same file."""
LAYOUTS: dict[str, Ground] = {
    TITLE_SLIDE: "hero",
    CONTENT: "content",
    SECTION: "section",
    TITLE_ONLY: "content",
    CLOSING: "closing",
}
"""What lies under the slides of each layout."""
FOOTER_KIND = 'type="ftr" sz="quarter" idx="11"'
NUMBER_KIND = 'type="sldNum" sz="quarter" idx="12"'
"""What the placeholders at the foot are to PowerPoint, on layouts and slides."""
LANGUAGE = "en-US"
_BLANK = "Blank"
"""The layout of python-pptx's own that becomes the closing one."""
_TITLE_SIZES: dict[Ground, float] = {"content": 32, "hero": 54, "section": 44, "closing": 48}
_BODY_SIZE = 22.0
_BODY_KINDS: dict[Ground, str] = {
    "content": 'idx="1"',
    "hero": 'type="subTitle" idx="1"',
    "section": 'type="body" idx="1"',
    "closing": 'type="body" idx="1"',
}
_DATE = Box(FOOTER.x + FOOTER.width, FOOTER.y, NUMBER.x - FOOTER.x - FOOTER.width, FOOTER.height)
"""For a date that is put in by hand: ours is part of the footer."""
_BULLETS = "•–•–•"
_PROPERTIES = (
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    "<Application>Backburner</Application><PresentationFormat>Widescreen</PresentationFormat>"
    "</Properties>"
)
_FRAME = (
    '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
    '<p:grpSpPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/><a:chOff x="0" y="0"/><a:chExt cx="0" cy="0"/></a:xfrm>'
    "</p:grpSpPr>"
)
_EMPTY = "<a:p><a:endParaRPr/></a:p>"
_NUMBER_FIELD = (
    '<a:fld id="{{C1FF6DA9-008F-8B48-92A6-B652298478BF}}" type="slidenum"><a:rPr/><a:t>{shown}</a:t></a:fld>'
)


def empty_presentation(theme: Theme, *, is_mirrored: bool = False) -> Any:
    """A wide presentation without slides, with the five layouts; mirrored for readers who begin at the right."""
    return Presentation(io.BytesIO(_template(theme, is_mirrored)))


def title_place(theme: Theme, ground: Ground, *, is_mirrored: bool) -> Place:
    """Where the title of a page stands, and how it looks there."""
    under = setting(theme, ground, is_mirrored=is_mirrored)
    box = TITLE if ground == "content" else under.title
    kind = 'type="ctrTitle"' if ground == "hero" else 'type="title"'
    place = Place(box, theme.head, kind, under.ink, _TITLE_SIZES[ground], bold=True, is_leftward=is_mirrored)
    return replace(place, align=under.align, anchor=under.anchor)


def body_place(theme: Theme, ground: Ground, *, is_mirrored: bool) -> Place:
    """Where the text of a page stands, and how it looks there."""
    under = setting(theme, ground, is_mirrored=is_mirrored)
    box = BODY if ground == "content" else under.body
    kind = _BODY_KINDS[ground]
    return Place(box, theme.body, kind, under.ink, _BODY_SIZE, align=under.align, is_leftward=is_mirrored)


def footer_place(theme: Theme, *, is_mirrored: bool) -> Place:
    """Where the footer stands, and how it looks there."""
    place = Place(FOOTER, theme.body, 'type="ftr" sz="quarter" idx="3"', "muted", FOOT_SIZE, anchor="middle")
    return _mirrored(place) if is_mirrored else place


def _mirrored(place: Place) -> Place:
    return replace(place, box=mirrored_box(place.box), align=OTHER_SIDE[place.align], is_leftward=True)


def tree(shapes: str) -> Any:
    """What a slide, a layout or the master holds."""
    return parse_xml(f"<p:spTree {nsdecls('p', 'a', 'r')}>{_FRAME}{shapes}</p:spTree>")


def number_field(shown: str) -> str:
    """Text that PowerPoint keeps equal to the slide's number."""
    return _NUMBER_FIELD.format(shown=shown)


@lru_cache
def _template(theme: Theme, is_mirrored: bool) -> bytes:
    presentation = Presentation()
    presentation.slide_width, presentation.slide_height = Pt(SHEET_WIDTH), Pt(SHEET_HEIGHT)
    presentation.element.sldSz.attrib.pop("type")  # it says 4:3
    if is_mirrored:
        presentation.element.set("rtl", "1")
    _drop(presentation.part, RELATIONSHIP_TYPE.PRINTER_SETTINGS)
    _drop(presentation.part.package, RELATIONSHIP_TYPE.THUMBNAIL)
    presentation.part.package.part_related_by(RELATIONSHIP_TYPE.EXTENDED_PROPERTIES).blob = _PROPERTIES.encode()
    _undate(presentation.core_properties)
    master = presentation.slide_master
    master.part.part_related_by(RELATIONSHIP_TYPE.THEME).blob = theme_xml(theme).encode()
    _redraw_master(master, theme, is_mirrored=is_mirrored)
    for layout in list(presentation.slide_layouts):
        if layout.name == _BLANK:
            layout._element.attrib.update({"type": "cust", "userDrawn": "1"})
            _redraw(layout, CLOSING, theme, is_mirrored=is_mirrored)
        elif layout.name in LAYOUTS:
            _redraw(layout, layout.name, theme, is_mirrored=is_mirrored)
        else:
            presentation.slide_layouts.remove(layout)
    saved = io.BytesIO()
    presentation.save(saved)
    return saved.getvalue()


def _undate(properties: Any) -> None:
    properties.created = properties.modified = SOME_DAY
    properties.comments = properties.last_modified_by = ""
    properties.language = LANGUAGE


def _drop(part: Any, relationship: str) -> None:
    relationships = part._rels
    for key in [key for key, related in relationships.items() if related.reltype == relationship]:
        relationships.pop(key)


def _redraw_master(master: Any, theme: Theme, *, is_mirrored: bool) -> None:
    title = title_place(theme, "content", is_mirrored=is_mirrored)
    body = body_place(theme, "content", is_mirrored=is_mirrored)
    foot = footer_place(theme, is_mirrored=False)
    date = replace(foot, box=_DATE, kind='type="dt" sz="half" idx="2"', align="right")
    number = replace(date, box=NUMBER, kind='type="sldNum" sz="quarter" idx="4"')
    if is_mirrored:
        foot, date, number = _mirrored(foot), _mirrored(date), _mirrored(number)
    shapes = (
        _defined(2, "Title", title, _prompt("Title")),
        _defined(3, "Text", replace(body, kind='type="body" idx="1"'), _outline()),
        _defined(4, "Date", date, _EMPTY, _style(date, theme)),
        _defined(5, "Footer", foot, _prompt("Footer"), _style(foot, theme)),
        _defined(6, "Slide number", number, _number(), _style(number, theme)),
    )
    _replace(master, "", fill("background", theme), "".join(shapes))
    master._element.find(qn("p:clrMap")).attrib.update(color_map(theme))
    styles = master._element.find(qn("p:txStyles"))
    styles.replace(styles.find(qn("p:titleStyle")), parse_xml(_title_style(title)))
    styles.replace(styles.find(qn("p:bodyStyle")), parse_xml(_body_style(body)))


def _redraw(layout: Any, name: str, theme: Theme, *, is_mirrored: bool) -> None:
    ground = LAYOUTS[name]
    under = setting(theme, ground, is_mirrored=is_mirrored)
    shapes = [drawn(number, shape, theme) for number, shape in enumerate(under.shapes, 20)]
    title = title_place(theme, ground, is_mirrored=is_mirrored)
    body = body_place(theme, ground, is_mirrored=is_mirrored)
    if ground == "content":
        fills, ink = "", ""
        shapes.append(placeholder(2, "Title", title.kind, _prompt("Title")))
        if name == CONTENT:
            shapes.append(placeholder(3, "Content", body.kind, _outline()))
    else:
        fills, ink = fill(under.fill, theme), f"<a:lvl1pPr><a:defRPr>{fill(under.ink, theme)}</a:defRPr></a:lvl1pPr>"
        shapes.append(_defined(2, "Title", title, _prompt("Title"), _style(title, theme)))
        shapes.append(_defined(3, "Text", body, _prompt("Text"), _style(body, theme)))
    shapes += [
        placeholder(4, "Date", 'type="dt" sz="half" idx="10"', _EMPTY, style=ink),
        placeholder(5, "Footer", FOOTER_KIND, _prompt("Footer"), style=ink),
        placeholder(6, "Slide number", NUMBER_KIND, _number(), style=ink),
    ]
    _replace(layout, name, fills, "".join(shapes).replace("<p:nvPr/>", '<p:nvPr userDrawn="1"/>'))


def _replace(slide: Any, name: str, ground: str, shapes: str) -> None:
    background = f"<p:bg><p:bgPr>{ground}<a:effectLst/></p:bgPr></p:bg>" if ground else ""
    held = parse_xml(f'<p:cSld {nsdecls("p", "a")} name="{name}">{background}</p:cSld>')
    held.append(tree(shapes))
    slide._element.replace(slide._element.find(qn("p:cSld")), held)


def _defined(number: int, name: str, place: Place, text: str, style: str = "") -> str:
    """A placeholder that says itself where it is."""
    where = f'{at(place.box)}<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
    anchored = f'vert="horz" lIns="0" tIns="0" rIns="0" bIns="0" rtlCol="0" anchor="{ANCHORS[place.anchor]}"'
    body = f"<a:bodyPr {anchored}><a:normAutofit/></a:bodyPr>"
    return placeholder(number, name, place.kind, text, at=where, body=body, style=style)


def _style(place: Place, theme: Theme) -> str:
    return (
        f'<a:lvl1pPr marL="0" indent="0"{_direction(place)}><a:buNone/>'
        f'<a:defRPr sz="{round(place.size * 100)}">{fill(place.color, theme)}</a:defRPr></a:lvl1pPr>'
    )


def _direction(place: Place) -> str:
    return f' algn="{ALIGNS[place.align]}" rtl="{int(place.is_leftward)}"'


def _prompt(text: str) -> str:
    return f"<a:p><a:r><a:rPr/><a:t>{text}</a:t></a:r></a:p>"


def _outline() -> str:
    words = ("Text", "Second level", "Third level", "Fourth level", "Fifth level")
    return "".join(
        f'<a:p><a:pPr lvl="{level}"/><a:r><a:rPr/><a:t>{word}</a:t></a:r></a:p>' for level, word in enumerate(words)
    )


def _number() -> str:
    return f"<a:p>{number_field('‹#›')}</a:p>"


def _title_style(place: Place) -> str:
    return (
        f'<p:titleStyle {nsdecls("p", "a")}><a:lvl1pPr{_direction(place)}><a:lnSpc><a:spcPct val="95000"/></a:lnSpc>'
        f'<a:spcBef><a:spcPct val="0"/></a:spcBef><a:buNone/>{_default(place.size, "mj", bold=True)}</a:lvl1pPr></p:titleStyle>'
    )


def _body_style(place: Place) -> str:
    levels = "".join(
        f'<a:lvl{number}pPr marL="{emu(24 * number)}" indent="{-emu(24)}"{_direction(place)}>'
        f'<a:spcBef><a:spcPts val="{1000 if number == 1 else 500}"/></a:spcBef>'
        f'<a:buClr><a:schemeClr val="accent1"/></a:buClr><a:buFontTx/><a:buChar char="{bullet}"/>'
        f"{_default(max(place.size - 2 * (number - 1), 16), 'mn')}</a:lvl{number}pPr>"
        for number, bullet in enumerate(_BULLETS, 1)
    )
    return f"<p:bodyStyle {nsdecls('p', 'a')}>{levels}</p:bodyStyle>"


def _default(size: float, kind: str, *, bold: bool = False) -> str:
    return (
        f'<a:defRPr sz="{round(size * 100)}" b="{int(bold)}" kern="1200"><a:solidFill><a:schemeClr val="tx1"/></a:solidFill>'
        f'<a:latin typeface="+{kind}-lt"/><a:ea typeface="+{kind}-ea"/><a:cs typeface="+{kind}-cs"/></a:defRPr>'
    )
