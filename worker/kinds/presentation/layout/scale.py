"""The sizes that body text is tried in, from the largest down to the smallest that can be read from a chair."""

from dataclasses import dataclass

from worker.kinds.presentation.deck import Text
from worker.kinds.presentation.layout.sheet import Line
from worker.kinds.presentation.theme import Color, Theme

_SIZES = (
    (26, 0.85), (24, 0.75), (22, 0.7), (20, 0.6), (19, 0.5), (18, 0.5), (17, 0.45), (16, 0.4), (15, 0.35), (14, 0.3),
)  # fmt: skip
_PARTED = (18, 0.5)


@dataclass(frozen=True)
class Scale:
    """One size of a theme's body text: points, and the space between paragraphs in sizes of it."""

    theme: Theme
    size: float
    gap: float

    def line(self, text: Text, size: float, color: Color = "ink", *, bold: bool = False, before: float = 0.0) -> Line:
        """A line in the theme's body face."""
        return Line(text, size, self.theme.body, color, bold=bold, before=before)


def scales(theme: Theme) -> list[Scale]:
    """From the largest to the smallest."""
    return [Scale(theme, size, gap) for size, gap in _SIZES]


def parted(theme: Theme) -> Scale:
    """How slides are set that are too long for one page even in the smallest size."""
    return Scale(theme, *_PARTED)
