"""What a backlog is made of, and the shapes in which a model hands it in."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model

from agent_tools.llm.shapes import cut, not_empty, one_line, some

POINTS = (1, 2, 3, 5, 8, 13)


def plain_line(text: str, most: int) -> str:
    """What a model wrote as one line, cut where it is too long."""
    return cut(one_line(text), most)


def _nearest_points(value: Any) -> Any:
    return min(POINTS, key=lambda points: abs(points - value)) if isinstance(value, int | float) else value


# What is too long is cut and not refused: the lengths in the schema are for servers that hold the model to it.
Title = Annotated[
    str,
    AfterValidator(partial(plain_line, most=120)),
    AfterValidator(not_empty),
    Field(json_schema_extra={"maxLength": 120}),
]
Line = Annotated[str, AfterValidator(partial(plain_line, most=300)), Field(json_schema_extra={"maxLength": 300})]
Words = Annotated[
    str,
    AfterValidator(partial(plain_line, most=1200)),
    AfterValidator(not_empty),
    Field(json_schema_extra={"maxLength": 1200}),
]
Points = Annotated[int, BeforeValidator(_nearest_points), Field(json_schema_extra={"enum": list(POINTS)})]
Priority = Annotated[
    Literal["must", "should", "could"],
    BeforeValidator(lambda word: word if word in ("must", "should", "could") else "should"),
]
Hours = Annotated[float, Field(ge=0, le=400, json_schema_extra={"minimum": 0, "maximum": 400})]
Lines = Annotated[list[Line], AfterValidator(some(1, 6)), Field(json_schema_extra={"minItems": 1, "maxItems": 6})]


class Epic(BaseModel):
    """What all of it is for."""

    title: Title
    description: Words
    goals: Lines


class Headline(BaseModel):
    """A story as it is planned."""

    title: Title
    purpose: Annotated[Line, Field(description="what somebody can do when it is done")]


class Plan(BaseModel):
    """The stories into which an epic is parted."""

    stories: Annotated[list[Headline], Field(min_length=1)]


class Story(BaseModel):
    """Something that somebody can do when it is done."""

    title: Title
    story: Annotated[Words, Field(description="As a …, I want …, so that …")]
    acceptance: Annotated[Lines, Field(description="how it is seen that it is done")]
    priority: Priority
    points: Points


class Task(BaseModel):
    """A piece of work for one person."""

    title: Title
    description: Line
    hours: Hours


class Tasks(BaseModel):
    """What is to be done for a story."""

    tasks: Annotated[list[Task], AfterValidator(some(1, 8)), Field(json_schema_extra={"minItems": 2, "maxItems": 8})]


class PlannedStory(Story):
    """A story with its tasks."""

    tasks: list[Task] = []


class Backlog(BaseModel):
    """All of it."""

    epic: Epic
    stories: list[PlannedStory]

    @property
    def tasks(self) -> int:
        """How many there are."""
        return sum(len(story.tasks) for story in self.stories)

    @property
    def points(self) -> int:
        """Of all stories."""
        return sum(story.points for story in self.stories)

    @property
    def hours(self) -> float:
        """Of all tasks."""
        return sum(task.hours for story in self.stories for task in story.tasks)


def plan_shape(wanted: int) -> type[Plan]:
    """A plan of just so many stories; servers that hold a model to its schema see to it."""
    many = Field(min_length=1, json_schema_extra={"minItems": wanted, "maxItems": wanted})
    return create_model("Plan", __base__=Plan, stories=(Annotated[list[Headline], many], ...))
