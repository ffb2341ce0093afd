"""One attempt, start to finish."""

import asyncio
import contextvars
import logging
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from agent_tools.jobs.artifact_store import Attempt
from agent_tools.jobs.context import Parked, is_park
from agent_tools.jobs.errors import BackburnerError, StoreRefused, StoreUnavailable, Unstorable
from agent_tools.jobs.job import JobError, Progress, StoredArtifact
from agent_tools.jobs.kinds import Made
from sql.hands import Claim, Look
from worker import ending as ended
from worker.context import RunningJob
from worker.ending import GIVEN_BACK, Ending
from worker.patience import until_the_book_answers
from worker.threads import CURRENT

if TYPE_CHECKING:
    from worker.hands import Hands

log = logging.getLogger("backburner.worker")

GRACE_S = 5.0
"""How long a handler that was told to stop may take for its `finally` blocks."""
_BECOMES = {
    "completed": {"completed"},
    "failed": {"failed"},
    "errored": {"queued", "failed"},
    "given_back": {"queued"},
    "parked": {"waiting", "queued"},
}
"""How a job stands after its attempt ended so."""
Why = Literal["cancelled", "lost", "given_back", "timeout"]


@dataclass
class Running:
    """An attempt in progress: what the beat keeps, and what a cancel stops."""

    claim: Claim
    job: RunningJob
    handler: "asyncio.Task[Made]"
    why: Why | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, why: Why) -> None:
        """Ask the handler to stop; the first reason counts. Nothing happens once it has ended."""
        if self.why is None and not self.handler.done():
            self.why = why
            self.handler.cancel()
            self.stopping.set()


def begin(hands: "Hands", claim: Claim) -> Running:
    """Call the job's handler, in a task of its own."""
    job = RunningJob(
        claim,
        hands.store,
        hands.artifacts,
        hands.scratch,
        say=hands.board.say,
        lose=lambda: running.stop("lost"),
        callback_url=hands.callback_url,
        note=hands.board.say,
    )
    context = contextvars.copy_context()
    context.run(CURRENT.set, claim.fence)
    called = hands.kinds[claim.kind].run(job, claim.args)
    running = Running(claim, job, asyncio.create_task(called, name=f"job {claim.id}", context=context))
    return running


async def attempt(hands: "Hands", running: Running) -> None:
    """See the job's handler to its end, and write down how it ended."""
    claim, began = running.claim, time.monotonic()
    try:
        await _until_it_ends(running, claim.timeout_s)
        ran = running.job.stages.run()
        ending = await _ending(hands, running)
        hands.handler_ended(claim)
        if ending is not None:
            status = await settle(hands, claim, ending)
            if status == "completed":
                hands.runs.keep(claim, replace(ran, variant=hands.kinds[claim.kind].variant_of(claim.args)))
            log.info(
                "job %s %s in %.1f s (%s, attempt %d)",
                claim.id,
                status,
                time.monotonic() - began,
                claim.kind,
                claim.attempt,
            )
    finally:
        hands.forget(running)


async def _until_it_ends(running: Running, timeout_s: float) -> None:
    stopping = asyncio.create_task(running.stopping.wait())
    try:
        await asyncio.wait({running.handler, stopping}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not running.handler.done():
            running.stop("timeout")
            await asyncio.wait({running.handler}, timeout=GRACE_S)
        if not running.handler.done():
            log.error(
                "job %s: its handler does not stop when asked; its fence keeps it from doing harm", running.claim.id
            )
    finally:
        stopping.cancel()


async def _ending(hands: "Hands", running: Running) -> Ending | None:
    """How it ended; None where that is not ours to say any more."""
    claim, handler = running.claim, running.handler
    if running.why == "cancelled":
        log.info("job %s was cancelled", claim.id)
        return None
    if handler.done() and not handler.cancelled():
        error, parked = handler.exception(), running.job.parked
        if parked is not None and (error is None or is_park(error)):
            return Ending("parked", parked=parked)  # also where the handler swallowed it
        return ended.of_error(error, claim.id) if error else _of_made(handler.result(), claim)
    if running.why == "given_back":
        return GIVEN_BACK
    if running.why == "timeout" or (running.why == "lost" and await _ran_too_long(hands, claim)):
        return ended.too_slow(claim.timeout_s)
    return None if running.why == "lost" else ended.of_error(asyncio.CancelledError(), claim.id)


async def _ran_too_long(hands: "Hands", claim: Claim) -> bool:
    """Whether the book gave no beat because the deadline has passed; else the job is somebody else's, or ended."""
    look = await _look(hands, claim)
    if look is not None and look.status == "running" and look.is_late:
        return True
    log.warning(
        "job %s is not ours any more (%s); attempt %d was stopped",
        claim.id,
        look.status if look else "gone",
        claim.attempt,
    )
    return False


async def _look(hands: "Hands", claim: Claim) -> Look | None:
    return await until_the_book_answers(lambda: hands.store.look(claim.id, claim.fence), f"job {claim.id}")


def _of_made(made: Made, claim: Claim) -> Ending:
    try:
        return ended.of_made(made)
    except (BackburnerError, TypeError, ValueError) as error:
        log.error("job %s: what its handler returned cannot be kept", claim.id, exc_info=error)
        return Ending("failed", error=JobError("bad_result", f"What the handler returned cannot be kept: {error}"))


async def settle(hands: "Hands", claim: Claim, ending: Ending) -> str:
    """Write the ending, until it is written or somebody else's. Gives the status that the job has now."""
    ending, files = await _kept(hands, claim, ending)
    row = _row(hands, claim, ending, files)
    try:
        status = await _write(hands, row)
    except Unstorable as error:
        log.error("job %s: Postgres refused its ending", claim.id, exc_info=error)
        refused = Ending("failed", error=JobError("bad_result", "The result could not be kept by the database."))
        row = _row(hands, claim, refused, [])
        status = await _write(hands, row)
    hands.tell([claim.id])
    hands.ring_next(claim.kind)
    if status is None:
        # Once more with open eyes: a commit whose reply was lost is our own. Either way nothing is deleted.
        look = await _look(hands, claim)
        if look is not None and look.status in _BECOMES[row["outcome"]]:
            return f"was settled before as {look.status}"
        return f"is not ours any more ({look.status if look else 'gone'}); its ending was refused"
    return status


async def _kept(hands: "Hands", claim: Claim, ending: Ending) -> tuple[Ending, list[StoredArtifact]]:
    """The ending, once its files are in the store; one that is away is waited for while the job is ours and this worker stays."""
    here, pause_s = Attempt(claim.tenant, claim.id, claim.fence), 0.5
    while ending.artifacts:
        keeping = asyncio.create_task(asyncio.to_thread(hands.artifacts.keep, here, ending.artifacts))
        try:
            return ending, await _unless_leaving(hands, keeping)
        except (OSError, StoreRefused) as error:
            return ended.of_error(error, claim.id), []
        except StoreUnavailable as error:
            log.warning("the files of job %s wait: %s", claim.id, error)
            hands.board.say(claim, Progress("Done; its files wait for the object store"))
        look = await _look(hands, claim)
        if not hands.accepting or look is None or look.status != "running":
            return GIVEN_BACK, []
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 5)
    return ending, []


async def _unless_leaving(hands: "Hands", keeping: "asyncio.Task[list[StoredArtifact]]") -> list[StoredArtifact]:
    """What was kept. Raises StoreUnavailable where that lasts, and this worker leaves."""
    leaving = asyncio.create_task(hands.leaving.wait())
    try:
        await asyncio.wait({keeping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait({keeping}, timeout=GRACE_S)
    finally:
        leaving.cancel()
    if done:
        return keeping.result()
    keeping.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody asks any more
    raise StoreUnavailable("this worker leaves, and the store is slow.")


async def _write(hands: "Hands", row: dict[str, Any]) -> str | None:
    return await until_the_book_answers(lambda: hands.settles.put(row), f"the ending of job {row['id']}")


def _row(hands: "Hands", claim: Claim, ending: Ending, files: list[StoredArtifact]) -> dict[str, Any]:
    return {
        "id": claim.id,
        "fence": claim.fence,
        "outcome": ending.outcome,
        "after_s": ending.after_s,
        "result": ending.result,
        "result_line": ending.line,
        "error": asdict(ending.error) if ending.error else None,
        "progress": hands.board.take(claim),
        "keep_days": hands.kinds[claim.kind].keep_days,
        "artifacts": [{**asdict(file), "position": position} for position, file in enumerate(files)],
        **_wait(ending.parked),
    }


def _wait(parked: Parked | None) -> dict[str, Any]:
    if parked is None:
        return {}
    return {
        "waiting_for": parked.waiting_for,
        "waiting_on": parked.waiting_on,
        "look_s": parked.look_s,
        "ask": parked.ask,
    }
