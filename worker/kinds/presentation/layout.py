"""From what the slides say to pages on which everything has its place and size, for both writers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import Block, Deck, Paragraph, Quote, Run, Slide, plain
from worker.kinds.presentation.fit import widest_word
from worker.kinds.presentation.pieces import Piece, joined, pieces, smaller
from worker.kinds.presentation.sheet import (
    ABOVE,
    BODY,
    HERO_BODY,
    HERO_TITLE,
    MARGIN,
    TITLE,
    UNTITLED_BODY,
    Box,
    Line,
    Page,
    Panel,
    Words,
    height,
)
from worker.kinds.presentation.stack import Step, credit, stack

STEPS = (
    Step(26, 0.85),
    Step(24, 0.75),
    Step(22, 0.7),
    Step(20, 0.6),
    Step(19, 0.5),
    Step(18, 0.5),
    Step(17, 0.45),
    Step(16, 0.4),
    Step(15, 0.35),
    Step(14, 0.3),
)
PARTED = Step(18, 0.5)
"""How slides are set that are too long for one page even in the smallest size."""


def lay_out(deck: Deck) -> tuple[list[Page], list[str]]:
    """The pages of a deck, and a sentence for each slide that takes more than one."""
    pages, changes = list[Page](), list[str]()
    for index, slide in enumerate(deck.slides):
        page = _hero(slide, is_first=index == 0) or _lone_quote(slide)
        parts = [page] if page else _body(slide)
        pages += parts
        if len(parts) > 1:
            last = titles(parts)[-1]
            changes.append(f"Slide {slide.number} was too long for one and became {len(parts)}, up to '{last}'.")
    return pages, changes


def titles(pages: Iterable[Page]) -> list[str]:
    """What the pages are called."""
    return [plain(page.title.lines[0].text) for page in pages]


def _hero(slide: Slide, *, is_first: bool) -> Page | None:
    """An opening page: a large title, perhaps a few words below. None when the slide opens nothing or says too much."""
    texts = [block.text for block in slide.blocks if isinstance(block, Paragraph)]
    if len(texts) < len(slide.blocks) or (slide.blocks and (slide.made_title or not (is_first or slide.opens))):
        return None
    title = _largest(slide, HERO_TITLE, (60.0, 54.0, 48.0, 42.0, 36.0, 32.0, 28.0))
    title = replace(title, color="hero_ink")
    for size in (24.0, 22.0, 20.0, 18.0):
        below = tuple(Line(text, size, "hero_ink", before=size * 0.5 * (n > 0)) for n, text in enumerate(texts))
        if height(below, HERO_BODY.width) <= HERO_BODY.height:
            shapes = (Words(HERO_BODY, below),) if below else ()
            return Page(Words(_balanced(title, HERO_TITLE), (title,), "bottom"), shapes, slide.notes, hero=True)
    return None


def _lone_quote(slide: Slide) -> Page | None:
    """A quote with the page to itself, large, near the middle. None when the slide is no such, or the quote is long."""
    match slide.blocks:
        case (Quote() as quote,):
            room = _room(slide)
            box = Box(MARGIN + 32, room.y, room.width - 96, room.height)
        case _:
            return None
    for size in (38.0, 34.0, 30.0, 27.0, 24.0, 21.0):
        lines = tuple(Line(text, size, before=size * 0.5 * (n > 0)) for n, text in enumerate(quote.paragraphs))
        if quote.source:
            lines = (*lines, Line(credit(quote), max(18.0, size * 0.55), "muted", before=size * 0.7))
        high = height(lines, box.width)
        if high <= box.height:
            top = box.y + (box.height - high) * 0.4
            bar = Panel(Box(MARGIN, top, 5, high), "accent")
            return Page(_title(slide), (bar, Words(replace(box, y=top, height=high), lines)), slide.notes)
    return None


def _body(slide: Slide) -> list[Page]:
    """As many pages as the slide needs; the notes are on the first."""
    room = _room(slide)
    parts = _parts(slide.blocks, room)
    pages = list[Page]()
    for number, blocks in enumerate(parts, 1):
        fitting = (step for step in STEPS if _fits(blocks, room, step))
        step = PARTED if len(parts) > 1 else next(fitting, PARTED)
        again = (Run(f" ({number})"),) if number > 1 else ()
        title = _title(replace(slide, title=(*slide.title, *again)))
        shapes, _ = stack(blocks, room, step)
        pages.append(Page(title, tuple(shapes), slide.notes if number == 1 else ""))
    return pages


def _room(slide: Slide) -> Box:
    """Where the body stands: higher up when no title is shown."""
    return UNTITLED_BODY if slide.made_title else BODY


def _title(slide: Slide) -> Words:
    """The title above the body. A made one, being there for outlines and screen readers, stands above the sheet."""
    if slide.made_title:
        return Words(ABOVE, (Line(slide.title, 20, bold=True),))
    return Words(TITLE, (_largest(slide, TITLE, (36.0, 34.0, 32.0, 30.0, 28.0, 26.0, 24.0, 21.0, 18.0, 16.0)),))


def _largest(slide: Slide, box: Box, sizes: Sequence[float]) -> Line:
    """The title in the largest of these sizes in which it fits, without breaking a word if that can be."""
    for size in sizes:
        line = Line(slide.title, size, bold=True, leading=1.15)
        if line.height(box.width) <= box.height and widest_word(slide.title, size, bold=True) <= box.width:
            break
    return line


def _balanced(line: Line, box: Box) -> Box:
    """The box made as narrow as the line can be without becoming higher, so that no word is left over alone."""
    high = line.height(box.width)
    rooms = (box.width * share / 50 for share in range(30, 51))
    return replace(box, width=next((room for room in rooms if line.height(room) <= high), box.width))


def _parts(blocks: Sequence[Block], room: Box) -> list[list[Block]]:
    """The blocks page by page: all on one if they fit, else about as many pieces on each."""
    if _fits(blocks, room, STEPS[-1]):
        return [list(blocks)]
    small = pieces(blocks)
    parts = _filled(small, room, most=len(small))
    if len(parts) >= len(small):
        return parts
    even = _filled(small, room, most=-(-len(small) // len(parts)))
    return even if len(even) == len(parts) else parts


def _filled(small: Sequence[Piece], room: Box, most: int) -> list[list[Block]]:
    """Page after page with as many pieces as fit, but at most so many. A piece too large for a page is broken up."""
    waiting, parts = list(small), list[list[Block]]()
    while waiting:
        count = _how_many_fit(waiting[:most], room)
        if count == 0:
            broken = smaller(waiting[0])
            if broken != waiting[:1]:
                waiting[:1] = broken
                continue
            count = 1
        if 1 < count < len(waiting) and _heads(waiting[count - 1][1]):
            count -= 1
        parts.append(joined(waiting[:count]))
        del waiting[:count]
    return parts


def _heads(block: Block) -> bool:
    """A heading goes to the page of what it heads."""
    return isinstance(block, Paragraph) and block.strong


def _how_many_fit(small: Sequence[Piece], room: Box) -> int:
    """How many pieces from the first on fit on a page: doubled until they do not, then halved in between."""
    low, high = 0, 1
    while high <= len(small) and _fits(joined(small[:high]), room, PARTED):
        low, high = high, 2 * high
    high = min(high, len(small) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(joined(small[:middle]), room, PARTED):
            low = middle
        else:
            high = middle
    return low


def _fits(blocks: Sequence[Block], room: Box, step: Step) -> bool:
    return stack(blocks, room, step)[1] <= room.height
