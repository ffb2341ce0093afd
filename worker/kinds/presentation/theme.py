"""The six looks of a deck: colours by what they are for, faces, and how opening pages are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from worker.kinds.presentation.deck import Tone

Color = Literal[
    "background", "ink", "muted", "card", "line", "accent", "accent2", "accent3", "accent4", "hero", "glow", "hero_ink"
]
Motif = Literal["discs", "frame", "arcs", "blocks", "rings", "bars"]


@dataclass(frozen=True)
class Face:
    """A family of type. `package` carries its files, which are named by (bold, italic).

    A .pptx names its face, and whoever opens it may not have it: PowerPoint then takes another, at most `spare`
    times as wide (bold: `spare_bold`), as measured with the widest of the usual ones, Arial.
    """

    family: str
    package: str
    regular: str
    bold: str
    italic: str
    bold_italic: str
    spare: float
    spare_bold: float


HANKEN = Face(
    "Hanken Grotesk", "font_hanken_grotesk", "HankenGrotesk-Regular.otf", "HankenGrotesk-Bold.otf",
    "HankenGrotesk-Italic.otf", "HankenGrotesk-BoldItalic.otf", spare=1.04, spare_bold=1.1,
)  # fmt: skip
MANROPE = Face(
    "Manrope", "font_manrope", "Manrope-Regular.ttf", "Manrope-Bold.ttf",
    "Manrope-Regular.ttf", "Manrope-Bold.ttf", spare=1.02, spare_bold=1.03,
)  # fmt: skip
LATO = Face(
    "Lato", "font_lato", "Lato-Regular.ttf", "Lato-Bold.ttf",
    "Lato-Italic.ttf", "Lato-BoldItalic.ttf", spare=1.06, spare_bold=1.11,
)  # fmt: skip
SOURCE_SANS = Face(
    "Source Sans Pro", "font_source_sans_pro", "SourceSansPro-Regular.otf", "SourceSansPro-Bold.otf",
    "SourceSansPro-It.otf", "SourceSansPro-BoldIt.otf", spare=1.12, spare_bold=1.13,
)  # fmt: skip
SOURCE_SERIF = Face(
    "Source Serif Pro", "font_source_serif_pro", "SourceSerifPro-Regular.otf", "SourceSerifPro-Bold.otf",
    "SourceSerifPro-It.otf", "SourceSerifPro-BoldIt.otf", spare=1.06, spare_bold=1.08,
)  # fmt: skip
MONO = Face("DejaVu Sans Mono", "", "", "", "", "", spare=1.0, spare_bold=1.0)
"""Comes with Typst; every letter of it is as wide."""


@dataclass(frozen=True)
class Theme:
    """Colours as RRGGBB. `hero` is the ground of opening pages, `glow` what shines on it, `hero_ink` its text.

    `head` is the face of titles, `body` of all else. `radius` is how round cards are, in points.
    """

    name: str
    head: Face
    body: Face
    motif: Motif
    radius: float
    background: str
    ink: str
    muted: str
    card: str
    line: str
    accent: str
    accent2: str
    accent3: str
    accent4: str
    hero: str
    glow: str
    hero_ink: str
    dark: bool


CLEAN = Theme(
    name="clean", head=HANKEN, body=HANKEN, motif="discs", radius=10,
    background="FFFFFF", ink="16202E", muted="55637A", card="F2F5FA", line="D8DFEA",
    accent="1B66D6", accent2="0C8577", accent3="B25E09", accent4="B4286E",
    hero="0E2A5C", glow="2F6FE4", hero_ink="FFFFFF", dark=False,
)  # fmt: skip
PAPER = Theme(
    name="paper", head=SOURCE_SERIF, body=SOURCE_SANS, motif="frame", radius=0,
    background="FBF7F0", ink="2B2320", muted="6B5D55", card="F1E9DC", line="DCCFBD",
    accent="A33B2B", accent2="2F6B62", accent3="96681B", accent4="5B4A8A",
    hero="F1E6D4", glow="A33B2B", hero_ink="2B2320", dark=False,
)  # fmt: skip
FRESH = Theme(
    name="fresh", head=MANROPE, body=MANROPE, motif="arcs", radius=14,
    background="FFFFFF", ink="12271F", muted="4F675D", card="EDF6F1", line="CFE3D8",
    accent="0B7A55", accent2="3066BE", accent3="B0620C", accent4="8A3FA0",
    hero="0B3D2E", glow="2FBF87", hero_ink="FFFFFF", dark=False,
)  # fmt: skip
VIVID = Theme(
    name="vivid", head=LATO, body=LATO, motif="blocks", radius=4,
    background="FFFFFF", ink="1E1430", muted="5F5670", card="F6F2FB", line="E0D6EC",
    accent="6A2BD9", accent2="D6246E", accent3="C2500A", accent4="0A7E8C",
    hero="4A16B0", glow="FF8A3D", hero_ink="FFFFFF", dark=False,
)  # fmt: skip
MIDNIGHT = Theme(
    name="midnight", head=HANKEN, body=HANKEN, motif="rings", radius=10,
    background="0F1726", ink="E9EEF6", muted="A3B0C4", card="1A2438", line="33415A",
    accent="6FB1FF", accent2="4AD6C2", accent3="FFC05C", accent4="FF8FC0",
    hero="0A1020", glow="3E7BD6", hero_ink="FFFFFF", dark=True,
)  # fmt: skip
GRAPHITE = Theme(
    name="graphite", head=MANROPE, body=SOURCE_SANS, motif="bars", radius=2,
    background="191919", ink="F3F1EC", muted="B3AFA6", card="252524", line="41403D",
    accent="F5B83D", accent2="8FD694", accent3="7FC4E8", accent4="F28B82",
    hero="121212", glow="F5B83D", hero_ink="F7F5F0", dark=True,
)  # fmt: skip
THEMES = {theme.name: theme for theme in (CLEAN, PAPER, FRESH, VIVID, MIDNIGHT, GRAPHITE)}
TONES: Mapping[Tone, Color] = {
    "keyword": "accent",
    "string": "accent2",
    "number": "accent3",
    "name": "accent4",
    "comment": "muted",
}
"""The colours of code."""
