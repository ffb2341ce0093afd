"""What a model may plan: the layouts of slides, and an outline of them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, Field, create_model

from worker.kinds.presentation.author import draft
from worker.kinds.presentation.author.draft import Heading, Line


class Layout(NamedTuple):
    """In what shape a slide is handed in, and what for."""

    shape: type[draft.Slide]
    use: str
    needs_sources: bool = False


LAYOUTS: Mapping[str, Layout] = {
    "section": Layout(draft.Part, "opens a part of a longer deck, with one line"),
    "bullets": Layout(draft.Listed, "three to five points"),
    "columns": Layout(draft.Sides, "two to four things side by side"),
    "comparison": Layout(draft.Sides, "two things against each other"),
    "table": Layout(draft.Grid, "several things in the same respects"),
    "chart": Layout(draft.Drawing, "numbers of the sources, drawn", needs_sources=True),
    "quote": Layout(draft.Saying, "words that stand in the sources, and who said them", needs_sources=True),
    "number": Layout(draft.Figure, "one striking number of the sources", needs_sources=True),
    "timeline": Layout(draft.Course, "what happens in turn: dates of the sources, else phases in words"),
    "closing": Layout(draft.Listed, "what to remember, or to do next"),
}
_Name = Literal[
    "section", "bullets", "columns", "comparison", "table", "chart", "quote", "number", "timeline", "closing"
]


def _known(layout: object) -> object:
    return layout if layout in LAYOUTS else "bullets"


class Entry(BaseModel):
    """A slide as it is planned."""

    heading: Heading
    purpose: Annotated[Line, Field(description="what the listener takes away from it")]
    layout: Annotated[_Name, BeforeValidator(_known)]


class Outline(BaseModel):
    """The deck as it is planned."""

    title: Heading
    subtitle: Line
    slides: Annotated[list[Entry], Field(min_length=1)]
    sources_heading: Annotated[Line, Field(description="the word for 'Sources' in the deck's language")] = "Sources"


def outline_shape(wanted: int, layouts: Sequence[str]) -> type[Outline]:
    """An outline of just so many slides, and of these layouts; servers that hold a model to its schema see to it."""
    layout = Annotated[_Name, BeforeValidator(_known), Field(json_schema_extra={"enum": list(layouts)})]
    entry = create_model("Entry", __base__=Entry, layout=(layout, ...))
    many = Field(min_length=1, json_schema_extra={"minItems": wanted, "maxItems": wanted})
    return create_model("Outline", __base__=Outline, slides=(Annotated[list[entry], many], ...))
