"""A theme's colours and faces as PowerPoint knows themes."""

from pptx.oxml.ns import nsdecls

from worker.kinds.presentation.pptx.shapes import SCHEME, emu
from worker.kinds.presentation.theme import Theme

_EAST_ASIAN = {
    "Jpan": "Yu Gothic",
    "Hang": "Malgun Gothic",
    "Hans": "Microsoft YaHei",
    "Hant": "Microsoft JhengHei",
}
_RIGHT_TO_LEFT = "Arial"
"""Faces that whoever opens the file has for the scripts that ours lack."""
_DARK = {"bg1": "dk1", "tx1": "lt1", "bg2": "dk2", "tx2": "lt2"}
_LIGHT = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}
_SLOTS = (
    "dk1",
    "lt1",
    "dk2",
    "lt2",
    "accent1",
    "accent2",
    "accent3",
    "accent4",
    "accent5",
    "accent6",
    "hlink",
    "folHlink",
)
_FLAT = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'
_FORMAT = (
    f'<a:fmtScheme name="Backburner"><a:fillStyleLst>{_FLAT * 3}</a:fillStyleLst>'
    f'<a:lnStyleLst>{"".join(f"""<a:ln w="{emu(width)}">{_FLAT}</a:ln>""" for width in (0.75, 1.5, 2.25))}</a:lnStyleLst>'
    f"<a:effectStyleLst>{'<a:effectStyle><a:effectLst/></a:effectStyle>' * 3}</a:effectStyleLst>"
    f"<a:bgFillStyleLst>{_FLAT * 3}</a:bgFillStyleLst></a:fmtScheme>"
)
"""How shapes look that are added by hand: flat, without shadow."""


def color_map(theme: Theme) -> dict[str, str]:
    """Which slot of the theme is the ground, and which the ink. A dark deck calls its dark ground dark."""
    return _DARK if theme.dark else _LIGHT


def theme_xml(theme: Theme) -> str:
    """The theme as a part of the file."""
    name = theme.name.capitalize()
    return (
        f'<a:theme {nsdecls("a")} name="{name}"><a:themeElements><a:clrScheme name="{name}">{_colors(theme)}</a:clrScheme>'
        f'<a:fontScheme name="{name}">{_faces(theme)}</a:fontScheme>{_FORMAT}</a:themeElements>'
        f"<a:objectDefaults/><a:extraClrSchemeLst/><a:custClrLst>{_more_colors(theme)}</a:custClrLst></a:theme>"
    )


def _colors(theme: Theme) -> str:
    slots = color_map(theme)
    colors = {slots.get(name, name): getattr(theme, color) for color, name in SCHEME.items()}
    colors |= {"hlink": theme.accent, "folHlink": theme.accent}
    return "".join(f'<a:{slot}><a:srgbClr val="{colors[slot]}"/></a:{slot}>' for slot in _SLOTS)


def _faces(theme: Theme) -> str:
    scripts = "".join(f'<a:font script="{script}" typeface="{face}"/>' for script, face in _EAST_ASIAN.items())
    others = f'<a:ea typeface=""/><a:cs typeface="{_RIGHT_TO_LEFT}"/>{scripts}'
    faces = (("majorFont", theme.head), ("minorFont", theme.body))
    return "".join(f'<a:{kind}><a:latin typeface="{face.family}"/>{others}</a:{kind}>' for kind, face in faces)


def _more_colors(theme: Theme) -> str:
    """Those for which a theme has no slot, for whoever picks a colour."""
    more = (("Opening ground", theme.hero), ("Opening text", theme.hero_ink))
    return "".join(f'<a:custClr name="{name}"><a:srgbClr val="{color}"/></a:custClr>' for name, color in more)
