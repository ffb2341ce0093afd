"""The two looks of a deck: colours by what they are for."""

from dataclasses import dataclass
from typing import Literal

Color = Literal[
    "background", "ink", "muted", "card", "line", "accent", "accent2", "accent3", "accent4", "hero", "glow", "hero_ink"
]


@dataclass(frozen=True)
class Theme:
    """Colours as RRGGBB. `hero` is the ground of opening slides, `glow` what shines on it, `hero_ink` its text."""

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


LIGHT = Theme(
    background="FFFFFF",
    ink="16202E",
    muted="55637A",
    card="F2F5FA",
    line="D8DFEA",
    accent="1B66D6",
    accent2="0C8577",
    accent3="B25E09",
    accent4="B4286E",
    hero="0E2A5C",
    glow="2F6FE4",
    hero_ink="FFFFFF",
    dark=False,
)
DARK = Theme(
    background="10151F",
    ink="E9EEF6",
    muted="A3B0C4",
    card="1B2331",
    line="323E52",
    accent="6FB1FF",
    accent2="4AD6C2",
    accent3="FFC05C",
    accent4="FF8FC0",
    hero="0A0F1A",
    glow="2B63B8",
    hero_ink="FFFFFF",
    dark=True,
)
THEMES = {"light": LIGHT, "dark": DARK}
