"""Workers that die while a model writes: what was answered before is not asked for again, and nobody's turn is lost."""

import asyncio
import re
import sys
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rig.book import Book
from rig.doomed import DOOMED_EXIT_CODE
from rig.patience import eventually
from rig.processes import Start, StartWorker, environment
from stubs.llm import MODEL, Asked, StubLlm, hanging, serving_llm

from agent_tools.app import Backburner
from agent_tools.settings import Settings

ASKED = ("Epic", "Plan", "Story 1", "Story 2", "Tasks 1", "Tasks 2")
"""What the model is asked for, for a backlog of two stories; the stories side by side, then the tasks."""


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubLlm]:
    async with serving_llm() as stub:
        monkeypatch.setenv("LLM_BASE_URL", stub.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        yield stub


@pytest.fixture
def around(model: StubLlm) -> dict[str, Any]:
    """What a worker of these kinds is started with."""
    return {
        "LLM_BASE_URL": model.url,
        "LLM_MODEL": MODEL,
        "BACKBURNER_KINDS": "interview_message,backlog,provision",
    }


def what_is(asked: Asked) -> str:
    """Which of them a request is."""
    found = re.search(r"Write (?:the tasks of )?story (\d)", asked.prompt)
    return f"{asked.shape} {found[1]}" if found else asked.shape


def answered(stub: StubLlm, asked: Asked) -> Any:
    return stub.stream(asked, stub.text(asked))


@pytest.mark.slow
@pytest.mark.parametrize(
    "deadly",
    [
        {"Story 1": 3, "Tasks 2": 5},
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in ({"Epic": 0, "Plan": 1}, {"Story 2": 3, "Tasks 1": 5})
        ),
    ],
)
async def test_a_worker_killed_while_the_model_writes_loses_that_answer_and_no_other(
    backburner: Backburner,
    book: Book,
    worker: StartWorker,
    model: StubLlm,
    around: dict[str, Any],
    deadly: dict[str, int],
) -> None:
    hung = list[str]()

    def hang_once(stub: StubLlm, asked: Asked) -> Any:
        if (which := what_is(asked)) in deadly and which not in hung:
            hung.append(which)
            return hanging(stub, asked)
        return answered(stub, asked)

    model.always = hang_once
    job = (await backburner.create("backlog", {"text": "A shop.", "stories": 2})).id

    for which, recorded_beside_it in deadly.items():
        doomed = await worker(**around)
        await eventually(
            lambda which=which, many=recorded_beside_it: (
                hung[-1:] == [which] and book.number("SELECT count(*) FROM job_steps") == many
            ),
            30,
            "the deadly request, and all others",
        )
        doomed.kill()
    await worker(**around)
    await eventually(lambda: book.ended(1), 30)

    book.assert_sound()
    assert (book.one(job)["status"], book.one(job)["crashes"]) == ("completed", 2)
    assert Counter(map(what_is, model.asked)) == {name: 2 if name in deadly else 1 for name in ASKED}
    tokens = {asked.prompt: len(asked.prompt) // 4 for asked in model.asked}
    assert len(tokens) == len(ASKED)
    assert book.one(job)["result"]["usage"]["tokens_in"] == sum(tokens.values())


async def test_a_message_whose_worker_was_killed_keeps_its_turn(
    backburner: Backburner, book: Book, worker: StartWorker, model: StubLlm, around: dict[str, Any]
) -> None:
    model.answer = lambda asked: {"reply": f"{len(asked.body['messages']) - 2} before", "complete": False}
    model.then(hanging)
    doomed = await worker(**around)
    first, second = [
        (await backburner.create("interview_message", {"interview": "i-1", "message": message})).id
        for message in ("One.", "Two.")
    ]
    await eventually(lambda: model.at_once, 30, "a request")
    await eventually(lambda: book.one(second)["status"] == "waiting", 30, "a wait for the turn")
    doomed.kill()
    await worker(**around)
    await eventually(lambda: book.ended(2), 40)

    book.assert_sound()
    assert [book.one(job)["result"]["reply"] for job in (first, second)] == ["0 before", "2 before"]
    assert [book.one(job)["result"]["turn"] for job in (first, second)] == [1, 2]
    assert model.most_at_once == 1


@pytest.mark.long
@pytest.mark.slow
async def test_messages_of_one_interview_at_many_workers_never_fork_it(
    backburner: Backburner, book: Book, worker: StartWorker, model: StubLlm, around: dict[str, Any]
) -> None:
    many = 6
    model.answer = lambda asked: {"reply": "Go on.", "complete": False}
    await asyncio.gather(*(worker(**around) for _ in range(2)))

    await asyncio.gather(
        *(backburner.create("interview_message", {"interview": "i-1", "message": f"{n}."}) for n in range(many))
    )
    await eventually(lambda: book.ended(many), 60)

    book.assert_sound()
    turns = book.rows("SELECT result ->> 'turn' AS turn FROM jobs ORDER BY created_at, id")
    assert sorted(int(row["turn"]) for row in turns) == list(range(1, many + 1))
    assert sorted(len(asked.body["messages"]) for asked in model.asked) == [2 * n + 2 for n in range(many)]
    assert model.most_at_once == 1


@pytest.mark.parametrize("place", ["before", pytest.param("sent", marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["provision", "interview_message"])
async def test_a_worker_that_dies_as_it_records_a_step_changes_nothing_of_what_comes_out(
    settings: Settings,
    backburner: Backburner,
    book: Book,
    start: Start,
    worker: StartWorker,
    model: StubLlm,
    around: dict[str, Any],
    kind: str,
    place: str,
) -> None:
    args = {
        "provision": {"stack": "python-package", "name": "pottery-shop"},
        "interview_message": {"interview": "i-1", "message": "Hi."},
    }
    job, untroubled = [
        (await backburner.create(kind, {**args[kind], **more}, again=True)).id
        for more in ({}, {"interview": "i-2"} if kind == "interview_message" else {})
    ]
    doom = {"DOOM": f"record_step: {place}", "PYTHONPATH": "tests/faults", "BACKBURNER_MAX_JOBS": 1}
    doomed = start([sys.executable, "-m", "rig.doomed", "batched"], environment(settings, **around, **doom))
    assert await doomed.exit_code() == DOOMED_EXIT_CODE
    await worker(**around)
    await eventually(lambda: book.ended(2), 30)

    book.assert_sound()
    crashes = [book.one(each)["crashes"] for each in (job, untroubled)]
    assert sorted(crashes) == [0, 1]
    both = [await backburner.get(each) for each in (job, untroubled)]
    made = [{each.name: each.sha256 for each in one.artifacts} for one in both]
    if kind == "provision":
        assert made[0] == made[1]
        assert zipfile.is_zipfile(backburner.artifact_path(both[0], both[0].artifacts[0]))
    else:
        assert [one.result and one.result["reply"] for one in both] == ["Reply amber"] * 2
