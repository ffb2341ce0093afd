"""Workers that die while they make a deck: what was written and drawn before is not written and drawn again."""

import sys
from collections.abc import AsyncIterator

import pytest
from rig.book import Book
from rig.doomed import DOOMED_EXIT_CODE
from rig.patience import eventually
from rig.processes import Start, StartWorker, environment
from stubs.llm import MODEL, StubLlm, serving_llm

from agent_tools.app import Backburner
from agent_tools.settings import Settings

RECORDED = "SELECT name, encode(args_hash, 'hex') AS args, recorded_at FROM job_steps"


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubLlm]:
    async with serving_llm() as stub:
        monkeypatch.setenv("LLM_BASE_URL", stub.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        yield stub


def recorded(book: Book) -> dict[tuple[str, str], object]:
    return {(row["name"], row["args"]): row["recorded_at"] for row in book.rows(RECORDED)}


@pytest.mark.parametrize(
    ("point", "asked_again"),
    [
        ("Write slide: before", {1, 2}),  # two are written at once
        *(
            pytest.param(*each, marks=pytest.mark.long)
            for each in (
                ("Outline: before", {1}),
                ("Outline: sent", {0}),
                ("Draw slide: before", {0}),
                ("Draw slide: after", {0}),
            )
        ),
    ],
)
async def test_a_worker_that_dies_in_a_step_of_a_deck_repeats_no_step_before_it(
    point: str,
    asked_again: set[int],
    model: StubLlm,
    settings: Settings,
    backburner: Backburner,
    book: Book,
    start: Start,
    worker: StartWorker,
) -> None:
    given = {"LLM_BASE_URL": model.url, "LLM_MODEL": MODEL, "BACKBURNER_KINDS": "presentation"}
    doom = environment(settings, **given, DOOM=f"record_step {point}", PYTHONPATH="tests/faults:tests")
    doomed = start([sys.executable, "-m", "rig.doomed", "batched"], doom)
    job = (await backburner.create("presentation", {"topic": "Tides", "n_slides": 3})).id

    assert await doomed.exit_code(60) == DOOMED_EXIT_CODE
    before, said = recorded(book), len(model.asked)
    await worker(**given)
    await eventually(lambda: book.ended(1), 60)

    book.assert_sound()
    after = recorded(book)
    assert (book.one(job)["status"], book.one(job)["crashes"]) == ("completed", 1)
    assert {step: after[step] for step in before} == before
    assert {name for name, _ in after} >= {"Outline", "Write slide", "Draw slide"}
    asked = [each.prompt for each in model.asked]
    assert len(asked) - len(set(asked)) in asked_again
    assert len(asked) > said or point.startswith("Draw")
