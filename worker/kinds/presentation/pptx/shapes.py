"""Colours, boxes and drawn shapes in the words of PowerPoint's format, for layouts and slides alike."""

from collections.abc import Mapping

from worker.kinds.presentation.layout.sheet import Box, Disc, Panel
from worker.kinds.presentation.theme import Color, Theme

SCHEME: Mapping[Color, str] = {
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
"""Our colours by the names that PowerPoint has for a theme's. It has no more: hero and hero_ink are written out."""
PANEL_BORDER = 1.5
DECORATIVE = (
    '<a:extLst><a:ext uri="{C183D7F6-B498-43B3-948B-1728B52AA6E4}">'
    '<adec:decorative xmlns:adec="http://schemas.microsoft.com/office/drawing/2017/decorative" val="1"/>'
    "</a:ext></a:extLst>"
)
"""Screen readers pass it over."""


def emu(points: float) -> int:
    """The length in the format's own unit."""
    return round(points * 12_700)


def at(box: Box, tag: str = "a:xfrm") -> str:
    """The place of a shape."""
    return (
        f'<{tag}><a:off x="{emu(box.x)}" y="{emu(box.y)}"/>'
        f'<a:ext cx="{emu(box.width)}" cy="{emu(box.height)}"/></{tag}>'
    )


def fill(color: Color | None, theme: Theme, opacity: float = 1.0) -> str:
    """What a shape, a border or a letter is filled with."""
    if color is None:
        return "<a:noFill/>"
    alpha = f'<a:alpha val="{round(opacity * 100_000)}"/>' if opacity < 1 else ""
    if color in SCHEME:
        return f'<a:solidFill><a:schemeClr val="{SCHEME[color]}">{alpha}</a:schemeClr></a:solidFill>'
    return f'<a:solidFill><a:srgbClr val="{getattr(theme, color)}">{alpha}</a:srgbClr></a:solidFill>'


def drawn(number: int, shape: Panel | Disc, theme: Theme) -> str:
    """A panel or a disc: there for the eye alone."""
    match shape:
        case Disc(width=width):
            geometry = '<a:prstGeom prst="ellipse"><a:avLst/></a:prstGeom>'
        case Panel(box=box, radius=radius):
            width = PANEL_BORDER
            geometry = _rectangle(box, radius)
    border = (
        f'<a:ln w="{emu(width)}">{fill(shape.border, theme, shape.opacity)}</a:ln>'
        if shape.border
        else "<a:ln><a:noFill/></a:ln>"
    )
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="Shape {number}">{DECORATIVE}</p:cNvPr><p:cNvSpPr/><p:nvPr/></p:nvSpPr>'
        f"<p:spPr>{at(shape.box)}{geometry}{fill(shape.fill, theme, shape.opacity)}{border}</p:spPr></p:sp>"
    )


def _rectangle(box: Box, radius: float) -> str:
    if not radius:
        return '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
    roundness = round(min(0.5, radius / min(box.width, box.height)) * 100_000)
    return f'<a:prstGeom prst="roundRect"><a:avLst><a:gd name="adj" fmla="val {roundness}"/></a:avLst></a:prstGeom>'
