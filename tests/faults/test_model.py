"""The machine as a whole: any verb of any side at any time, against a model that says what each may do."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from given import LEASE_S, Stores, ending, open_stores
from hypothesis import HealthCheck, Phase, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rig.book import Book

from agent_tools.jobs.errors import Conflict, NotNow
from agent_tools.jobs.job import CANCELLED, COMPLETED, FAILED, FINAL, QUEUED, RUNNING, WAITING, JobStatus
from sql.door import AskFilter

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "30"))
"""More by hand: what fails is then made as small as it gets, which may take minutes."""
PHASES = (Phase.explicit, Phase.generate) if EXAMPLES <= 30 else tuple(Phase)
STEPS = 50
MAX_ATTEMPTS = 3
KINDS = {"sleep": {"timeout_s": 600, "max_attempts": MAX_ATTEMPTS}}
WORKERS = (0, 1, 2)
OUTCOMES = ("completed", "failed", "errored", "given_back", "person", "outside")
QUESTION = "publish"
MOST_JOBS = 8
"""Few, so that verbs meet."""
SOME = strategies.lists(strategies.integers(0, 999), min_size=1, max_size=4)
"""Numbers that pick jobs."""
_IDS_IN_ORDER = """
CREATE SEQUENCE backburner.ids; GRANT USAGE ON SEQUENCE backburner.ids TO backburner_door;
CREATE OR REPLACE FUNCTION backburner.new_job_id() RETURNS text LANGUAGE sql VOLATILE RETURN lpad(nextval('backburner.ids')::text, 13, '0');
"""
"""Else the same verbs would not do the same again: of jobs that crashed, the first by id is claimed."""
_WATCHMAN = Path(__file__).with_name("storm") / "watchman.sql"
T = TypeVar("T")


@dataclass
class Modelled:
    """A job as it must be."""

    id: str
    status: JobStatus
    after: tuple[str, ...] = ()
    cancels_with_parents: bool = True
    waiting_for: str | None = None
    worker: int | None = None
    fence: int | None = None
    old_fences: list[int] = field(default_factory=list)
    attempt: int = 0
    errors: int = 0
    crashes: int = 0
    is_asked: bool = False
    is_answered: bool = False
    is_nudged: bool = False
    """During this attempt."""
    is_due: bool = False
    """Waiting, and to be looked at now."""

    def leave(self, status: JobStatus) -> None:
        if self.fence is not None and self.status is RUNNING:
            self.old_fences.append(self.fence)
        self.status, self.worker, self.waiting_for, self.is_due = status, None, None, False


def some_are(*statuses: JobStatus) -> Callable[[Any], bool]:
    """A condition of a rule: most of the time it is to have something to do."""
    return lambda machine: any(job.status in statuses for job in machine.known.values())


def some_were_claimed(machine: Any) -> bool:
    """A condition of a rule: there is a fence to show, in force or not."""
    return any(job.fence is not None for job in machine.known.values())


class Machine(RuleBasedStateMachine):
    """Three workers, a door and the sweep, in any order."""

    stores: Stores
    book: Book
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Modelled] = {}
        self.deleted: dict[str, JobStatus] = {}
        self.keys: dict[str, tuple[str, int]] = {}
        self.stores.book.empty()
        self.stores.book.run("DELETE FROM watchman.seen")
        self.stores.book.run("ALTER SEQUENCE ids RESTART")
        self.workers = [self.stores.book.worker(f"worker {number}") for number in WORKERS]
        self.created = 0

    def do(self, call: Awaitable[T]) -> T:
        return self.loop.run_until_complete(call)

    def model(self, job: str) -> Modelled | None:
        return self.known.get(job)

    # ------------------------------------------------------------------------------------------------------ the door

    @initialize(policy=strategies.sampled_from(["cancel", "run"]))
    def begin(self, policy: str) -> None:
        self.create([], False, policy)
        self.create([], False, policy)
        self.create([0, 1], True, policy)

    @precondition(lambda self: len(self.known) < MOST_JOBS)
    @rule(parents=SOME, comes_after=strategies.booleans(), policy=strategies.sampled_from(["cancel", "run"]))
    def create(self, parents: list[int], comes_after: bool, policy: str) -> None:
        there = [job for job in self._pick(parents) if job in self.known] if comes_after else []
        self.created += 1
        (made,) = self.do(
            self.stores.create(
                {"args": {"n": self.created}, "again": True, "after": there or None, "if_parent_fails": policy}
            )
        )
        self.known[made.id] = Modelled(
            made.id,
            WAITING if there else QUEUED,
            tuple(there),
            policy == "cancel",
            "jobs" if there else None,
            is_due=bool(there),
        )

    @rule(key=strategies.sampled_from(["a", "b"]), what=strategies.integers(1, 2))
    def create_with_a_key(self, key: str, what: int) -> None:
        wanted = {"args": {"what": what}, "idempotency_key": key, "request_hash": f"{what:02x}"}
        first = self.keys.get(key)
        if first is not None and first[0] in self.known and first[1] != what:
            with pytest.raises(Conflict):
                self.do(self.stores.create(wanted))
            return
        (made,) = self.do(self.stores.create(wanted))
        is_the_same = first is not None and first[0] in self.known
        assert made.created == (not is_the_same)
        if is_the_same:
            assert first is not None
            assert made.id == first[0]
            return
        self.keys[key] = (made.id, what)
        self.known[made.id] = Modelled(made.id, QUEUED)

    @rule(some=SOME)
    def cancel(self, some: list[int]) -> None:
        wanted = self._pick(some[:2])
        book = self.stores.book.default
        stopped = {each.id: each.fence for each in self.do(self.stores.door.cancel(book.id, book.principal, wanted))}
        expected = {}
        for job in self._of(wanted):
            if job.status not in FINAL:
                expected[job.id] = job.fence if job.status is RUNNING else None
                job.leave(CANCELLED)
                self._tell_dependants(job)
        assert stopped == expected

    @precondition(some_are(COMPLETED, FAILED, CANCELLED))
    @rule(some=SOME)
    def redo(self, some: list[int]) -> None:
        job = self._pick(some, COMPLETED)[0]
        old = self.model(job)
        if old is None or old.status not in FINAL:
            with pytest.raises(NotNow):
                self.do(self.stores.create({"redo_of": job, "again": True}))
            return
        (made,) = self.do(self.stores.create({"redo_of": job, "again": True}))
        self.known[made.id] = Modelled(made.id, QUEUED)

    @precondition(some_are(COMPLETED, FAILED, CANCELLED))
    @rule(some=SOME)
    def delete(self, some: list[int]) -> None:
        wanted = self._pick(some)
        book = self.stores.book.default
        gone = self.do(self.stores.door.delete(book.id, book.principal, wanted))
        expected = [job for job in self._of(wanted) if job.status in FINAL]
        assert sorted(gone) == sorted(job.id for job in expected)
        for job in expected:
            self.deleted[job.id] = job.status
            del self.known[job.id]

    @precondition(lambda self: any(job.is_asked for job in self.known.values()))
    @rule(number=strategies.integers(0, 999))
    def answer(self, number: int) -> None:
        asking = [job.id for job in self.known.values() if job.is_asked]
        job = asking[number % len(asking)]
        modelled, book = self.model(job), self.stores.book.default
        if modelled is None or not modelled.is_asked:
            return
        (ask,) = self.do(self.stores.door.asks(book.id, AskFilter(jobs=[job], open_only=False)))
        answered = self.do(self.stores.answer(ask.id))
        if modelled.is_answered:
            assert answered.outcome == "taken"
        elif modelled.status in FINAL:
            assert answered.outcome == "ended"
        else:
            assert answered.outcome == "answered"
            modelled.is_answered = True
            if modelled.status is WAITING and modelled.waiting_for == "person":
                modelled.leave(QUEUED)

    # ------------------------------------------------------------------------------------------------------ the hands

    @precondition(some_are(QUEUED))
    @rule(worker=strategies.sampled_from(WORKERS))
    def claim_all(self, worker: int) -> None:
        self._claimed(worker, [*self.known, *self.deleted])

    @precondition(some_are(QUEUED))
    @rule(worker=strategies.sampled_from(WORKERS), some=SOME)
    def claim(self, worker: int, some: list[int]) -> None:
        self._claimed(worker, self._pick(some, QUEUED))

    def _claimed(self, worker: int, wanted: list[str]) -> None:
        claims = {
            claim.id: claim for claim in self.do(self.stores.claim(*wanted, worker=self.workers[worker], kinds=KINDS))
        }
        free = [job for job in self._of(wanted) if job.status is QUEUED]
        is_hurt = any(job.worker == worker and job.status is RUNNING and job.crashes for job in self.known.values())
        crashed = sorted(job.id for job in free if job.crashes)[: 0 if is_hurt else 1]
        assert sorted(claims) == sorted([*(job.id for job in free if not job.crashes), *crashed])
        for claim in claims.values():
            job = self.known[claim.id]
            assert job.fence is None or claim.fence > job.fence
            job.status, job.fence, job.worker, job.attempt = RUNNING, claim.fence, worker, job.errors + job.crashes + 1
            job.is_nudged = False
            assert claim.attempt == job.attempt

    @precondition(some_were_claimed)
    @rule(some=SOME, stale=strategies.booleans())
    def beat(self, some: list[int], stale: bool) -> None:
        wanted = self._pick(some, RUNNING)
        held = self._held(wanted, stale)
        kept = self.stores.watch.beat(self.workers[0], LEASE_S, held)
        assert kept == {(job, fence) for job, fence in held if self._is_held(job, fence)}

    @precondition(some_were_claimed)
    @rule(some=SOME, stale=strategies.booleans())
    def progress(self, some: list[int], stale: bool) -> None:
        wanted = self._pick(some, RUNNING)
        said = [
            {"id": job, "fence": fence, "progress": {"message": f"fence {fence}"}}
            for job, fence in self._held(wanted, stale)
        ]
        written = self.do(self.stores.hands.progress(said))
        assert written == {each["id"] for each in said if self._is_held(each["id"], each["fence"])}

    @precondition(some_were_claimed)
    @rule(some=SOME, stale=strategies.booleans())
    def step(self, some: list[int], stale: bool) -> None:
        for held, fence in self._held(self._pick(some[:1], RUNNING), stale):
            row = {
                "id": held,
                "fence": fence,
                "name": f"step {fence}",
                "args_hash": "00",
                "reuse": None,
                "value": {"fence": fence},
                "took_s": 1,
            }
            assert self.do(self.stores.hands.record_step(row)) == self._is_held(held, fence)

    @precondition(some_are(RUNNING))
    @rule(some=SOME, outcome=strategies.sampled_from(OUTCOMES))
    def settle(self, some: list[int], outcome: str) -> None:
        self._settle(some, False, outcome)

    @precondition(some_are(RUNNING))
    @rule(some=SOME, outcome=strategies.sampled_from(["person", "outside"]))
    def park(self, some: list[int], outcome: str) -> None:
        self._settle(some, False, outcome)

    @precondition(some_were_claimed)
    @rule(some=SOME, outcome=strategies.sampled_from(OUTCOMES))
    def settle_what_was_lost(self, some: list[int], outcome: str) -> None:
        self._settle(some, True, outcome)

    def _settle(self, some: list[int], stale: bool, outcome: str) -> None:
        held = self._held(self._pick(some, RUNNING), stale)
        settled = self.do(self.stores.hands.settle([self._ending(job, fence, outcome) for job, fence in held]))
        mine = [(job, fence) for job, fence in held if self._is_held(job, fence)]
        assert settled.keys() == set(mine)
        for job, fence in mine:
            self._settled(self.known[job], outcome)
            assert settled[job, fence].status == self.known[job].status

    @precondition(some_are(WAITING, RUNNING))
    @rule(some=SOME)
    def nudge(self, some: list[int]) -> None:
        job = self._pick(some, RUNNING if some[0] % 2 else WAITING)[0]
        modelled = self.model(job)
        is_listening = modelled is not None and (modelled.status is RUNNING or modelled.waiting_for == "outside")
        assert self.do(self.stores.hands.nudge(job)) == is_listening
        if modelled is not None and is_listening:
            modelled.is_nudged = True
            modelled.is_due = modelled.is_due or modelled.status is WAITING

    # ------------------------------------------------------------------------------------------------------ the sweep

    @precondition(some_are(WAITING))
    @rule()
    def wake(self) -> None:
        woken = {each.id: each.status for each in iter_until_empty(self.stores)}
        expected: dict[str, str] = {}
        while True:
            due = [job for job in self.known.values() if job.status is WAITING and job.is_due]
            judged = [(job, self._becomes(job)) for job in due]
            for job, becomes in judged:
                job.is_due = False
                if becomes is not WAITING:
                    job.leave(becomes)
                    expected[job.id] = becomes
            for job, becomes in judged:
                if becomes is CANCELLED:
                    self._tell_dependants(job)
            if not judged:
                break
        assert woken == expected

    @precondition(some_are(RUNNING))
    @rule(some=SOME)
    def leases_run_out(self, some: list[int]) -> None:
        self._reaped(self._pick(some, RUNNING), "lease_until = now() - interval '1 s'", is_late=False)

    @precondition(some_are(RUNNING))
    @rule(some=SOME)
    def a_deadline_passes(self, some: list[int]) -> None:
        self._reaped(
            self._pick(some[:1], RUNNING),
            "lease_until = now() - interval '1 s', deadline_at = now() - interval '1 s'",
            is_late=True,
        )

    @precondition(some_are(RUNNING))
    @rule(worker=strategies.sampled_from(WORKERS))
    def a_worker_is_seen_to_die(self, worker: int) -> None:
        taken = self.stores.watch.reap_workers([f"worker {worker}"])
        dead = [job for job in self.known.values() if job.status is RUNNING and job.worker == worker]
        assert sorted(taken) == sorted(job.id for job in dead)
        for job in dead:
            self._crashed(job)

    @rule()
    def ring(self) -> None:
        self.stores.watch.ring()

    @precondition(lambda self: any(job.waiting_for == "outside" for job in self.known.values()))
    @rule()
    def time_passes(self) -> None:
        """For those that wait for what is outside."""
        self.stores.book.run("UPDATE jobs SET look_at = now() WHERE waiting_for = 'outside'")
        for job in self.known.values():
            job.is_due = job.is_due or job.waiting_for == "outside"

    # ---------------------------------------------------------------------------------------------------- what holds

    @invariant()
    def every_job_is_as_the_model_says(self) -> None:
        rows = self.stores.book.run(
            "SELECT id, status, waiting_for, fence, attempt, errors, crashes, coalesce(look_at <= now(), false) AS is_due FROM jobs"
        )
        assert {row["id"] for row in rows} == self.known.keys()
        for row in rows:
            job = self.known[row["id"]]
            seen = (row["status"], row["waiting_for"], row["fence"], row["attempt"], row["errors"], row["crashes"])
            assert seen == (job.status, job.waiting_for, job.fence, job.attempt, job.errors, job.crashes), job
            # One look too many at jobs that others come before does no harm.
            assert row["is_due"] == job.is_due or (job.waiting_for == "jobs" and row["is_due"]), job

    @invariant()
    def every_story_adds_up(self) -> None:
        assert self.book.problems() == []
        assert self.stores.book.run("SELECT job, what FROM watchman.seen") == []

    @invariant()
    def questions_are_open_only_while_somebody_waits_for_the_answer(self) -> None:
        rows = self.stores.book.run(
            "SELECT job_id, answered_at IS NULL AND withdrawn_at IS NULL AS is_open, answered_at IS NOT NULL AS is_answered FROM asks"
        )
        assert {row["job_id"]: (row["is_open"], row["is_answered"]) for row in rows} == {
            job.id: (not job.is_answered and job.status not in FINAL, job.is_answered)
            for job in self.known.values()
            if job.is_asked
        }

    # ------------------------------------------------------------------------------------------------------ the model

    def _pick(self, numbers: list[int], status: JobStatus | None = None) -> list[str]:
        """Jobs by number: three of four in this status where there are any, else any, those that are gone too."""
        all_of_them, meant = (
            [*self.known, *self.deleted],
            [job.id for job in self.known.values() if job.status is status],
        )
        picked = [
            (pool := meant if number % 4 and meant else all_of_them)[number // 4 % len(pool)]
            for number in numbers
            if all_of_them
        ]
        return list(dict.fromkeys(picked))

    def _of(self, ids: list[str]) -> list[Modelled]:
        return [self.known[job] for job in ids if job in self.known]

    def _held(self, ids: list[str], stale: bool) -> list[tuple[str, int]]:
        """(id, fence) as a worker would say it: the newest, or one that it lost."""
        held = []
        for job in self._of(ids):
            if stale and job.old_fences:
                held.append((job.id, job.old_fences[-1]))
            elif not stale and job.fence is not None:
                held.append((job.id, job.fence))
        return held

    def _is_held(self, job: str, fence: int) -> bool:
        return self.known[job].status is RUNNING and self.known[job].fence == fence

    def _ending(self, job: str, fence: int, outcome: str) -> dict[str, Any]:
        if outcome == "person":
            question = {"name": QUESTION, "question": "Publish?", "choices": ["approve", "reject"], "form": None, "shown": None,
                        "shown_hash_hex": "00", "for_person": None, "within_s": None}  # fmt: skip
            return ending(job, fence, "parked", waiting_for="person", waiting_on=QUESTION, look_s=None, ask=question)
        if outcome == "outside":
            return ending(job, fence, "parked", waiting_for="outside", waiting_on="payment", look_s=3600, ask=None)
        file = {
            "name": "made.txt",
            "position": 0,
            "title": "Made",
            "media_type": "text/plain",
            "bytes": 1,
            "sha256": "00",
        }
        more = {"result": {"fence": fence}, "artifacts": [file]} if outcome == "completed" else {}
        return ending(job, fence, outcome, after_s=0, **more)

    def _settled(self, job: Modelled, outcome: str) -> None:
        match outcome:
            case "completed":
                job.leave(COMPLETED)
            case "failed":
                job.errors += 1
                job.leave(FAILED)
            case "errored":
                job.errors += 1
                job.leave(QUEUED if job.errors < MAX_ATTEMPTS else FAILED)
            case "given_back":
                job.leave(QUEUED)
            case _:
                was_nudged = job.is_nudged
                job.leave(WAITING)
                job.waiting_for = outcome
                job.is_asked = job.is_asked or outcome == "person"
                job.is_due = outcome == "person" or was_nudged
        if job.status in FINAL:
            self._tell_dependants(job)

    def _crashed(self, job: Modelled) -> None:
        job.crashes += 1
        job.leave(QUEUED if job.crashes < 3 else FAILED)
        if job.status is FAILED:
            self._tell_dependants(job)

    def _reaped(self, wanted: list[str], passed: str, *, is_late: bool) -> None:
        silent = [job for job in self._of(wanted) if job.status is RUNNING]
        self.stores.book.run(
            f"UPDATE jobs SET {passed} WHERE status = 'running' AND id = ANY (%s)", [job.id for job in silent]
        )
        assert sorted(self.stores.watch.reap()) == sorted(job.id for job in silent)
        for job in silent:
            if not is_late:
                self._crashed(job)
                continue
            job.errors += 1
            job.leave(QUEUED if job.errors < MAX_ATTEMPTS else FAILED)
            if job.status is FAILED:
                self._tell_dependants(job)
        self.stores.book.run(
            "UPDATE jobs SET run_after = now() WHERE status = 'queued'"
        )  # the backoff is not what this is about

    def _tell_dependants(self, ended: Modelled) -> None:
        for job in self.known.values():
            if job.waiting_for == "jobs" and ended.id in job.after:
                job.is_due = True

    def _becomes(self, job: Modelled) -> JobStatus:
        if job.waiting_for == "person":
            return QUEUED if job.is_answered else WAITING
        if job.waiting_for == "outside":
            return QUEUED
        statuses = [self.known[parent].status if parent in self.known else self.deleted[parent] for parent in job.after]
        if job.cancels_with_parents and any(status in (FAILED, CANCELLED) for status in statuses):
            return CANCELLED
        return QUEUED if all(status in FINAL for status in statuses) else WAITING


def iter_until_empty(stores: Stores) -> Iterator[Any]:
    """As the sweep does: what was cancelled may be waited for, too."""
    while woken := stores.watch.wake():
        yield from woken


@pytest.mark.slow
@pytest.mark.timeout(3600 if EXAMPLES > 30 else 120)
def test_any_verbs_in_any_order_do_what_the_model_says_and_keep_every_invariant(database_url: str) -> None:
    loop = asyncio.new_event_loop()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_WATCHMAN.read_bytes())
        connection.execute(_IDS_IN_ORDER)
    opened, book = open_stores(database_url), Book(database_url)
    try:
        stores = loop.run_until_complete(opened.__aenter__())
        Machine.stores, Machine.book, Machine.loop = stores, book, loop
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                phases=PHASES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(opened.__aexit__(None, None, None))
        book.close()
        loop.close()
