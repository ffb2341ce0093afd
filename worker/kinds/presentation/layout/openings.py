"""Pages that open the deck, begin a part of it, or close it: a large title, perhaps a few words below."""

from collections.abc import Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import Paragraph, Run, Slide
from worker.kinds.presentation.layout.fit import widest_word
from worker.kinds.presentation.layout.grounds import Setting, setting
from worker.kinds.presentation.layout.sheet import Box, Ground, Line, Page, Words, height
from worker.kinds.presentation.theme import Theme

_TITLES = (60.0, 54.0, 48.0, 42.0, 36.0, 32.0, 28.0)
_WORDS = (24.0, 22.0, 20.0, 18.0)
_SLIDES_WITH_A_CLOSE = 3
"""In a deck of fewer slides the last one closes nothing."""


def opening(slide: Slide, theme: Theme, *, index: int, many: int, part: int, is_mirrored: bool) -> Page | None:
    """The page of a slide that opens or closes; None when it does neither, or says too much for that.

    `part` is which part of the deck it would begin, from 1. `is_mirrored` when it is to be: its lines begin at one edge.
    """
    texts = [block.text for block in slide.blocks if isinstance(block, Paragraph)]
    if len(texts) < len(slide.blocks) or (slide.blocks and (slide.made_title or not (index == 0 or slide.opens))):
        return None
    if index == 0:
        ground: Ground = "hero"
    else:
        is_close = slide.opens and index == many - 1 and many >= _SLIDES_WITH_A_CLOSE
        ground = "closing" if is_close else "section"
    place = setting(theme, ground)
    below = _below(texts, place, theme)
    if below is None:
        return None
    title = _largest(slide, place.title, theme)
    title = replace(title, color=place.ink, align=place.align)
    is_at_edge = place.align == "left" and (is_mirrored or not title.is_leftward)
    box = _balanced(title, place.title) if is_at_edge else place.title
    shapes = [Words(place.body, below, is_body=True)] if below else []
    if ground == "section":
        number = Line((Run(f"{part:02}"),), 22, theme.head, place.ink, bold=True)
        above = place.title.y + place.title.height - title.height(box.width) - 46
        shapes.append(Words(replace(place.title, y=above, height=34), (number,)))
    return Page(Words(box, (title,), place.anchor), tuple(shapes), slide.notes, ground, slide.number)


def _below(texts: Sequence[tuple[Run, ...]], place: Setting, theme: Theme) -> tuple[Line, ...] | None:
    for size in _WORDS:
        lines = tuple(
            Line(text, size, theme.body, place.ink, align=place.align, before=size * 0.5 * (n > 0))
            for n, text in enumerate(texts)
        )
        if height(lines, place.body.width) <= place.body.height:
            return lines
    return None


def _largest(slide: Slide, box: Box, theme: Theme) -> Line:
    for size in _TITLES:
        line = Line(slide.title, size, theme.head, bold=True, leading=1.15)
        if line.height(box.width) <= box.height and widest_word(slide.title, size, theme.head, bold=True) <= box.width:
            break
    return line


def _balanced(line: Line, box: Box) -> Box:
    """The box made as narrow as the line can be without becoming higher, so that no word is left over alone."""
    high = line.height(box.width)
    rooms = (box.width * share / 50 for share in range(30, 51))
    return replace(box, width=next((room for room in rooms if line.height(room) <= high), box.width))
