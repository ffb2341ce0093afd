"""From what the slides say to pages on which everything has its place and size, for both writers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import Block, Deck, Paragraph, Run, Slide, is_read_leftward, plain
from worker.kinds.presentation.layout.features import feature
from worker.kinds.presentation.layout.fit import widest_word, width
from worker.kinds.presentation.layout.mirror import mirrored
from worker.kinds.presentation.layout.openings import opening
from worker.kinds.presentation.layout.pieces import Piece, joined, pieces, smaller
from worker.kinds.presentation.layout.scale import Scale, parted, scales
from worker.kinds.presentation.layout.sheet import (
    ABOVE,
    BODY,
    FOOT_SIZE,
    FOOTER,
    TITLE,
    UNTITLED_BODY,
    Box,
    Line,
    Page,
    Shape,
    Words,
)
from worker.kinds.presentation.layout.stack import stack
from worker.kinds.presentation.theme import Theme

_TITLES = (36.0, 34.0, 32.0, 30.0, 28.0, 26.0, 24.0, 21.0, 18.0, 16.0)


def lay_out(deck: Deck, theme: Theme) -> tuple[list[Page], list[str]]:
    """The pages of a deck, mirrored if it is read leftward, and a sentence for each slide that takes more than one."""
    pages, changes, section, part = list[Page](), list[str](), "", 0
    footer, is_mirrored = _footer(deck, theme), is_read_leftward(deck)
    for index, slide in enumerate(deck.slides):
        made = _pages(slide, theme, index=index, many=len(deck.slides), part=part + 1, is_mirrored=is_mirrored)
        if made[0].ground == "section":
            section, part = plain(slide.title), part + 1
        pages += (replace(page, slide=slide.number, section=section, footer=footer) for page in made)
        if len(made) > 1:
            last = titles(made)[-1]
            changes.append(f"Slide {slide.number} was too long for one and became {len(made)}, up to '{last}'.")
    return [mirrored(page) for page in pages] if is_mirrored else pages, changes


def _footer(deck: Deck, theme: Theme) -> str:
    """What stands at the foot of content pages, on one line."""
    words = " · ".join(filter(None, [deck.footer, deck.date]))
    whole = words
    while width((Run(words),), FOOT_SIZE, theme.body) > FOOTER.width:
        words = words[:-1]
    return words if words == whole else f"{words[:-1].rstrip()}…"


def titles(pages: Iterable[Page]) -> list[str]:
    """What the pages are called."""
    return [plain(page.title.lines[0].text) for page in pages]


def _pages(slide: Slide, theme: Theme, *, index: int, many: int, part: int, is_mirrored: bool) -> list[Page]:
    if opened := opening(slide, theme, index=index, many=many, part=part, is_mirrored=is_mirrored):
        return [opened]
    if shapes := feature(slide, _room(slide), theme):
        return [Page(_title(slide, theme), shapes, slide.notes)]
    return _body(slide, theme)


def _body(slide: Slide, theme: Theme) -> list[Page]:
    """As many pages as the slide needs; the notes are on the first."""
    room = _room(slide)
    parts = _parts(slide.blocks, room, theme)
    pages = list[Page]()
    for number, blocks in enumerate(parts, 1):
        fitting = (scale for scale in scales(theme) if _fits(blocks, room, scale))
        scale = parted(theme) if len(parts) > 1 else next(fitting, parted(theme))
        again = (Run(f" ({number})"),) if number > 1 else ()
        title = _title(replace(slide, title=(*slide.title, *again)), theme)
        shapes = stack(blocks, room, scale).shapes
        pages.append(Page(title, _with_body(shapes), slide.notes if number == 1 else ""))
    return pages


def _with_body(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """Where one text is all that the page says, it is the page's body."""
    match shapes:
        case (Words() as words,):
            return (replace(words, is_body=True),)
        case _:
            return tuple(shapes)


def _room(slide: Slide) -> Box:
    """Where the body stands: higher up when no title is shown."""
    return UNTITLED_BODY if slide.made_title else BODY


def _title(slide: Slide, theme: Theme) -> Words:
    """The title above the body. A made one, being there for outlines and screen readers, stands above the sheet."""
    if slide.made_title:
        return Words(ABOVE, (Line(slide.title, 20, theme.head, bold=True),))
    return Words(TITLE, (_largest(slide, TITLE, _TITLES, theme),))


def _largest(slide: Slide, box: Box, sizes: Sequence[float], theme: Theme) -> Line:
    """The title in the largest of these sizes in which it fits, without breaking a word if that can be."""
    for size in sizes:
        line = Line(slide.title, size, theme.head, bold=True, leading=1.15)
        if line.height(box.width) <= box.height and widest_word(slide.title, size, theme.head, bold=True) <= box.width:
            break
    return line


def _parts(blocks: Sequence[Block], room: Box, theme: Theme) -> list[list[Block]]:
    """The blocks page by page: all on one if they fit, else about as many pieces on each."""
    if _fits(blocks, room, scales(theme)[-1]):
        return [list(blocks)]
    small = pieces(blocks)
    parts = _filled(small, room, parted(theme), most=len(small))
    if len(parts) >= len(small):
        return parts
    even = _filled(small, room, parted(theme), most=-(-len(small) // len(parts)))
    return even if len(even) == len(parts) else parts


def _filled(small: Sequence[Piece], room: Box, scale: Scale, most: int) -> list[list[Block]]:
    """Page after page with as many pieces as fit, but at most so many. A piece too large for a page is broken up."""
    waiting, parts = list(small), list[list[Block]]()
    while waiting:
        count = _how_many_fit(waiting[:most], room, scale)
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


def _how_many_fit(small: Sequence[Piece], room: Box, scale: Scale) -> int:
    """How many pieces from the first on fit on a page: doubled until they do not, then halved in between."""
    low, high = 0, 1
    while high <= len(small) and _fits(joined(small[:high]), room, scale):
        low, high = high, 2 * high
    high = min(high, len(small) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(joined(small[:middle]), room, scale):
            low = middle
        else:
            high = middle
    return low


def _fits(blocks: Sequence[Block], room: Box, scale: Scale) -> bool:
    return stack(blocks, room, scale).height <= room.height
