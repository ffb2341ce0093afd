"""Workers that die while they make an episode: another goes on where they were, and no earlier stage is done again."""

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import spoken
from rig.book import Book
from rig.doomed import DOOMED_EXIT_CODE
from rig.patience import eventually
from rig.processes import Start, StartWorker, environment, is_alive
from spoken import Station
from stubs.llm import MODEL, StubLlm, serving_llm

from agent_tools.app import Backburner
from agent_tools.settings import Settings

pytestmark = pytest.mark.speech
STAGES = ("fetch", "audio", "transcribe", "enrich", "render")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    spoken.speak(spoken.SHORT, tmp_path / "short.wav")
    return tmp_path


@pytest.fixture
async def station(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Station]:
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")  # at the door, too
    async with spoken.on_air(recordings) as opened:
        yield opened


@pytest.fixture
async def llm() -> AsyncIterator[StubLlm]:
    async with serving_llm() as opened:
        yield opened


def with_episodes(recordings: Path, llm: StubLlm | None = None) -> dict[str, object]:
    model = {"LLM_BASE_URL": llm.url, "LLM_MODEL": MODEL} if llm else {}
    return {"BACKBURNER_KINDS": "episode", "BACKBURNER_FILES": recordings, "BACKBURNER_ALLOW_LOOPBACK": 1, **model}


@pytest.mark.parametrize(
    "stage",
    ["transcribe", *(pytest.param(each, marks=pytest.mark.long) for each in STAGES if each != "transcribe")],
)
async def test_a_worker_that_dies_at_the_end_of_a_stage_costs_that_stage_and_none_before_it(
    stage: str,
    settings: Settings,
    backburner: Backburner,
    book: Book,
    start: Start,
    worker: StartWorker,
    recordings: Path,
    station: Station,
    llm: StubLlm,
) -> None:
    given = with_episodes(recordings, llm)
    doom = environment(settings, **given, DOOM=f"record_step {stage}: before", PYTHONPATH="tests/faults:tests")
    doomed = start([sys.executable, "-m", "rig.doomed", "batched"], doom)
    job = (await backburner.create("episode", {"source": f"{station.url}/files/short.wav"})).id

    assert await doomed.exit_code(60) == DOOMED_EXIT_CODE
    before = {row["name"]: row["recorded_at"] for row in book.rows("SELECT name, recorded_at FROM job_steps")}
    assert list(before) == list(STAGES[: STAGES.index(stage)])
    await worker(**given)
    await eventually(lambda: book.ended(1), 60)

    book.assert_sound()
    after = {row["name"]: row["recorded_at"] for row in book.rows("SELECT name, recorded_at FROM job_steps")}
    assert (book.one(job)["status"], book.one(job)["crashes"]) == ("completed", 1)
    assert {name: after[name] for name in before} == before
    assert station.asked["/files/short.wav"] == (2 if stage == "fetch" else 1)
    assert len(llm.asked) == (2 if stage == "enrich" else 1)


async def test_what_listens_dies_with_its_worker_and_another_one_listens(
    settings: Settings, backburner: Backburner, book: Book, worker: StartWorker, recordings: Path
) -> None:
    spoken.speak(" ".join([spoken.NEWS] * 3), recordings / "news.wav")
    given = with_episodes(recordings)
    first = await worker(**given)
    job = (await backburner.create("episode", {"source": "file:news.wav"})).id
    listener = await eventually(lambda: next(iter(listening(first.pid)), None), 30, "a listener")

    first.send(signal.SIGKILL)
    await eventually(lambda: not is_alive(listener), 5, "the listener's end")
    await worker(**given)
    await eventually(lambda: book.ended(1), 90)

    book.assert_sound()
    assert (book.one(job)["status"], book.one(job)["crashes"]) == ("completed", 1)
    assert [row["name"] for row in book.rows("SELECT name FROM job_steps ORDER BY recorded_at")] == [
        "audio",
        "transcribe",
        "enrich",
        "render",
    ]


async def test_a_cancel_in_the_middle_of_listening_frees_the_worker_at_once(
    settings: Settings, backburner: Backburner, book: Book, worker: StartWorker, recordings: Path
) -> None:
    spoken.speak(" ".join([spoken.NEWS] * 6), recordings / "news.wav")
    only = await worker(**{**with_episodes(recordings), "BACKBURNER_MAX_JOBS": 1})
    job = (await backburner.create("episode", {"source": "file:news.wav"})).id
    listener = await eventually(lambda: next(iter(listening(only.pid)), None), 30, "a listener")

    await backburner.cancel([job])
    await eventually(lambda: not is_alive(listener), 5, "the listener's end")
    other = (await backburner.create("episode", {"source": "file:short.wav", "target_stage": "transcribe"})).id
    await eventually(lambda: book.one(other)["status"] == "completed", 40)

    book.assert_sound()
    assert book.one(job)["status"] == "cancelled"
    assert only.is_alive


def listening(pid: int) -> list[int]:
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child.pid for child in children if any("episode.listener" in part for part in child.cmdline())]
    except psutil.NoSuchProcess:
        return []
