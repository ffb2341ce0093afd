"""Arguments that exist only where what they need is there, and rules across arguments."""

import json
from typing import Annotated, Any

import pytest
from pydantic import Field

from agent_tools import JobContext, Needs, RequiredUnless, job_kind
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.kinds import Kind

Slides = Annotated[list[str], Field(description="Markdown.", json_schema_extra={"minItems": 1})]
WITH = {"A_SERVER": "http://127.0.0.1"}


def one_of_both(args: Any) -> None:
    if args.slides and args.topic:
        raise ValueError("topic: stands for slides. Give one of them.")
    if args.tone and not args.topic:
        raise ValueError("A tone alone says nothing.")


@job_kind("deck", check=one_of_both)
async def deck(
    job: JobContext,
    slides: Annotated[Slides | None, RequiredUnless("topic")] = None,
    theme: str = "light",
    topic: Annotated[str | None, Needs("A_SERVER"), Field(description="Instead of slides.")] = None,
    n_slides: Annotated[int, Needs("A_SERVER"), Field(ge=1, le=40)] = 10,
    sources: Annotated[tuple[str, ...], Needs("A_SERVER")] = (),
    tone: str = "",
) -> dict[str, Any]:
    """Make a deck."""
    return {"slides": slides, "topic": topic, "n_slides": n_slides, "sources": sources}


@job_kind("deck")
async def plain_deck(job: JobContext, slides: Slides, theme: str = "light", tone: str = "") -> None:
    """Make a deck."""


def refusal(kind: Kind, args: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    with pytest.raises(BadRequest) as refused:
        kind.parse(args)
    return refused.value.problems


def test_where_the_need_is_not_met_the_schema_is_as_if_it_had_never_been() -> None:
    assert json.dumps(deck.under({}).schema) == json.dumps(plain_deck.schema)


def test_where_the_need_is_met_the_argument_is_there_and_neither_is_required() -> None:
    schema = deck.under(WITH).schema

    assert list(schema["properties"]) == ["slides", "theme", "topic", "n_slides", "sources", "tone"]
    assert "required" not in schema


@pytest.mark.parametrize("off", [{}, {"A_SERVER": ""}, {"A_SERVER": "off"}])
def test_an_argument_that_is_not_there_is_refused_with_the_reason(off: dict[str, str]) -> None:
    assert refusal(deck.under(off), {"topic": "Tides"}) == (
        ("slides", "is required."),
        ("topic", "is not available here: A_SERVER is not set."),
    )


def test_a_module_can_be_what_an_argument_needs() -> None:
    @job_kind("k")
    async def k(job: JobContext, voice: Annotated[str, Needs("module:no_such_module")] = "") -> None:
        """Speak."""

    assert refusal(k, {"voice": "x"}) == (
        ("voice", "is not available here: The Python package 'no_such_module' is not installed."),
    )


async def test_the_handler_gets_the_default_of_what_is_not_there() -> None:
    assert await deck.under({}).run(None, {"slides": ["a"]}) == {
        "slides": ["a"], "topic": None, "n_slides": 10, "sources": (),
    }  # fmt: skip


async def test_what_was_kept_where_all_was_there_runs_where_less_is() -> None:
    kept = deck.under(WITH).parse({"slides": ["a"]})

    assert kept == {"slides": ["a"], "theme": "light", "topic": None, "n_slides": 10, "sources": [], "tone": ""}
    assert (await deck.under({}).run(None, kept))["slides"] == ["a"]
    assert deck.under({}).parse(kept) == {"slides": ["a"], "theme": "light", "tone": ""}


async def test_what_was_asked_for_where_it_was_there_is_refused_by_name_where_it_is_not() -> None:
    kept = deck.under(WITH).parse({"topic": "Tides", "sources": ["a"]})

    with pytest.raises(BadRequest, match="topic: is not available here") as refused:
        await deck.under({}).run(None, kept)

    assert {problem.field for problem in refused.value.problems} == {"slides", "topic", "sources"}


def test_one_of_two_is_enough_and_none_is_too_little() -> None:
    here = deck.under(WITH)

    assert here.parse({"slides": ["a"]})["topic"] is None
    assert here.parse({"topic": "Tides"})["slides"] is None
    assert refusal(here, {}) == (("slides", "is required unless topic is given."),)


@pytest.mark.parametrize("settings", [{}, WITH])
def test_null_is_no_way_around_what_is_required(settings: dict[str, str]) -> None:
    (problem,) = refusal(deck.under(settings), {"slides": None})

    assert problem.field == "slides"


def test_a_rule_across_arguments_is_judged_at_the_door_and_may_name_one() -> None:
    assert refusal(deck.under(WITH), {"slides": ["a"], "topic": "b"}) == (
        ("topic", "stands for slides. Give one of them."),
    )
    assert refusal(deck.under(WITH), {"slides": ["a"], "tone": "dry"}) == (("arguments", "A tone alone says nothing."),)


def test_a_rule_may_look_at_what_is_not_there() -> None:
    assert refusal(deck.under({}), {"slides": ["a"], "tone": "dry"}) == (("arguments", "A tone alone says nothing."),)


async def test_a_rule_across_arguments_is_judged_again_when_the_job_runs() -> None:
    with pytest.raises(BadRequest, match="stands for slides"):
        await deck.under(WITH).run(None, {"slides": ["a"], "topic": "b"})


def test_an_argument_that_is_not_always_there_needs_a_default() -> None:
    async def handler(job: JobContext, topic: Annotated[str, Needs("A_SERVER")]) -> None:
        """Write."""

    with pytest.raises(TypeError, match="Kind 'k' gives 'topic' no default for where it does not exist"):
        job_kind("k")(handler)


async def without_none(job: JobContext, slides: Annotated[str, RequiredUnless("topic")] = "", topic: str = "") -> None:
    """Write."""


async def without_the_other(job: JobContext, slides: Annotated[str | None, RequiredUnless("topic")] = None) -> None:
    """Write."""


@pytest.mark.parametrize("handler", [without_none, without_the_other])
def test_an_argument_that_is_required_unless_another_is_given_may_be_none_and_there_is_the_other(handler: Any) -> None:
    with pytest.raises(TypeError, match="that must be a parameter, and the default None"):
        job_kind("k")(handler)
