"""`python -m bench [--quick] [--json FILE]`: one run, one table."""

import asyncio
import json
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from rich.console import Console

from bench.drains import ARQ, ON_ARQS_LOOP, WORKERS, drain
from bench.figures import Figures
from bench.place import Place, a_place
from bench.submits import submits


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    submit_rounds: int = 5
    alone: int = 150
    together: int = 600
    batch: int = 1000
    kept: int = 20_000
    drain_rounds: int = 3
    jobs: int = 3000
    jobs_if_slow: int = 600
    pickups: int = 34


FULL = Size()
QUICK = Size(
    submit_rounds=3, alone=60, together=200, kept=5000, drain_rounds=1, jobs=1000, jobs_if_slow=400, pickups=20
)
SLOTS = (10, 100)
_PAUSES = {(ARQ, 10), (ON_ARQS_LOOP.who, 10), (ON_ARQS_LOOP.who, 100)}
"""Where arq's loop is bound by its pauses between looks, whatever the number of jobs: fewer say as much."""


async def measure(place: Place, figures: Figures, size: Size, console: Console) -> None:
    """Everything, in rounds: A B C, then C B A, so that a noisy minute hits all alike."""
    for turn in range(size.submit_rounds):
        console.print(f"submits, round {turn + 1} of {size.submit_rounds} …")
        await submits(place, figures, turn, alone=size.alone, together=size.together, batch=size.batch, kept=size.kept)
    for turn in range(size.drain_rounds):
        for slots in SLOTS:
            for worker in WORKERS[:: 1 if turn % 2 == 0 else -1]:
                console.print(f"drain, round {turn + 1} of {size.drain_rounds}: {worker.who}, {slots} slots …")
                jobs = size.jobs_if_slow if (worker.who, slots) in _PAUSES else size.jobs
                await drain(place, figures, worker, slots=slots, jobs=jobs, pickups=size.pickups)


def main() -> None:
    """Measure and print."""
    parser = ArgumentParser(prog="python -m bench", description="Backburner beside a bare INSERT and stock arq.")
    parser.add_argument("--quick", action="store_true", help="under a minute, and noisier")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's value there too")
    given = parser.parse_args()
    size, figures, console = QUICK if given.quick else FULL, Figures(), Console()
    progress, began = Console(stderr=True, style="dim"), time.monotonic()
    with a_place() as place:
        conditions = place.conditions()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(place, figures, size, progress))
    caption = (
        f"{conditions}. Medians of {size.submit_rounds} rounds (drain and pick-up: {size.drain_rounds}) in "
        f"{time.monotonic() - began:.0f} s. 'x bare' and 'x arq' are medians of the rounds' ratios; 'x arq' is beside "
        "arq with its defaults."
    )
    if given.json:
        said = {"at": datetime.now(UTC).isoformat(), "conditions": conditions, "figures": figures.as_json()}
        given.json.write_text(json.dumps(said, indent=1) + "\n")
    console.print(figures.table(caption))


if __name__ == "__main__":
    main()
