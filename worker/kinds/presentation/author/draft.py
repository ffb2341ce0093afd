"""The shapes in which a model hands in its slides, and the Markdown that they become."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from agent_tools.llm.shapes import cut, not_empty, one_line, some
from worker.kinds.presentation.author.vouching import numbers_in

_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>")
_PLACE = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_OPENING = re.compile(r"(?:[#>]+|[-+*•–—](?=\s)|\d{1,2}[.)](?=\s)|Notes?:|!chart\b|[-*_=~]{3,})\s*")
_MEANS_SOMETHING = re.compile(r"[\\\[\]<>!&|`]")


def plain_line(text: str, most: int) -> str:
    """What a model wrote, as one line without any markup but bold: no HTML, headings, rules, lists, links or code."""
    line = one_line(text).replace("`", "")
    line = _PLACE.sub(r"\1", _TAG.sub("", line)).replace("~~", "").strip()
    while opening := _OPENING.match(line):
        line = line[opening.end() :]
    return cut(line, most)


def _line(most: int) -> Callable[[str], str]:
    return partial(plain_line, most=most)


# What is too long is cut and not refused: the lengths in the schema are for servers that hold the model to it.
Heading = Annotated[
    str, AfterValidator(_line(90)), AfterValidator(not_empty), Field(json_schema_extra={"maxLength": 90})
]
Line = Annotated[str, AfterValidator(_line(180)), Field(json_schema_extra={"maxLength": 180})]
Cell = Annotated[str, AfterValidator(_line(80)), Field(json_schema_extra={"maxLength": 80})]
Words = Annotated[
    str, AfterValidator(_line(320)), AfterValidator(not_empty), Field(json_schema_extra={"maxLength": 320})
]
Notes = Annotated[
    str,
    AfterValidator(_line(700)),
    Field(description="what the speaker says, in two or three sentences", json_schema_extra={"maxLength": 700}),
]
Points = Annotated[list[Line], AfterValidator(some(1, 6)), Field(json_schema_extra={"minItems": 1, "maxItems": 6})]
Head = Annotated[
    list[Cell], Field(min_length=2, json_schema_extra={"maxItems": 5}), AfterValidator(lambda cells: cells[:5])
]
Rows = Annotated[
    list[list[Cell]], AfterValidator(some(2, 12)), Field(json_schema_extra={"minItems": 2, "maxItems": 12})
]


class Slide(BaseModel):
    """What every slide has."""

    heading: Heading
    notes: Notes = ""


class Part(Slide):
    """The opening of a part: a line below the heading."""

    line: Line = ""


class Listed(Slide):
    """Points."""

    points: Points


class Side(BaseModel):
    """One of several things side by side."""

    heading: Heading
    points: Points


class Sides(Slide):
    """Things side by side."""

    columns: Annotated[list[Side], AfterValidator(some(2, 4)), Field(json_schema_extra={"minItems": 2, "maxItems": 4})]


class Grid(Slide):
    """A table."""

    head: Head
    rows: Rows


class Drawing(Grid):
    """A table that is drawn: its first column says what, the others how much."""

    sort: Annotated[Literal["bar", "line", "pie"], Field(description="line for time, pie for parts of one whole")]
    title: Line = ""

    @model_validator(mode="after")
    def _has_numbers(self) -> Self:
        for row in self.rows:
            if not any(row[1:]) or any(cell and len(numbers_in(cell)) != 1 for cell in row[1:]):
                raise ValueError("rows: every cell but a row's first holds one number, with its unit, and no words.")
        return self


class Saying(Slide):
    """Somebody's words."""

    quote: Words
    name: Line


class Figure(Slide):
    """One number, and what it means."""

    number: Annotated[Heading, Field(description="with its unit")]
    meaning: Line


class Event(BaseModel):
    """An entry of a course of things."""

    when: Annotated[Heading, Field(description="a date or a phase")]
    what: Line


class Course(Slide):
    """What happened in turn."""

    entries: Annotated[list[Event], AfterValidator(some(2, 7)), Field(json_schema_extra={"minItems": 2, "maxItems": 7})]


def markdown(slide: Slide) -> str:
    """The slide as we write decks."""
    body = "\n".join(_body(slide))
    mark = "#" if isinstance(slide, Part) else "##"
    notes = f"\n\nNote: {_safe(slide.notes)}" if slide.notes else ""
    return f"{mark} {_safe(slide.heading)}\n{body}".rstrip() + notes


def numbered(heading: str, names: Sequence[str], first: int) -> str:
    """A slide that lists names, counted from `first`."""
    entries = (f"{number}. {_safe(plain_line(name, 140)) or '–'}" for number, name in enumerate(names, first))
    return "\n".join((f"## {_safe(heading)}", *entries))


def claimed(slide: Slide) -> list[str]:
    """The texts whose numbers are what the slide is about: those must be vouched for."""
    match slide:
        case Drawing():
            return [*slide.head, *(cell for row in slide.rows for cell in row), slide.title]
        case Grid():
            return [*slide.head, *(cell for row in slide.rows for cell in row)]
        case Figure():
            return [slide.number]
        case Course():
            return [event.when for event in slide.entries]
    return []


def texts(slide: Slide) -> list[str]:
    """Everything that a slide says, notes too."""
    return list(_strings(slide.model_dump(exclude={"sort"})))


def _body(slide: Slide) -> Iterator[str]:
    match slide:
        case Part():
            yield _safe(slide.line)
        case Listed():
            yield from _points(slide.points)
        case Sides():
            for side in slide.columns:
                yield from (f"### {_safe(side.heading)}", *_points(side.points), "")
        case Drawing():
            title = slide.title.replace('"', "'")
            yield from (f'!chart {slide.sort} "{_safe(title)}"' if title else f"!chart {slide.sort}", *_table(slide))
        case Grid():
            yield from _table(slide)
        case Saying():
            yield f"> {_safe(slide.quote)}"
            if slide.name:
                yield f"> — {_safe(slide.name)}"
        case Figure():
            yield from (f"**{_bare(slide.number)}**", "", _safe(slide.meaning))
        case Course():
            yield from (f"- **{_bare(event.when)}** {_safe(event.what)}" for event in slide.entries)


def _points(points: Iterable[str]) -> Iterator[str]:
    return (f"- {_safe(point)}" for point in points)


def _table(grid: Grid) -> Iterator[str]:
    width = 2 if isinstance(grid, Drawing) and grid.sort == "pie" else len(grid.head)
    for row in (grid.head, ["---"] * width, *grid.rows):
        cells = [*row, *[""] * width][:width]
        yield f"| {' | '.join(map(_safe, cells))} |"


def _safe(text: str) -> str:
    """With what would be markup escaped."""
    return _MEANS_SOMETHING.sub(r"\\\g<0>", text)


def _bare(text: str) -> str:
    return _safe(text.replace("*", "").strip())


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _strings(each)
        case dict():
            for each in value.values():
                yield from _strings(each)
