"""Markdown slides to a deck, saying what could not be shown as it was written."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import (
    Block,
    Column,
    Columns,
    Deck,
    Paragraph,
    Run,
    Slide,
    plain,
    texts,
)
from worker.kinds.presentation.reading.blocks import Heading, Reader, charts_apart
from worker.kinds.presentation.reading.runs import printable, shortened
from worker.kinds.presentation.reading.split import (
    FRONT_KEYS,
    cut_front_matter,
    cut_pictures,
    front_matter,
    split_notes,
)

LONGEST_TITLE = 110
SHORT_TITLE = 60
MOST_KEYS = 12


def read_deck(slides: Sequence[str], title: str = "") -> tuple[Deck, list[str]]:
    """The deck that these slides mean, and a sentence for each thing that was changed or left out."""
    changes: list[str] = []
    front, first = cut_front_matter("".join(slides[:1]))
    said = _front(front_matter(front), changes)
    bodies = [first, *slides[1:]][: len(slides)]
    read = [slide for number, markdown in enumerate(bodies, 1) if (slide := read_slide(number, markdown, changes))]
    given, fronted = printable(title).strip(), said.pop("title", "")
    if given and fronted and given != fronted:
        changes.append(f"The deck is called '{given}', and not '{fronted}' as its front matter says.")
    names = (given, fronted, *(plain(slide.title) for slide in read))
    return Deck(next(filter(None, names), "Presentation"), tuple(read), **said), changes


def read_slide(number: int, markdown: str, changes: list[str]) -> Slide | None:
    """One slide, or None when there is nothing on it; what was changed is added to `changes`."""
    text, pictures = cut_pictures(printable(markdown))
    body, notes = split_notes(text)
    reader = Reader(number, list(charts_apart(body.split("\n"))), changes, pictures)
    heading, blocks = _take_title(list(reader.blocks()))
    slide = Slide(
        number,
        title=heading.text if heading else (),
        blocks=tuple(_in_columns(blocks)),
        notes="\n\n".join(filter(None, [*reader.spoken, notes])),
        opens=bool(heading and heading.level == 1),
    )
    reader.note_unused_pictures()
    if not (heading or slide.blocks or notes):
        comment = " ".join(" ".join(reader.spoken).split())
        reader.note(
            f"has only the comment '{shortened(comment, 500)}' and was left out"
            if comment
            else "is empty and was left out"
        )
        return None
    if reader.spoken:
        reader.note("has a comment: it is taken for what the speaker says")
    if not heading:
        return _with_made_title(slide)
    if len(plain(heading.text)) > LONGEST_TITLE:
        reader.note("has a title too long for its place: it is shortened there, and stands whole below it")
        short = (Run(shortened(plain(heading.text), LONGEST_TITLE)),)
        return replace(slide, title=short, blocks=(Paragraph(heading.text), *slide.blocks))
    return slide


def _front(said: dict[str, str], changes: list[str]) -> dict[str, str]:
    """What front matter says of the deck, and sentences on the rest."""
    if unused := [f"'{key}'" for key in said if key not in FRONT_KEYS]:
        *others, last = unused if len(unused) <= MOST_KEYS else [*unused[:MOST_KEYS], f"{len(unused) - MOST_KEYS} more"]
        named = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        changes.append(f"The front matter's {named} not used.")
    shown = {key: " ".join(printable(said[key]).split()) for key in sorted(FRONT_KEYS & said.keys())}
    for key, words in shown.items():
        if len(words) > LONGEST_TITLE:
            shown[key] = shortened(words, LONGEST_TITLE)
            changes.append(f"The front matter's {key} is too long for its place and was shortened: '{words[:500]}'.")
    return shown


def _take_title(blocks: list[Block | Heading]) -> tuple[Heading | None, list[Block | Heading]]:
    """The heading that is the slide's title, and the rest. A lone `###` in front is one, too."""
    headings = [block for block in blocks if isinstance(block, Heading)]
    title = next((heading for heading in headings if heading.level <= 2), None)
    if not title and len(headings) == 1 and blocks[0] is headings[0]:
        title = headings[0]
    return title, [block for block in blocks if block is not title]


def _in_columns(blocks: list[Block | Heading]) -> Iterator[Block]:
    """The blocks, with what stands below two or more `###` headings put side by side, up to a larger heading."""
    side_by_side = sum(isinstance(block, Heading) and block.level == 3 for block in blocks) > 1
    columns = list[Column]()
    for block in blocks:
        if isinstance(block, Heading) and block.level == 3 and side_by_side:
            columns.append(Column(block.text))
            continue
        if isinstance(block, Heading) and block.level < 3 and columns:
            yield Columns(tuple(columns))
            columns, side_by_side = [], False
        shown = Paragraph(block.text, strong=True) if isinstance(block, Heading) else block
        if columns:
            columns[-1] = replace(columns[-1], blocks=(*columns[-1].blocks, shown))
        else:
            yield shown
    if columns:
        yield Columns(tuple(columns))


def _with_made_title(slide: Slide) -> Slide:
    """A slide without a heading: a short first paragraph becomes its title, else one is made of its first words."""
    match slide.blocks:
        case (Paragraph(text=text), *rest) if len(plain(text)) <= SHORT_TITLE:
            return replace(slide, title=text, blocks=tuple(rest))
    words = " ".join(filter(None, map(plain, texts(slide.blocks[:1])))) or f"Slide {slide.number}"
    return replace(slide, title=(Run(shortened(words, SHORT_TITLE)),), made_title=True)
