"""A page of somebody's words alone."""

from dataclasses import replace

from worker.kinds.presentation.deck import Quote
from worker.kinds.presentation.layout.sheet import Box, Line, Panel, Shape, Words, height
from worker.kinds.presentation.layout.stack import credit
from worker.kinds.presentation.theme import Theme


def lone_quote(quote: Quote, room: Box, theme: Theme) -> tuple[Shape, ...] | None:
    """A quote with the page to itself, large, near the middle."""
    box = Box(room.x + 32, room.y, room.width - 96, room.height)
    for size in (38.0, 34.0, 30.0, 27.0, 24.0, 21.0):
        lines = tuple(
            Line(text, size, theme.head, before=size * 0.5 * (n > 0)) for n, text in enumerate(quote.paragraphs)
        )
        if quote.source:
            lines = (*lines, Line(credit(quote), max(18.0, size * 0.55), theme.body, "muted", before=size * 0.7))
        high = height(lines, box.width)
        if high <= box.height:
            top = box.y + (box.height - high) * 0.4
            bar = Panel(Box(room.x, top, 5, high), "accent")
            return (bar, Words(replace(box, y=top, height=high), lines, is_body=True))
    return None
