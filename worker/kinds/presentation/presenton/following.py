"""Following a deck that Presenton makes: asked now and then, a note of every change, and an end to patience."""

import time
from typing import Literal

from pydantic import BaseModel

from agent_tools import JobContext
from agent_tools.presenton import Numbers, Presenton, PresentonUnavailable, Task
from worker.kinds.presentation.presenton.handing import Handed

Verdict = Literal["", "completed", "failed", "silent", "late"]

EVERY = "5s..15s"
_ALMOST = 99.0


class Seen(BaseModel):
    """How a deck stood when it last changed, by our clock; and the verdict where there is nothing more to wait for."""

    at: float
    task: Task | None = None
    percent: float = 0.0
    verdict: Verdict = ""

    def after(self, task: Task, now: float) -> "Seen":
        """How it stands now that the task says something else."""
        verdict: Verdict = "completed" if task.is_completed else "failed" if task.is_failed else ""
        return Seen(at=now, task=task, percent=min(max(task.percent, self.percent), _ALMOST), verdict=verdict)

    def ended(self, verdict: Verdict) -> "Seen":
        """How it stands where it is no longer waited for."""
        return self.model_copy(update={"verdict": verdict})

    @property
    def message(self) -> str:
        """What was said last."""
        return self.task.said if self.task else "Handed over"


async def follow(job: JobContext, presenton: Presenton, handed: Handed, silence_s: float, timeout_s: float) -> Seen:
    """How it ended. Each change is recorded, so that what has not changed for long is known over all attempts."""

    async def changed(handed: Handed, seen: Seen) -> Seen | None:
        now, share = time.time(), round(seen.percent)
        is_late = now - handed.at > timeout_s
        try:
            task = await _look(presenton, handed)
        except PresentonUnavailable as error:  # no trouble of an hour's work, only of a look at it
            job.progress(f"{error} It is asked again.", share, 100)
            return seen.ended("late") if is_late else None
        if task is not None and task != seen.task:
            changed = seen.after(task, now)
            job.progress(task.said, round(changed.percent), 100)
            return changed
        if is_late or now - seen.at > silence_s:
            return seen.ended("late" if is_late else "silent")
        job.progress(seen.message, share, 100)
        return None

    seen = Seen(at=handed.at)
    while not seen.verdict:
        seen = await job.until(f"Presenton: {seen.message}", changed, handed, seen, every=EVERY)
    return seen


async def _look(presenton: Presenton, handed: Handed) -> Task | None:
    """The task as it is now; None where Presenton knows nothing of it."""
    return await (presenton.task(handed.task) if handed.task else _as_task(presenton, handed.deck or ""))


async def _as_task(presenton: Presenton, deck_id: str) -> Task | None:
    """A deck whose task is not known, as its task would say."""
    deck = await presenton.deck(deck_id)
    if deck is None:
        return None
    made, of = len(deck.slides or ()), deck.n_slides or 0
    return Task(
        id=deck_id,
        status="completed" if deck.has_all_slides else "processing",
        message="Generating slides",
        data=Numbers(created_slides=made, remaining_slides=max(of - made, 0), presentation_id=deck_id),
    )
