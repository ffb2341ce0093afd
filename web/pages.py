"""The pages that people read: the shelf, lists of jobs, one job."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner, Standing
from agent_tools.jobs.errors import JobNotFound
from agent_tools.jobs.job import Batch, Job
from agent_tools.jobs.places import KeptFile
from sql.door import Filter
from web import job_view, shelf, waiting, words
from web.browse import AGES, STATUSES, Browse
from web.looks import fragment, page
from web.reading import beginnings
from web.signing import signed_in
from web.site import Site

EACH = 8
"""How many cards of a subject the shelf shows."""
ASIDE = 6
"""How many running and failed jobs the shelf shows."""
PAGE = 24
_EXCERPT = 600
_TEXT = 64_000


@signed_in("jobs:read")
async def shelf_page(request: Request, backburner: Backburner) -> Response:
    """The shelf: what came out, by subject; apart from it what is being made, and what failed."""
    live = Site.of(request).tail.place
    now, counted, done, going, failed = await asyncio.gather(
        backburner.now(),
        backburner.counted(),
        backburner.shelf(EACH),
        backburner.jobs(Filter(status=shelf.OPEN), limit=ASIDE),
        backburner.jobs(Filter(status=("failed",), unseen=True), limit=ASIDE),
    )
    cards = await cards_of(backburner, done, now)
    return await page(
        request,
        backburner,
        "shelf.html",
        live=live,
        groups=shelf.groups(cards, counted.subjects, counted.superseded, now),
        running=await cards_of(backburner, going.jobs, now),
        running_count=shelf.total(counted.subjects, *shelf.OPEN),
        failed=await cards_of(backburner, failed.jobs, now),
        going=shelf.going(await backburner.operations.going()),
        has_jobs=bool(counted.subjects),
        browse=Browse(),
    )


@signed_in("jobs:read")
async def subject_page(request: Request, backburner: Backburner) -> Response:
    """One subject; `unorganised` is the tray."""
    name = request.path_params["name"]
    browse = Browse.of(request.query_params, shelf.subject_href(_subject(name)), name, usual_status="completed")
    return await _list(request, backburner, browse, _subject(name) or shelf.UNORGANISED)


@signed_in("jobs:read")
async def jobs_page(request: Request, backburner: Backburner) -> Response:
    """All jobs that fit the address."""
    browse = Browse.of(request.query_params)
    if browse.batch:
        batch = await backburner.batch(browse.batch)
        return await _list(request, backburner, browse, f"{batch.of} asked for together", batch)
    heading = {"open": "Running", "failed": "Failed", "cancelled": "Cancelled"}.get(browse.status, "Everything")
    return await _list(request, backburner, browse, f"Search: {browse.q}" if browse.q else browse.subject or heading)


async def _list(
    request: Request, backburner: Backburner, browse: Browse, heading: str, batch: Batch | None = None
) -> Response:
    live = Site.of(request).tail.place
    now = await backburner.now()
    found = await backburner.jobs(browse.filter(now), limit=PAGE, cursor=browse.cursor or None)
    asks = (await backburner.asks.page(batch_id=batch.id, limit=waiting.MOST)).asks if batch and batch.asks else ()
    return await page(
        request,
        backburner,
        "list.html",
        live=live,
        heading=heading,
        browse=browse,
        batch=batch,
        asks=[f"{each.id}:{each.shown_hash}" for each in asks],
        can_answer=waiting.may_answer(backburner),
        going=shelf.going(await backburner.operations.going()) if heading == shelf.UNORGANISED else None,
        cards=await cards_of(backburner, found.jobs, now),
        older=browse.href(cursor=found.next_cursor) if found.next_cursor else "",
        newest=browse.href() if browse.cursor else "",
        kinds=[
            (name, words.kind_name(name)) for name in sorted({*backburner.kinds, *([browse.kind] * bool(browse.kind))})
        ],
        statuses=_STATUS_CHOICES,
        ages=_AGE_CHOICES,
    )


_STATUS_CHOICES = [(word, {"all": "Any", "open": "In progress"}.get(word, word.capitalize())) for word in STATUSES]
_AGE_CHOICES = [
    ("", "Any time"),
    *((word, f"Last {'day' if age.days == 1 else f'{age.days} days'}") for word, age in AGES.items()),
]


@signed_in("jobs:read")
async def job_page(request: Request, backburner: Backburner) -> Response:
    """Everything about one job. Opening it is seeing it."""
    live = Site.of(request).tail.place
    job = await backburner.get(request.path_params["job_id"])
    now, standings, family_ids, events, known, (asks, asked_before) = await asyncio.gather(
        backburner.now(),
        backburner.standings([job]),
        backburner.versions(job.id),
        backburner.events(job.id),
        backburner.people.all(),
        waiting.of_job(request, backburner, job.id),
    )
    batch = await backburner.batch(job.batch_id) if job.batch_id else None
    family = await kept(backburner, family_ids) if len(family_ids) > 1 else [job]
    texts = await asyncio.to_thread(_texts, backburner, job, _TEXT)
    if "prefetch" not in request.headers.get("sec-purpose", ""):
        await backburner.see([job])
    shown = job_view.shown(job, texts)
    return await page(
        request,
        backburner,
        "job.html",
        live=live,
        job=shelf.card(job, now, *standings[job.id]),
        given_title=job.title,
        batch=batch if batch and batch.of > 1 else None,
        pictures=[each for each in shown if each.sort == "picture"],
        others=[each for each in shown if each.sort not in ("picture", "file")],
        files=shown,
        edit_url=job_view.edit_url(job),
        kept=job_view.kept(job),
        is_deck=job_view.is_deck(job),
        versions=job_view.versions(family, job, now),
        newest=job_view.newer_than(job, family),
        timeline=job_view.timeline(events, now, backburner.who.principal, {each.id: each.name for each in known}),
        schedule=job_view.schedule_of(events),
        questions=asks,
        asked_before=asked_before,
        can_answer=waiting.may_answer(backburner),
        arguments=job_view.pretty(job.args),
        result=job_view.pretty(job.result) if job.result else "",
        labels=sorted(job.labels.items()),
        facts=_facts(job, now),
    )


@signed_in("jobs:read")
async def delete_page(request: Request, backburner: Backburner) -> Response:
    """Asks once more before a job is deleted."""
    job = await backburner.get(request.path_params["job_id"])
    return await page(request, backburner, "delete.html", job=shelf.card(job, await backburner.now()))


@signed_in("jobs:read")
async def card_fragment(request: Request, backburner: Backburner) -> Response:
    """One card, as it is now."""
    job = await backburner.get(request.path_params["job_id"])
    (card,) = await cards_of(backburner, [job], await backburner.now())
    return fragment("parts.html", "card", card)


@signed_in("jobs:read")
async def progress_fragment(request: Request, backburner: Backburner) -> Response:
    """How far one job is."""
    job = await backburner.get(request.path_params["job_id"])
    standing = (await backburner.standings([job]))[job.id]
    return fragment("parts.html", "progress", shelf.card(job, await backburner.now(), *standing))


async def cards_of(backburner: Backburner, jobs: Sequence[Job], now: datetime) -> list[shelf.Card]:
    """The jobs as cards, with what only the book and the files can say of them."""
    unfinished = [job for job in jobs if not job.status.is_final]
    standings, versions, excerpts = await asyncio.gather(
        backburner.standings(unfinished) if unfinished else _nothing(),
        backburner.version_counts(jobs),
        asyncio.to_thread(_excerpts, backburner, jobs),
    )
    return [
        shelf.card(job, now, *standings.get(job.id, ("", None)), versions=versions, excerpt=excerpts.get(job.id, ""))
        for job in jobs
    ]


async def kept(backburner: Backburner, ids: Sequence[str]) -> list[Job]:
    """These jobs in this order; those deleted meanwhile are left out."""
    found = {job.id: job for job in (await backburner.jobs(Filter(ids=ids), limit=len(ids))).jobs}
    return [found[each] for each in ids if each in found]


async def _nothing() -> dict[str, Standing]:
    return {}


def _excerpts(backburner: Backburner, jobs: Sequence[Job]) -> dict[str, str]:
    firsts = [(job, first) for job in jobs if (first := shelf.preview_of(job)) and words.sort_of(first) == "text"]
    found = beginnings([_file(backburner, job, first.name) for job, first in firsts], _EXCERPT)
    return {job.id: text for (job, _), text in zip(firsts, found, strict=True)}


def _texts(backburner: Backburner, job: Job, most: int) -> Mapping[str, tuple[str, bool]]:
    texts = [each for each in job.artifacts if words.sort_of(each) == "text"]
    found = beginnings([backburner.artifact_file(job, each) for each in texts], most)
    return {each.name: (text, each.bytes > most) for each, text in zip(texts, found, strict=True)}


def _file(backburner: Backburner, job: Job, name: str) -> KeptFile:
    return backburner.artifact_file(job, next(each for each in job.artifacts if each.name == name))


def _facts(job: Job, now: datetime) -> list[tuple[str, words.Moment]]:
    moments = [
        ("Asked for", job.created_at),
        ("Begun", job.started_at),
        ("Ended", job.finished_at),
        ("Kept until", job.keep_until),
    ]
    return [(name, words.moment(at, now)) for name, at in moments if at]


def _subject(name: str) -> str | None:
    """The name of a subject in an address; None for the tray."""
    tidy = " ".join(name.split())
    if "\0" in tidy:
        raise JobNotFound("There is no such subject.")
    return None if tidy.lower() in ("", "unorganised", "unorganized") else tidy
