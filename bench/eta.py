"""How well it is foretold when a job will have ended: runs that were recorded, replayed. `python -m bench.eta [--record]`."""

import asyncio
import json
import os
import random
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from agent_tools.app import Backburner
from agent_tools.jobs.eta import History, eta, size_of
from agent_tools.jobs.job import Job, JobStatus, Progress
from agent_tools.jobs.runs import Run, run_of, so_far_of
from bench.place import Place, a_place
from sql.hands import Claim
from worker.hands import Hands, open_hands

DATA = Path(__file__).parent / "data"
DECKS = Path(__file__).parent.parent / "tests" / "decks"
MOMENTS = (0.1, 0.25, 0.5, 0.75, 0.9)
LOOKS = tuple(share / 100 for share in range(5, 100, 10))
"""When ranges are looked at."""
BEFORE = 5
"""So many runs are history only."""
SEED = 22
NOW = datetime(2026, 11, 22, tzinfo=UTC)

Row = dict[str, Any]


# ------------------------------------------------------------------------------------------------------- recording


def works() -> dict[str, list[Mapping[str, Any]]]:
    """Kind → the arguments of its jobs: decks and pages of very different lengths, drills of log-normal ones."""
    chance = random.Random(SEED)
    texts = [path.read_text() for path in sorted(DECKS.glob("*.md")) if path.stem != "hostile"]
    slides = [part for text in texts for part in text.split("\n---\n") if "](" not in part]
    decks = [{"slides": chance.choices(slides, k=_about(chance, 9, 0.8, most=60))} for _ in range(45)]
    pages = [{"content": "\n\n".join(chance.choices(texts, k=_about(chance, 6, 1, most=150)))} for _ in range(45)]
    drills = []
    for _ in range(45):
        steps = _about(chance, 5, 0.7, most=20)
        each_s = 0.6 * chance.lognormvariate(0, 0.4)
        drills.append({"steps": steps, "seconds": round(steps * each_s, 2)})
    return {"presentation": decks, "page": pages, "drill": drills}


def _about(chance: random.Random, usual: float, spread: float, *, most: int) -> int:
    return min(max(round(usual * chance.lognormvariate(0, spread)), 1), most)


async def record(place: Place, kinds: Sequence[str], console: Console) -> None:
    """Run everything, one job at a time, on a real installation, and keep what a door could have seen of it."""
    settings, work = place.settings(), works()
    os.environ["BACKBURNER_DRILLS"] = "1"  # without it there are none
    async with open_hands(settings) as hands, Backburner.open(settings) as backburner:
        for kind in kinds:
            all_args, runs = work[kind], []
            for number, args in enumerate(all_args, 1):
                console.print(f"{kind} {number} of {len(all_args)} …", style="dim")
                made = await backburner.create(kind, args, again=True)
                runs.append(await _recorded(hands, made.id, args))
            (DATA / f"{kind}.json").write_text("[\n" + ",\n".join(map(json.dumps, runs)) + "\n]\n")


async def _recorded(hands: Hands, job_id: str, args: Mapping[str, Any]) -> Row:
    seen: list[tuple[float, Row]] = []
    ended: list[Run] = []
    written = hands.store.progress

    async def progress(said: Sequence[Mapping[str, Any]]) -> set[str]:
        seen.extend((time.monotonic(), dict(each["progress"])) for each in said)
        return await written(said)

    def keep(_: Claim, run: Run) -> None:
        ended.append(run)

    hands.store.progress, hands.runs.keep = progress, keep  # type: ignore[method-assign]
    try:
        began, task = time.monotonic(), await hands.take(job_id)
        assert task is not None
        await task
    finally:
        hands.store.progress = written  # type: ignore[method-assign]
    (run,) = ended
    last_at = {
        next((at for at, _ in reversed(seen) if at - began <= share * run.took_s), None) for share in (*MOMENTS, *LOOKS)
    }
    return {
        "size": size_of(args),
        "run": asdict(run),
        "seen": [{"at_s": round(at - began, 3), **said} for at, said in seen if at in last_at],
    }


# -------------------------------------------------------------------------------------------------------- replaying


@dataclass(frozen=True)
class Moment:
    """A run at some time of it, as a door sees it."""

    job: Job
    elapsed_s: float
    history: Sequence[Run]

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed_s)


def linear(moment: Moment) -> float | None:
    """What is left goes on as fast as what is done, by the percentage that the handler says."""
    percent = moment.job.progress.percent if moment.job.progress else None
    return moment.elapsed_s * (100 - percent) / percent if percent else None


def historical(moment: Moment) -> float | None:
    """What half of the runs before took, less what this one has."""
    return max(median(run.took_s for run in moment.history) - moment.elapsed_s, 0)


def ours(moment: Moment) -> float | None:
    """What a door of Backburner says."""
    told = eta(moment.job, moment.now, History(moment.history))
    return told.left.mid_s if told else None


WAYS: Mapping[str, Callable[[Moment], float | None]] = {
    "linear, by the handler's percentage": linear,
    "historical median of the whole": historical,
    "Backburner": ours,
}


def moments(rows: Sequence[Row], share: float) -> Iterator[tuple[Moment, float]]:
    """Every run but the first few at this share of its time, with what was left of it."""
    runs = [run_of(row["run"]) for row in rows]
    for number in range(BEFORE, len(rows)):
        row, run = rows[number], runs[number]
        elapsed_s = share * run.took_s
        said = next((said for said in reversed(row["seen"]) if said["at_s"] <= elapsed_s), None)
        job = replace(_JOB, args={"": "x" * max(int(row["size"]) - 6, 0)}, progress=_progress(said) if said else None)
        yield Moment(job, elapsed_s, runs[max(number - 50, 0) : number]), run.took_s - elapsed_s


def _progress(said: Row) -> Progress:
    so_far = so_far_of(said.get("so_far"))
    return Progress(
        said["message"],
        said.get("done"),
        said.get("of"),
        said.get("stage"),
        replace(so_far, fence=1) if so_far else None,
    )


_JOB = Job(
    id="0c3k9x2mq7f4w", tenant=1, principal=1, kind="", queue="default", title="", args={}, subject=None, labels={}, priority=0,
    batch_id=None, redo_of=None, status=JobStatus.RUNNING, waiting_for=None, version=1, run_after=NOW, rung_at=None,
    attempt=1, errors=0, crashes=0, max_attempts=3, fence=1, worker="w", lease_until=None, deadline_at=None, progress=None,
    result=None, result_line=None, decision=None, error=None, created_at=NOW, started_at=NOW, claimed_at=NOW,
    finished_at=None, seen_at=None, keep_until=None,
)  # fmt: skip


def table() -> Table:
    """For each kind and way the median error at each moment, as a percentage of the job's whole time."""
    table = Table(box=box.SIMPLE_HEAD, caption_justify="left", caption=(
        "Median |error| of what is left, in % of the job's whole time. A dash: it tells less "
        "than half of them. Range: how often the end lay in it, over ten shares of each run; its median width, in whole times of the job."
    ))  # fmt: skip
    table.add_column("at", no_wrap=True)
    for share in MOMENTS:
        table.add_column(f"{share:.0%}", justify="right", no_wrap=True)
    for path in sorted(DATA.glob("*.json")):
        rows = json.loads(path.read_text())
        took = sorted(run_of(row["run"]).took_s for row in rows)
        table.add_row(f"[bold]{path.stem}[/], {len(rows)} runs of {took[0]:.2g} to {took[-1]:.2g} s")
        for name, way in WAYS.items():
            table.add_row(f"  {name}", *(_error(rows, share, way) for share in MOMENTS))
        table.add_row(f"  {_ranges(rows)}", style="dim")
    return table


def _error(rows: Sequence[Row], share: float, way: Callable[[Moment], float | None]) -> str:
    told = [(way(moment), left_s, moment.elapsed_s + left_s) for moment, left_s in moments(rows, share)]
    errors = [abs(said - left_s) / whole_s for said, left_s, whole_s in told if said is not None]
    return f"{100 * median(errors):.0f}" if len(errors) * 2 >= len(told) else "-"


def _ranges(rows: Sequence[Row]) -> str:
    """How often the truth lies in the range that 8 of 10 are to lie in, at ten shares of each run; and how wide that is."""
    looks = [look for share in LOOKS for look in moments(rows, share)]
    told = [(eta(moment.job, moment.now, History(moment.history)), left_s, moment) for moment, left_s in looks]
    spans = [(each.left, left_s, moment.elapsed_s + left_s) for each, left_s, moment in told if each]
    held = sum(span.low_s <= left_s <= span.high_s for span, left_s, _ in spans) / len(spans)
    width = median((span.high_s - span.low_s) / whole_s for span, _, whole_s in spans)
    return f"… in its range {held:.0%}, width {width:.2g}"


def main() -> None:
    """Print the table; with --record, of new runs."""
    parser = ArgumentParser(
        prog="python -m bench.eta", description="How well is it foretold when a job will have ended?"
    )
    parser.add_argument(
        "--record", nargs="*", choices=["presentation", "page", "drill"], help="run jobs of these kinds anew (minutes)"
    )
    console, kinds = Console(), parser.parse_args().record
    if kinds is not None:
        with a_place() as place:
            asyncio.run(record(place, kinds or list(works()), console))
    console.print(table())


if __name__ == "__main__":
    main()
