"""What a scraper reads: how the whole installation stands, in Prometheus's words.

All of it is read from the book when it is asked for, and nothing is counted in this process: it is the same from whichever
server it is read, and goes on where it was after a restart. Only the tail's lag and process_* are this process's own.
"""

import asyncio
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from agent_tools.auth import require
from agent_tools.installation import Installation, Reading
from agent_tools.jobs.counts import Spread, Tally
from agent_tools.jobs.errors import BookUnavailable
from web.site import Site

WITHIN_S = 3.0
"""A scraper gives up after ten seconds, and had better hear that Postgres is away."""
_WHAT = {
    "created": ("backburner_jobs_created", "Jobs that were asked for."),
    "crashed": ("backburner_attempts_crashed", "Attempts whose worker died and that began again."),
    "poison": ("backburner_jobs_poisoned", "Jobs that were given up because three workers died over them."),
    "retrying": ("backburner_attempts_retried", "Attempts that failed and were tried again."),
    "expired": ("backburner_jobs_expired", "Jobs that were deleted because their time was over."),
}
_REASONS = ("person", "outside", "jobs")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@dataclass(frozen=True)
class State:
    """All that is said. `reading` None: Postgres is away."""

    reading: Reading | None
    tail_lag_s: float
    redis_answers: bool


async def metrics(request: Request) -> Response:
    """The whole installation's, for this machine itself where it is open to it, and for tokens with the scope `admin`."""
    site = Site.of(request)
    if not (site.metrics_are_open and is_from_here(request)):
        backburner = await site.for_program(request)
        if backburner is None:
            said = "This needs a token with the scope 'admin': backburner token create prometheus --scope admin"
            return PlainTextResponse(said, 401, {"www-authenticate": 'Bearer realm="backburner"'})
        require(backburner, "admin")
    state = State(*await _read(site.installation), await site.backburner.redis_answers(1))
    registry = CollectorRegistry(auto_describe=False)
    for own in (ProcessCollector, PlatformCollector, GCCollector):
        own(registry=registry)
    registry.register(Families(state))
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    body = await asyncio.to_thread(encode, registry)
    return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})


def is_from_here(request: Request) -> bool:
    """Whether a process of this machine asks for itself, and no proxy for somebody else."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def _read(installation: Installation) -> tuple[Reading | None, float]:
    try:
        async with asyncio.timeout(WITHIN_S):
            return await installation.read(), await installation.tail_lag_s()
    except (BookUnavailable, TimeoutError):
        return None, 0.0


class Families(Collector):
    """The state as families of metrics."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """Every family, also those that have nothing to say."""
        reading = self._state.reading
        yield InfoMetricFamily(
            "backburner_build", "The program that answers.", value={"version": version("backburner")}
        )
        yield _gauge("backburner_postgres_up", "Whether Postgres answered.", reading is not None)
        yield _gauge("backburner_redis_up", "Whether Redis answered.", self._state.redis_answers)
        if reading is not None:
            lag = "How far the live news of the answering process lie behind."
            yield _gauge("backburner_event_tail_lag_seconds", lag, self._state.tail_lag_s)
            yield from _happened(reading)
            yield from _under_way(reading)
            yield from _hands(reading)
            yield from _others(reading)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=float(value))


def _happened(reading: Reading) -> Iterator[Metric]:
    """Counters that go on over restarts, and how long things took."""
    for what, (name, about) in _WHAT.items():
        counter = CounterMetricFamily(name, about, labels=["kind"])
        for kind, tally in reading.ever.items():
            counter.add_metric([kind], tally.times[what])
        yield counter
    ended = CounterMetricFamily("backburner_jobs_ended", "Jobs that ended, by how.", labels=["kind", "outcome"])
    took = HistogramMetricFamily(
        "backburner_job_duration_seconds",
        "From the first start of a job to its end, with what it waited for in between.",
        labels=["kind", "outcome"],
    )
    waited = HistogramMetricFamily(
        "backburner_job_queue_wait_seconds", "How long due jobs waited for a worker.", labels=["kind"]
    )
    for kind, tally in reading.ever.items():
        for outcome, jobs in _ended(tally):
            ended.add_metric([kind, outcome], jobs)
        for outcome in ("completed", "failed"):
            _add(took, [kind, outcome], tally.took[outcome])
        _add(waited, [kind], tally.waited)
    yield from (ended, took, waited)


def _ended(tally: Tally) -> tuple[tuple[str, int], ...]:
    return ("completed", tally.times["completed"]), ("failed", tally.failed), ("cancelled", tally.times["cancelled"])


def _add(histogram: HistogramMetricFamily, labels: list[str], spread: Spread) -> None:
    histogram.add_metric(labels, buckets=spread.up_to(), sum_value=spread.seconds)


def _under_way(reading: Reading) -> Iterator[Metric]:
    """Jobs that have not ended."""
    place = ["kind", "queue"]
    queued = GaugeMetricFamily("backburner_jobs_queued", "Due jobs that wait for a worker.", labels=place)
    oldest = GaugeMetricFamily(
        "backburner_jobs_queued_oldest_age_seconds", "For how long the first of them has been due.", labels=place
    )
    scheduled = GaugeMetricFamily("backburner_jobs_scheduled", "Jobs that are due later.", labels=place)
    running = GaugeMetricFamily("backburner_jobs_running", "Jobs that a worker holds.", labels=place)
    waiting = GaugeMetricFamily("backburner_jobs_waiting", "Parked jobs, by what for.", labels=["kind", "reason"])
    by_reason: dict[tuple[str, str], int] = {}
    for each in reading.unfinished:
        if each.state in _REASONS:
            by_reason[each.kind, each.state] = by_reason.get((each.kind, each.state), 0) + each.jobs
            continue
        family = {"queued": queued, "scheduled": scheduled, "running": running}[each.state]
        family.add_metric([each.kind, each.queue], each.jobs)
        if each.state == "queued":
            oldest.add_metric([each.kind, each.queue], max((reading.now - each.since).total_seconds(), 0))
    for labels, jobs in by_reason.items():
        waiting.add_metric(labels, jobs)
    yield from (queued, oldest, scheduled, running, waiting)


def _hands(reading: Reading) -> Iterator[Metric]:
    """Who works."""
    alive = [worker for worker in reading.workers if worker.is_alive]
    yield _gauge("backburner_workers_alive", "Workers that were heard of within 20 s.", len(alive))
    yield _gauge("backburner_worker_slots", "Jobs that they can run at once.", sum(each.max_jobs for each in alive))
    yield _gauge("backburner_worker_slots_used", "Jobs that they run.", sum(each.running for each in alive))
    by_kind = GaugeMetricFamily("backburner_kind_workers", "How many of them run the kind.", labels=["kind"])
    for kind in sorted({kind for worker in alive for kind in worker.kinds}):
        by_kind.add_metric([kind], sum(kind in worker.kinds for worker in alive))
    yield by_kind


def _others(reading: Reading) -> Iterator[Metric]:
    """What waits for somebody else, and what it takes to keep it all."""
    told, asked = reading.deliveries, reading.questions
    yield _gauge("backburner_webhook_deliveries_pending", "Messages that are to be sent.", told.pending)
    yield _gauge("backburner_webhook_deliveries_failing", "Those of them that were refused before.", told.failing)
    given_up = "Messages of the last week that were refused until they were given up."
    yield _gauge("backburner_webhook_deliveries_given_up", given_up, told.given_up)
    yield _gauge("backburner_questions_open", "Questions that wait for a person; 10,000 stands for more.", asked.open)
    since = (reading.now - asked.oldest).total_seconds() if asked.oldest else 0
    yield _gauge("backburner_questions_oldest_age_seconds", "For how long the first of them has been open.", since)
    yield _gauge("backburner_database_size_bytes", "The size of the whole database.", reading.database_bytes)
