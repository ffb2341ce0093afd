"""A job and the world → one sentence saying why it is where it is."""

from collections.abc import Sequence
from datetime import datetime

from agent_tools.jobs.asks import Ask, Parent
from agent_tools.jobs.eta import Eta, Span
from agent_tools.jobs.job import Job, JobStatus, Limit, Worker
from agent_tools.jobs.queue import MOST_AHEAD

PARENT_FAILED = "parent_failed"
"""Code of the error of a job that was cancelled because of one before it (machine.sql says the same)."""
MOST_PARENTS = 3
MOST_CHARACTERS = 100
"""How much of a question or a title a sentence quotes."""
_LIMITS_S = (
    2,
    5,
    10,
    15,
    20,
    30,
    45,
    60,
    120,
    180,
    300,
    600,
    900,
    1200,
    1800,
    2700,
    3600,
    7200,
    14_400,
    28_800,
    86_400,
)
MAX_CRASHES = 3
"""A job whose worker died this often is poison (machine.sql says the same)."""


def why(
    job: Job,
    now: datetime,
    workers: Sequence[Worker],
    ahead: int = 0,
    *,
    asks: Sequence[Ask] = (),
    parents: Sequence[Parent] = (),
    eta: Eta | None = None,
    limit: Limit | None = None,
) -> str:
    """One sentence, or two: what the job waits for, and what would help.

    `limit` is its kind's, `ahead` are due jobs before it in its queue (where the limit is reached: of its kind), `asks` its open questions, `parents` the jobs that it comes after.
    """
    match job.status:
        case JobStatus.QUEUED:
            stands = _queued(job, now, [worker for worker in workers if worker.is_alive], ahead, limit)
            return f"{stands[:-1]}; done in {about(eta.left.mid_s)}." if eta else stands
        case JobStatus.RUNNING:
            return _running(job, now, eta)
        case JobStatus.WAITING:
            return _waiting(job, now, asks, parents)
        case JobStatus.COMPLETED:
            return f"Completed {_ago(job.finished_at, now)}{_in(job)}."
        case JobStatus.FAILED:
            return f"Failed {_ago(job.finished_at, now)}{_attempts(job)}: {_error(job)}"
        case JobStatus.CANCELLED:
            reason = f": {job.error.message}" if job.error and job.error.code == PARENT_FAILED else "."
            return f"Cancelled {_ago(job.finished_at, now)}{reason}"


def duration(seconds: float) -> str:
    """A length of time as people say it: `40 s`, `4 min`, `3 h`, `12 days`."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit != "days" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def about(seconds: float) -> str:
    """A length of time that nobody knows exactly: `about 40 s`."""
    return f"about {duration(max(5 * round(seconds / 5), 5) if 10 < seconds < 60 else max(seconds, 1))}"


def left(eta: Eta) -> str:
    """`about 2 min left`; of a job that takes longer than any before it: `overdue: usually 40 s`."""
    return (
        f"overdue: usually {about(eta.usually_s).removeprefix('about ')}"
        if eta.is_overdue
        else f"{about(eta.left.mid_s)} left"
    )


def takes(span: Span) -> str:
    """`about 40 s (9 of 10 take under 1 min)`."""
    most = next((limit for limit in _LIMITS_S if limit >= span.high_s), span.high_s)
    return f"{about(span.mid_s)} (9 of 10 take under {duration(most)})"


def _waiting(job: Job, now: datetime, asks: Sequence[Ask], parents: Sequence[Parent]) -> str:
    match job.waiting_for:
        case "person":
            ask = next((each for each in asks if each.name == job.waiting_on), next(iter(asks), None))
            return _for_an_answer(ask, now) if ask else "Waiting for a person's answer. It waits as long as that takes."
        case "jobs":
            return _after(parents)
    what = f"'{job.waiting_on}'" if job.waiting_on else "something"
    since = f" for {duration((now - job.waiting_since).total_seconds())}" if job.waiting_since else ""
    again = "when it is called" if job.look_at is None else f"in {duration((job.look_at - now).total_seconds())}"
    return f"Waiting{since} for {what} outside; it looks again {again}."


def _for_an_answer(ask: Ask, now: datetime) -> str:
    question = short(ask.question)
    still = f", open for {duration((ask.deadline_at - now).total_seconds())} more" if ask.deadline_at else ""
    whose = f"{ask.for_person}'s" if ask.for_person else "a person's"
    return f"Waiting for {whose} answer: '{question}' (asked {_ago(ask.asked_at, now)}{still})."


def _after(parents: Sequence[Parent]) -> str:
    unended = [parent for parent in parents if parent.status is not None and not JobStatus(parent.status).is_final]
    if not parents:
        return "Waiting for other jobs to end first."
    if not unended:
        return "The jobs that it comes after have ended: about to begin."
    named = ", ".join(
        f"{parent.id} ({' '.join(part for part in (parent.kind, short(parent.title or '')) if part)}, {parent.status})"
        for parent in unended[:MOST_PARENTS]
    )
    more = f" and {len(unended) - MOST_PARENTS} more" if len(unended) > MOST_PARENTS else ""
    many = _count(len(parents), "job") if len(parents) == 1 else f"{len(unended)} of {len(parents)} jobs"
    return f"Waiting for {many} to end first: {named}{more}."


def unavailable(kind: str, alive: Sequence[Worker]) -> str | None:
    """Why none of the workers that are alive runs this kind; None where one does."""
    if any(kind in worker.kinds for worker in alive):
        return None
    if not alive:
        return "No worker is alive. Start one with 'backburner up' or 'backburner worker'."
    reasons = {worker.unavailable[kind] for worker in alive if kind in worker.unavailable}
    return " ".join(sorted(reasons)) or "No worker that is alive offers it."


def short(text: str) -> str:
    """Its first line, and of that not too much."""
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1].rstrip()}…"


def _queued(job: Job, now: datetime, alive: Sequence[Worker], ahead: int, limit: Limit | None) -> str:
    if job.run_after > now:
        when = duration((job.run_after - now).total_seconds())
        if job.errors and job.error:
            return f"Tries again in {when} (attempt {job.errors + job.crashes + 1}{_of(job)}) after: {_error(job)}"
        return f"Scheduled to begin in {when}."

    since = f"Queued {duration((now - max(job.run_after, job.created_at)).total_seconds())}"
    if job.crashes:
        since += f" (its worker died {job.crashes} of {MAX_CRASHES} times)"
    if not alive:
        return f"{since}: no worker is alive. Start one with 'backburner up' or 'backburner worker'."
    able = [worker for worker in alive if job.kind in worker.kinds]
    if not able:
        return f"{since}: no worker alive runs '{job.kind}' ({_they_run(alive)}).{_because(job, alive)}"
    serving = [worker for worker in able if job.queue in worker.queues]
    if not serving:
        return f"{since}: no worker alive serves the queue '{job.queue}'. Set BACKBURNER_QUEUES={job.queue} for one."
    if limit and limit.is_reached:
        return f"{since}: {limit.running} of {limit.most} '{job.kind}' jobs run, and no more do at once; {_ahead(ahead)} before it."
    free = sum(max(worker.max_jobs - worker.running, 0) for worker in serving)
    if not free:
        slots = sum(worker.max_jobs for worker in serving)
        return f"{since}: all {slots} slots of {_count(len(serving), 'worker')} are taken; {_ahead(ahead)} before it."
    if job.crashes:
        return f"{since}: it waits for a worker that runs no other job that has crashed."
    if ahead:
        return f"{since}: {_ahead(ahead)} before it, {_count(free, 'slot')} free."
    return f"{since}: about to begin."


def _running(job: Job, now: datetime, eta: Eta | None) -> str:
    for_so_long = duration((now - job.claimed_at).total_seconds()) if job.claimed_at else "a moment"
    where = f" on {job.worker}" if job.worker else ""
    if job.lease_until and job.lease_until < now:
        silent = duration((now - job.lease_until).total_seconds())
        return f"Running for {for_so_long}{where}, but that worker's lease ran out {silent} ago; the sweep gives the job to another."
    far = percent(job, eta)
    doing = f": {job.progress.message}" if job.progress else ""
    doing += f" ({far}%)" if far is not None else ""
    doing += f", {left(eta)}" if eta else ""
    return f"Running for {for_so_long}{where}, attempt {job.attempt}{_of(job)}{doing}."


def percent(job: Job, eta: Eta | None) -> int | None:
    """How much of a job is done: by what others took, else by what its handler says."""
    if eta is not None and eta.percent is not None:
        return eta.percent
    return job.progress.percent if job.progress else None


def _they_run(alive: Sequence[Worker]) -> str:
    kinds = sorted({kind for worker in alive for kind in worker.kinds})
    return f"{_count(len(alive), 'worker')}: {', '.join(kinds) or 'none at all'}"


def _because(job: Job, alive: Sequence[Worker]) -> str:
    reasons = {worker.unavailable[job.kind] for worker in alive if job.kind in worker.unavailable}
    return f" {' '.join(sorted(reasons))}" if reasons else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _ahead(number: int) -> str:
    return f"{_count(number, 'job') if number <= MOST_AHEAD else f'more than {MOST_AHEAD:,} jobs'} of yours"


def _attempts(job: Job) -> str:
    return f" after {_count(job.attempt, 'attempt')}" if job.attempt > 1 else ""


def _of(job: Job) -> str:
    return f" of {job.max_attempts}" if job.max_attempts and job.attempt <= job.max_attempts else ""


def _error(job: Job) -> str:
    return job.error.message if job.error else "no reason was given."


def _in(job: Job) -> str:
    if job.started_at and job.finished_at:
        return f", in {duration((job.finished_at - job.started_at).total_seconds())}"
    return ""


def _ago(then: datetime | None, now: datetime) -> str:
    return f"{duration((now - then).total_seconds())} ago" if then else "some time ago"
