"""How much room text takes, estimated once so that both writers agree.

A .pptx names its face and a viewer may lack it, so this is no measuring: each character is as wide as in the wider
of Calibri and Source Sans Pro, and a little more.
"""

import math
import re
import unicodedata
from functools import lru_cache

from worker.kinds.presentation.deck import Text

LEADING = 1.3
"""The distance of baselines, in sizes of the text."""
CODE = 0.9
"""The size of code in running text: its face looks larger than the others."""
_SPARE, _BOLD, _MONO = 1.03, 1.07, 0.61
_WIDTHS = {
    0.25: "ij', ",
    0.3: "lI.:;",
    0.35: "frt!()-[]{}",
    0.4: "/\\",
    0.45: 'sxz"',
    0.5: "cekvyFJLY#*+<=>?^_|~",
    0.55: "0123456789aghnouESTXZ$`",
    0.6: "bdpqABCKPRV",
    0.65: "DGNU",
    0.7: "HOQ&",
    0.75: "w",
    0.85: "m%",
    0.9: "MW@",
}
_WIDTH = {character: width for width, characters in _WIDTHS.items() for character in characters}
_WIDE = (
    "\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\U00020000-\U0003ffff"
)
_PIECE = re.compile(rf"\n|[^\S\n]+|[{_WIDE}]|[^\s{_WIDE}]+")
"""What a line is made of: breaks, spaces, ideographs (between any of which it may be broken) and words."""


def width(text: Text, size: float, *, bold: bool = False) -> float:
    """How wide the text is on one line."""
    return sum(_width(run.text, bold=bold or run.bold, code=run.code) for run in text) * size


def widest_word(text: Text, size: float, *, bold: bool = False) -> float:
    """How wide the longest stretch is that should not be broken."""
    words = (_width(word, bold=bold or run.bold, code=run.code) for run in text for word in _PIECE.findall(run.text))
    return max(words, default=0) * size


def line_count(text: Text, size: float, room: float, *, bold: bool = False) -> int:
    """How many lines the text takes when it is this wide. A word longer than a line is broken."""
    lines, used, gap, room = 1, 0.0, 0.0, max(room / size, 1.0)
    for run in text:
        for piece in _PIECE.findall(run.text):
            if piece == "\n":
                lines, used, gap = lines + 1, 0.0, 0.0
                continue
            wide = _width(piece, bold=bold or run.bold, code=run.code)
            if piece.isspace() and not run.code:
                gap = wide
                continue
            if used + gap + wide <= room:
                used, gap = used + gap + wide, 0.0
                continue
            lines += (used > 0) + math.ceil(wide / room) - 1
            used, gap = wide % room if wide > room else wide, 0.0
    return lines


def _width(piece: str, *, bold: bool, code: bool) -> float:
    if code:
        return sum(max(_MONO, _character(c)) if ord(c) > 0x2FF else _MONO for c in piece) * CODE * _SPARE
    return sum(map(_character, piece)) * _SPARE * (_BOLD if bold else 1)


@lru_cache(maxsize=4096)
def _character(character: str) -> float:
    known = _WIDTH.get(character)
    if known is not None:
        return known
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.3 if ord(character) >= 0x1F000 else 1.0
    return 0.9 if ord(character) >= 0x2010 else 0.75 if character.isupper() else 0.6
