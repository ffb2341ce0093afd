"""A form's JSON schema as fields, and what is filled in as values."""

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from web import fields


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Form(BaseModel):
    title: str = Field(min_length=2, title="Headline", description="Above the post.")
    text: str = "One line.\nAnother."
    words: int = Field(120, ge=1, le=500)
    share: float | None = None
    colour: Colour = Colour.BLUE
    size: Literal[1, 2] | None = None
    is_urgent: bool = False
    may_wait: bool | None = None
    tags: list[str] = ["a"]
    places: list[tuple[int, int]] = []
    note: str | None = None


def form() -> list[fields.Field]:
    return fields.fields({**Form.model_json_schema(), "order": list(Form.model_fields)})


def sent(**given: str) -> dict[str, str]:
    return {f"{fields.PREFIX}{name}": value for name, value in given.items()}


def as_shown(asked: list[fields.Field]) -> dict[str, str]:
    """What a browser sends where nothing was touched."""
    return {
        each.path: "1" if each.sort == "tick" else each.text for each in asked if each.sort != "tick" or each.is_ticked
    }


def test_fields_stand_in_the_order_of_the_form_and_have_its_words() -> None:
    made = form()

    assert [each.name for each in made] == list(Form.model_fields)
    assert [each.sort for each in made] == [
        "line", "text", "number", "number", "choice", "choice", "tick", "choice", "lines", "json", "line",
    ]  # fmt: skip
    assert (made[0].label, made[0].about, made[0].is_required) == ("Headline", "Above the post.", True)
    assert made[6].label == "Is urgent"
    assert made[2].limits == {"min": 1, "max": 500, "step": 1}
    assert [said for said, _ in made[7].options] == ["Yes", "No"]


@pytest.mark.parametrize("kind", ["text/markdown", "text/plain"])
def test_what_is_written_in_paragraphs_has_room_for_them(kind: str) -> None:
    class Written(BaseModel):
        content: str | None = Field(None, json_schema_extra={"contentMediaType": kind})

    assert [each.sort for each in fields.fields(Written.model_json_schema())] == ["text"]


def test_what_nobody_touched_gives_the_defaults() -> None:
    given, problems = fields.values(fields.filled(form(), {**as_shown(form()), **sent(title="Tides")}))

    assert problems == []
    assert Form.model_validate(given) == Form(title="Tides")


def test_what_is_filled_in_arrives_in_its_type() -> None:
    filled_in = sent(
        title=" Tides ", text="a\r\nb", words="7", share="0.5", colour="0", size="1", is_urgent="1", may_wait="1",
        tags=" x\r\ny\r\n", places="[[1, 2]]", note="",
    )  # fmt: skip
    given, problems = fields.values(fields.filled(form(), filled_in))

    assert problems == []
    assert given == {
        "title": " Tides ", "text": "a\nb", "words": 7, "share": 0.5, "colour": "red", "size": 2, "is_urgent": True,
        "may_wait": False, "tags": ["x", "y"], "places": [[1, 2]],
        "note": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("title", " "),
        ("words", "1.5"),
        ("words", "many"),
        ("share", "1e999"),
        ("share", "nan"),
        ("places", "[1,"),
        ("places", "NaN"),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field(name: str, text: str) -> None:
    asked = fields.filled(form(), {**as_shown(form()), **sent(title="Tides"), **sent(**{name: text})})
    _, problems = fields.values(asked)

    (wrong,) = [each for each in fields.with_problems(asked, problems) if each.error]
    assert (wrong.name, wrong.text) == (name, text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one\ntwo\n\n", ["one", "two"]),
        ("# Tides\n\nTwice a day", ["# Tides\n\nTwice a day"]),
        (
            "# Tides\n\nTwice a day\n---\n## Why\n\n- the moon\n---\n",
            ["# Tides\n\nTwice a day", "## Why\n\n- the moon"],
        ),
        ("a -- b\n----", ["a -- b", "----"]),
    ],
)
def test_a_list_of_texts_is_written_line_by_line_or_parted_by_rules(text: str, parts: list[str]) -> None:
    given, problems = fields.values(fields.filled(form(), {**as_shown(form()), **sent(title="Tides", tags=text)}))

    assert problems == []
    assert given["tags"] == parts


@pytest.mark.parametrize(
    "schema",
    [{}, {"properties": {}}, {"properties": {"a": {}}}, {"properties": {"a": {"$ref": "#/$defs/Gone"}}}, {"properties": {"a": {"enum": []}}}],
)  # fmt: skip
def test_any_schema_has_a_page(schema: dict[str, Any]) -> None:
    assert len(fields.fields(schema)) == len(schema.get("properties", {}))
