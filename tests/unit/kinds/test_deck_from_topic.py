"""A deck from a topic, where a model is configured: from the agent's arguments to the files."""

import os

import pytest
from stubs.llm import MODEL, refused, serving_llm

from agent_tools import GiveUp
from agent_tools.jobs.errors import BadRequest
from worker.kinds.presentation import presentation

SOURCE = "The tidal range at Avonmouth is 14 metres. In 1849 the bore was first measured."


@pytest.fixture
async def model(monkeypatch):
    async with serving_llm() as stub:
        monkeypatch.setenv("LLM_BASE_URL", stub.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        yield stub


@pytest.fixture
def kind(model):
    return presentation.under(os.environ)


def test_the_schema_offers_a_topic_only_where_there_is_a_model():
    with_model = presentation.under({"LLM_BASE_URL": "http://127.0.0.1:1", "LLM_MODEL": "m"})

    written = {"topic", "n_slides", "audience", "language", "tone", "sources"}
    assert written <= set(with_model.schema["properties"])
    assert "slides" not in with_model.schema.get("required", [])
    assert not written & set(presentation.under({}).schema["properties"])
    assert presentation.under({}).schema["required"] == ["slides"]


async def test_a_topic_becomes_a_deck_that_can_be_changed_slide_by_slide(kind, job):
    result = await kind.run(job, kind.parse({"topic": "Tides", "n_slides": 3, "sources": [SOURCE], "theme": "paper"}))

    assert result.data["slides"] >= 3
    assert [artifact.name for artifact in result.artifacts][-2:] == ["overview.png", "outline.md"]
    assert result.redo["topic"] is None
    assert len(result.redo["slides"]) >= 3
    assert any(message.startswith("Writing slide") for message, *_ in job.said)

    again = kind.parse({**kind.parse({"topic": "Tides", "theme": "paper"}), **result.redo})
    assert (await kind.run(job, again)).data["titles"] == result.data["titles"]


async def test_what_the_model_took_is_counted_over_all_attempts(kind, job, model, monkeypatch):
    monkeypatch.setenv("LLM_PRICE_IN", "2")
    args = kind.parse({"topic": "Tides", "n_slides": 4})

    first = await kind.run(job, args)
    later = await kind.run(job, args)

    read = sum(len(asked.prompt) // 4 for asked in model.asked)
    assert first.data["usage"]["tokens_in"] == read > 0
    assert first.data["usage"]["tokens_out"] > 0
    assert first.data["usage"]["cost"] == pytest.approx(read * 2 / 1_000_000)
    assert later.data["usage"] == first.data["usage"]


async def test_a_second_attempt_writes_nothing_twice(kind, job, model):
    args = kind.parse({"topic": "Tides", "n_slides": 3})
    await kind.run(job, args)
    asked = len(model.asked)

    await kind.run(job, args)

    assert len(model.asked) == asked


async def test_a_model_that_declines_ends_the_job_with_its_reason(kind, job, model):
    model.always = refused

    with pytest.raises(GiveUp, match="declined"):
        await kind.run(job, kind.parse({"topic": "Tides"}))


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({}, "slides: is required"),
        ({"topic": " "}, "topic: is blank"),
        ({"topic": "Tides", "slides": ["# A"]}, "Give slides or topic, not both"),
        ({"slides": ["# A"], "sources": ["x"]}, "sources: go with topic"),
        ({"topic": "Tides", "n_slides": 41}, "n_slides: input should be less than or equal to 40"),
    ],
)
async def test_what_contradicts_itself_is_refused_at_the_door(kind, args, sentence):
    with pytest.raises(BadRequest, match=sentence):
        kind.parse(args)
