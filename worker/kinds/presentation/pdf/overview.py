"""All pages of a deck side by side on one picture, as a light table shows slides."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from worker.kinds.presentation.layout.faces import path
from worker.kinds.presentation.layout.sheet import SHEET_HEIGHT, SHEET_WIDTH
from worker.kinds.presentation.theme import Theme

MOST_PAGES = 100
MOST_BYTES = 1_200_000
_WIDTH, _FEW, _RADIUS, _SHARPER = 1600, 40, 6, 4
_LIGHT, _DARK = ("#E9ECF1", "#BCC4D0", "#4A5365"), ("#23272E", "#4A505B", "#B4BBC6")
"""The ground, the frames, the numbers."""


@dataclass(frozen=True)
class Table:
    """How the pages lie: so many of them across, each so many pixels wide, with so much between and below them."""

    across: int
    tile: int
    gap: int
    caption: int

    @property
    def ppi(self) -> float:
        """How finely a page is to be drawn for its place."""
        return self.tile / SHEET_WIDTH * 72

    @property
    def high(self) -> int:
        """How high a page is."""
        return round(self.tile * SHEET_HEIGHT / SHEET_WIDTH)


def table(many: int) -> Table:
    """The table for so many pages."""
    most, gap, caption = (4, 18, 24) if many <= _FEW else (6, 14, 20)
    return Table(min(most, many), (_WIDTH - gap) // most - gap, gap, caption)


def laid_out(pages: Sequence[bytes], theme: Theme, *, is_mirrored: bool = False) -> bytes:
    """A PNG of these pages, each drawn as the table asks for. What is over MOST_PAGES is told, not shown.

    Mirrored pages lie from right to left.
    """
    shown, on = pages[:MOST_PAGES], table(len(pages))
    ground, frame, ink = _DARK if theme.dark else _LIGHT
    rows = -(-len(shown) // on.across)
    more = f"The first {MOST_PAGES} of {len(pages)} pages" if len(pages) > MOST_PAGES else ""
    step = on.high + on.gap + on.caption
    size = (on.across * (on.tile + on.gap) + on.gap, rows * step + on.gap + (on.caption if more else 0))
    sheet = Image.new("RGB", size, ground)
    pen, face = ImageDraw.Draw(sheet), ImageFont.truetype(path(theme.body), on.caption * 0.6)
    mask, around = _rounded((on.tile, on.high)), _rounded((on.tile + 2, on.high + 2))
    for index, page in enumerate(shown):
        x, y = on.gap + index % on.across * (on.tile + on.gap), on.gap + index // on.across * step
        x = size[0] - x - on.tile if is_mirrored else x
        with Image.open(io.BytesIO(page)) as drawn:
            tile = drawn.convert("RGB").resize((on.tile, on.high))
        sheet.paste(frame, (x - 1, y - 1), around)
        sheet.paste(tile, (x, y), mask)
        pen.text((x + on.tile / 2, y + on.high + on.caption / 2 + 2), str(index + 1), ink, face, "mm")
    if more:
        pen.text((size[0] / 2, size[1] - on.gap), more, ink, face, "mm")
    return _small(sheet)


def _rounded(size: tuple[int, int]) -> Image.Image:
    large = Image.new("L", (size[0] * _SHARPER, size[1] * _SHARPER))
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), _RADIUS * _SHARPER, 255)
    return large.resize(size, Image.Resampling.LANCZOS)


def _small(sheet: Image.Image) -> bytes:
    """The PNG; in 256 colours, and then smaller, where photographs would make a large file of it."""
    data = _png(sheet)
    while len(data) > MOST_BYTES:
        data = _png(sheet.quantize(256))
        sheet = sheet.resize((sheet.width * 3 // 4, sheet.height * 3 // 4), Image.Resampling.LANCZOS)
    return data


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
