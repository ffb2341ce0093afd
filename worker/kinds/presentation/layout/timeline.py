"""A page of moments: a list whose entries begin with when, along a line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from worker.kinds.presentation.deck import Bullets, Item, Run, Text
from worker.kinds.presentation.layout.columns import ACCENTS
from worker.kinds.presentation.layout.leads import when
from worker.kinds.presentation.layout.sheet import Box, Disc, Line, Panel, Shape, Words, height
from worker.kinds.presentation.theme import Theme

MOST_ACROSS = 5
"""More moments than this, or longer words, stand below each other."""


@dataclass(frozen=True)
class _Moment:
    """When, and what happened: lines of it."""

    when: str
    what: tuple[Text, ...]


def timeline(bullets: Bullets, room: Box, theme: Theme) -> tuple[Shape, ...] | None:
    """A list whose entries begin with moments, along a line."""
    moments = list(_moments(bullets.items))
    if not 3 <= len(moments) <= 8 or len(moments) < sum(
        item.level == 0 and bool(item.marker) for item in bullets.items
    ):
        return None
    if len(moments) <= MOST_ACROSS and (across := _across(moments, room, theme)):
        return across
    return _down(moments, room, theme)


def _moments(items: Sequence[Item]) -> Iterator[_Moment]:
    moment: _Moment | None = None
    for item in items:
        if item.level == 0 and item.marker:
            if moment:
                yield moment
            begins = when(item.text)
            if not begins:
                return
            moment = _Moment(begins[0], (begins[1],) if begins[1] else ())
        elif moment:
            moment = replace(moment, what=(*moment.what, item.text))
    if moment:
        yield moment


def _across(moments: Sequence[_Moment], room: Box, theme: Theme) -> tuple[Shape, ...] | None:
    gap, y = 24.0, room.y + 92
    wide = (room.width - gap * (len(moments) - 1)) / len(moments)
    for size in (20.0, 18.0, 16.0, 15.0):
        lines = [_what(moment, size, theme) for moment in moments]
        if max(height(each, wide) for each in lines) <= room.height - 120:
            break
    else:
        return None
    shapes: list[Shape] = [Panel(Box(room.x, y + 8, room.width, 2), "line")]
    for number, (moment, said) in enumerate(zip(moments, lines, strict=True)):
        x, color = room.x + number * (wide + gap), ACCENTS[number % len(ACCENTS)]
        head = Line((Run(moment.when),), 22, theme.head, color, bold=True, leading=1.2)
        if head.height(wide) > 2 * 22 * 1.2 + 1:
            return None
        shapes += [
            Disc(Box(x, y, 18, 18), color),
            Words(Box(x, y - 64, wide, 54), (head,), anchor="bottom"),
        ]
        if said:
            shapes.append(Words(Box(x, y + 34, wide, height(said, wide)), said))
    return tuple(shapes)


def _down(moments: Sequence[_Moment], room: Box, theme: Theme) -> tuple[Shape, ...] | None:
    left = 190.0
    x, wide = room.x + left + 44, room.width - left - 44
    for size, gap in ((20.0, 18.0), (18.0, 14.0), (16.0, 12.0), (15.0, 9.0), (14.0, 7.0)):
        heads = [Line((Run(moment.when),), size, theme.head, "ink", bold=True, align="right") for moment in moments]
        lines = [_what(moment, size, theme) for moment in moments]
        heights = [max(height(said, wide), head.height(left)) for said, head in zip(lines, heads, strict=True)]
        if sum(heights) + gap * (len(moments) - 1) <= room.height:
            break
    else:
        return None
    y = room.y
    total = sum(heights) + gap * (len(moments) - 1)
    shapes: list[Shape] = [Panel(Box(room.x + left + 20, y + size * 0.65, 2, total - heights[-1]), "line")]
    for number, (said, head, high) in enumerate(zip(lines, heads, heights, strict=True)):
        color = ACCENTS[number % len(ACCENTS)]
        shapes += [
            Words(Box(room.x, y, left, high), (replace(head, color=color),)),
            Disc(Box(room.x + left + 14, y + size * 0.65 - 7, 14, 14), color),
        ]
        if said:
            shapes.append(Words(Box(x, y, wide, high), said))
        y += high + gap
    return tuple(shapes)


def _what(moment: _Moment, size: float, theme: Theme) -> tuple[Line, ...]:
    return tuple(
        Line(
            text, size if n == 0 else size * 0.88, theme.body, "ink" if n == 0 else "muted", before=size * 0.3 * (n > 0)
        )
        for n, text in enumerate(moment.what)
    )
