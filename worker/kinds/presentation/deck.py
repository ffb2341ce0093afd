"""A deck as its Markdown means it: what stands on each slide, not where."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

Align = Literal["left", "center", "right"]
ChartKind = Literal["bar", "line", "pie"]
Tone = Literal["keyword", "string", "number", "comment", "name"]
"""What a stretch of code is, for its colour."""


@dataclass(frozen=True)
class Run:
    """A stretch of text in one style. `\\n` in it is a line break that was asked for."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    strike: bool = False
    link: str | None = None
    tone: Tone | None = None


Text = tuple[Run, ...]


@dataclass(frozen=True)
class Paragraph:
    """Running text; `strong` when it is a heading below the title."""

    text: Text
    strong: bool = False


@dataclass(frozen=True)
class Item:
    """An entry of a list, 0 the outermost level. `marker` is a bullet, `3.`, or empty below the entry's first line."""

    text: Text
    level: int
    marker: str


@dataclass(frozen=True)
class Bullets:
    """A list, numbered or not, with its sub-lists flattened in place."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Table:
    """Cells by row; every row is as long as the head."""

    head: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    aligns: tuple[Align, ...]


@dataclass(frozen=True)
class Quote:
    """Somebody's words, and who they are from: empty when it is not said."""

    paragraphs: tuple[Text, ...]
    source: Text = ()


@dataclass(frozen=True)
class Code:
    """Lines to be shown as they are."""

    lines: tuple[str, ...]
    language: str = ""


@dataclass(frozen=True)
class ImageFile:
    """A picture that was fetched and found to be one, upright and in RGB: its PNG or JPEG, and its size in pixels."""

    path: str
    width: int
    height: int


@dataclass(frozen=True)
class Image:
    """A picture: where it is from as it was written, what it shows, what stands below it.

    `file` is None until it was fetched.
    """

    source: str
    alt: str = ""
    caption: Text = ()
    file: ImageFile | None = None


@dataclass(frozen=True)
class Series:
    """One row of numbers of a chart; None where one is missing."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Chart:
    """Numbers to be drawn. `unit` stands before (`$`, `€`) or behind (`%`, ` km`) each of them, as `unit_first` says.

    A pie has one series. `table` is what it was made of: the words for who cannot see it.
    """

    kind: ChartKind
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    table: Table
    title: Text = ()
    unit: str = ""
    unit_first: bool = False


@dataclass(frozen=True)
class Column:
    """One of several things side by side."""

    title: Text
    blocks: tuple["Block", ...] = ()


@dataclass(frozen=True)
class Columns:
    """Things side by side."""

    columns: tuple[Column, ...]


Block = Paragraph | Bullets | Table | Quote | Code | Image | Chart | Columns


@dataclass(frozen=True)
class Slide:
    """What one slide says.

    `number` is its place in what was sent. `opens` when its heading is a `#`: it opens the deck or a part of it.
    `made_title` when the Markdown had no heading, and the title is only there for outlines and screen readers.
    """

    number: int
    title: Text
    blocks: tuple[Block, ...] = ()
    notes: str = ""
    opens: bool = False
    made_title: bool = False


@dataclass(frozen=True)
class Deck:
    """All slides, and what the deck is called.

    What else its front matter says, empty where it does not: `date` and `footer` as they are to be shown.
    """

    title: str
    slides: tuple[Slide, ...]
    author: str = ""
    date: str = ""
    footer: str = ""
    theme: str = ""


def plain(text: Text) -> str:
    """The words without their style, on one line."""
    return " ".join("".join(run.text for run in text).split())


def runs_leftward(text: Text) -> bool:
    """Whether the first letter that has a direction is of a script that is written from right to left."""
    directions = (unicodedata.bidirectional(character) for run in text for character in run.text)
    return next((direction for direction in directions if direction in ("L", "R", "AL")), "L") != "L"


def letters(text: Text) -> tuple[int, int]:
    """How many letters are of scripts that run leftward, and how many of others. Digits and signs run as they do."""
    counted = Counter(unicodedata.bidirectional(character) for run in text for character in run.text)
    return counted["R"] + counted["AL"], counted["L"]


def is_read_leftward(deck: Deck) -> bool:
    """Whether who reads this deck begins at the right, as most of its titles do; where none prevail, most texts."""
    titles = (slide.title for slide in deck.slides)
    others = texts(chain.from_iterable(slide.blocks for slide in deck.slides))
    return (_lean(titles) or _lean(others)) > 0


def _lean(said: Iterable[Text]) -> int:
    """By how many more of these texts are written leftward than rightward, code apart."""
    counts = (letters(tuple(run for run in text if not run.code)) for text in said)
    return sum((leftward > rightward) - (leftward < rightward) for leftward, rightward in counts)


def texts(blocks: Iterable[Block]) -> Iterator[Text]:
    """Every text in these blocks, in reading order."""
    for block in blocks:
        match block:
            case Paragraph():
                yield block.text
            case Bullets():
                yield from (item.text for item in block.items)
            case Table():
                yield from block.head
                yield from (cell for row in block.rows for cell in row)
            case Quote():
                yield from block.paragraphs
                yield block.source
            case Code():
                yield from ((Run(line, code=True),) for line in block.lines)
            case Image():
                yield (Run(block.alt),)
                yield block.caption
            case Chart():
                yield block.title
                yield from texts([block.table])
            case Columns():
                for column in block.columns:
                    yield column.title
                    yield from texts(column.blocks)


def slug(title: str) -> str:
    """The title as a file's name."""
    return re.sub(r"\W+", "-", title.lower()).strip("-_")[:60] or "presentation"
