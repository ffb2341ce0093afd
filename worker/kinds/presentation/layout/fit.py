"""How much room text takes, measured with the metrics of its face.

A .pptx names its face and a viewer may lack it, so all is a little wider than in that face: see Face.spare.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from worker.kinds.presentation.deck import Run, Text
from worker.kinds.presentation.layout import faces
from worker.kinds.presentation.theme import MONO, Face

LEADING = 1.3
"""The distance of baselines, in sizes of the text."""
CODE = 0.9
"""The size of code in running text: its face looks larger than the others."""
_MAY_BREAK = "\u200b"
_ROUNDING = 1e-6
_SPACE = " \t\u2000-\u2006\u2008-\u200b\u205f\u3000"
_WIDE_OPENING = "\u3008\u300a\u300c\u300e\u3010\u3014\u3016\u3018\u301a\u301d\uff08\uff3b\uff5b\uff5f\uff62"
_OPENING = f"(\\[{{\u00a1\u00ab\u00bf\u2018\u201a\u201c\u201e\u2039{_WIDE_OPENING}"
_QUOTES = "\u00bb\u2019\u201d\u203a"
_CLOSING = (
    ")\\]}!?/:;,.\u2026\u203c\u2047-\u2049"
    "\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u3015\u3017\u3019\u301b\u301e\u301f"
    "\uff01\uff0c\uff0e\uff1a\uff1b\uff1f\uff3d\uff5d\uff60\uff61\uff63\uff64"
)
_NOT_FIRST = (
    "\u3005\u301c\u303b\u303c\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u308e\u3095\u3096\u309b-\u309e"
    "\u30a0\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3\u30e5\u30e7\u30ee\u30f5\u30f6\u30fb-\u30fe\u31f0-\u31ff\uff65-\uff70"
)
_IDEOGRAPH = "\u3042-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd"
_LINE_MAY_END = re.compile(
    rf"\n"
    rf"|(?<![{_OPENING}{_SPACE}])[{_SPACE}]++(?![{_CLOSING}{_QUOTES}{_NOT_FIRST}])"
    rf"|(?<=[{_IDEOGRAPH}{_CLOSING}])(?=[{_IDEOGRAPH}{_WIDE_OPENING}])(?![{_NOT_FIRST}])"
    rf"|(?<=[{_IDEOGRAPH}])(?=\w)(?![{_NOT_FIRST}])"
    rf"|(?<=\w)(?=[{_IDEOGRAPH}])(?![{_NOT_FIRST}])"
    r"|(?<=[^\W\d_]{2}-)(?=[^\W\d_]{2})"
)
"""Where a line may end: fewer places than Unicode's rules allow, so that nobody's breaking makes more lines."""


class _Piece(NamedTuple):
    """A word, which no line's end parts, and the space or break behind it: where they are, and how wide in ems."""

    begin: int
    end: int
    after: int
    width: float
    gap: float
    ends_line: bool


def width(text: Text, size: float, face: Face, *, bold: bool = False, italic: bool = False) -> float:
    """How wide the text is when it is broken only where that was asked for."""
    widest = used = 0.0
    for piece in _pieces(text, face, bold, italic):
        widest = max(widest, used + piece.width)
        used = 0.0 if piece.ends_line else used + piece.width + piece.gap
    return widest * size


def widest_word(text: Text, size: float, face: Face, *, bold: bool = False, italic: bool = False) -> float:
    """How wide the longest stretch is that should not be broken."""
    return max((piece.width for piece in _pieces(text, face, bold, italic)), default=0.0) * size


def line_count(text: Text, size: float, room: float, face: Face, *, bold: bool = False, italic: bool = False) -> int:
    """How many lines the text takes when it is this wide. A word longer than a line is broken."""
    lines, used, is_fresh, room = 1, 0.0, True, _ems(room, size)
    for piece in _pieces(text, face, bold, italic):
        if used + piece.width > room and not is_fresh:
            lines, used = lines + 1, 0.0
        if piece.width > room:
            for letter in _letters(_cut(text, piece.begin, piece.end), face, bold, italic):
                if used + letter > room and used:
                    lines, used = lines + 1, 0.0
                used += letter
        else:
            used += piece.width
        used, is_fresh = used + piece.gap, False
        if piece.ends_line:
            lines, used, is_fresh = lines + 1, 0.0, True
    return lines


def breakable(text: Text, size: float, room: float, face: Face, *, bold: bool = False, italic: bool = False) -> Text:
    """The text, where words that no line can hold may be broken anywhere: Typst would let them run out."""
    ems, pieces = _ems(room, size), _pieces(text, face, bold, italic)
    if all(piece.width <= ems for piece in pieces):
        return text
    runs = list[Run]()
    for piece in pieces:
        word = _cut(text, piece.begin, piece.end)
        runs += _loosened(word) if piece.width > ems else word
        runs += _cut(text, piece.end, piece.after)
    return tuple(runs)


def _loosened(word: Text) -> Iterator[Run]:
    return (replace(run, text=_MAY_BREAK.join(["", *faces.clusters(run.text)])) for run in word)


def _ems(room: float, size: float) -> float:
    return max(room / size, 1.0) + _ROUNDING


@lru_cache(maxsize=20_000)
def _pieces(text: Text, face: Face, bold: bool, italic: bool) -> tuple[_Piece, ...]:
    whole, measure = "".join(run.text for run in text), _measure(text, face, bold, italic)
    pieces, begin = list[_Piece](), 0
    for match in _LINE_MAY_END.finditer(whole):
        end, after = match.span()
        is_break = match[0] == "\n"
        gap = measure(end, after) if after > end and not is_break else 0.0
        pieces.append(_Piece(begin, end, after, measure(begin, end), gap, is_break))
        begin = after
    pieces.append(_Piece(begin, len(whole), len(whole), measure(begin, len(whole)), 0.0, False))
    return tuple(pieces)


def _measure(text: Text, face: Face, bold: bool, italic: bool) -> Callable[[int, int], float]:
    """What tells how wide the text is from one place in it to another."""
    spans = list(_spans(text, face, bold, italic))
    if len(spans) == 1:
        ((_, whole, ruler, scale),) = spans
        return lambda begin, end: ruler(whole[begin:end]) * scale
    return lambda begin, end: sum(
        ruler(words[max(begin - at, 0) : end - at]) * scale
        for at, words, ruler, scale in spans
        if begin < at + len(words) and at < end
    )


def _spans(
    text: Text, face: Face, bold: bool, italic: bool
) -> Iterator[tuple[int, str, Callable[[str], float], float]]:
    """Each run: where it begins, its words, what measures them, and how large it is beside the others."""
    at = 0
    for run in text:
        is_bold, is_italic = bold or run.bold, italic or run.italic
        yield at, run.text, faces.ruler(MONO if run.code else face, is_bold, is_italic), CODE if run.code else 1.0
        at += len(run.text)


def _cut(text: Text, begin: int, end: int) -> Text:
    """The text from one place in it to another."""
    runs, at = list[Run](), 0
    for run in text:
        part = run.text[max(begin - at, 0) : max(end - at, 0)]
        if part:
            runs.append(replace(run, text=part))
        at += len(run.text)
    return tuple(runs)


@lru_cache(maxsize=2_000)
def _letters(word: Text, face: Face, bold: bool, italic: bool) -> tuple[float, ...]:
    spans = _spans(word, face, bold, italic)
    return tuple(ruler(letter) * scale for _, part, ruler, scale in spans for letter in faces.clusters(part))
