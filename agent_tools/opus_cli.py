"""The commands that turn what others publish into jobs: scrape, process, check-jobs."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.markup import escape

from agent_tools import terminal
from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest, Misconfigured
from agent_tools.jobs.job import Job, JobStatus
from agent_tools.requests import NewJob, job_filter
from agent_tools.settings import Settings

KINDS = ("opus_run", "approval")
_SAID = {"approve": "approved", "rejected": "rejected"}


class To(StrEnum):
    """Where pages are handed on to."""

    OPUS = "opus"
    APPROVAL = "approval"


def add_commands(app: typer.Typer) -> None:
    """Offer them beside the others."""
    app.command()(scrape)
    app.command()(process)
    app.command("check-jobs")(check_jobs)


def scrape(
    feed: Annotated[
        list[str] | None, typer.Option(help="A feed to read, now and from now on; repeat for more.")
    ] = None,
    page: Annotated[list[str] | None, typer.Option(help="A page to keep; repeat for more.")] = None,
    forget: Annotated[list[str] | None, typer.Option(help="A feed to read no more; repeat for more.")] = None,
    max_items: Annotated[int, typer.Option(min=1, max=1000, help="At most so many pages of feeds.")] = 50,
) -> None:
    """Read feeds and pages, and keep each new article until 'process' hands it on. Without --feed and --page: all known feeds."""
    from agent_tools.scrape.address import canonical  # noqa: PLC0415 - slow to load, and only needed here
    from agent_tools.scrape.reading import refuse_without_libraries  # noqa: PLC0415
    from agent_tools.scrape.scraping import Scraped, Scraper  # noqa: PLC0415
    from sql.pages import Feed, PageStore  # noqa: PLC0415

    refuse_without_libraries()
    for url in [*(feed or []), *(page or [])]:
        try:
            canonical(url)
        except ValueError as error:
            raise BadRequest(str(error)) from None

    async def read() -> Scraped:
        settings = _settings()
        async with (
            Backburner.open(settings) as backburner,
            PageStore.open(settings.database_url, backburner.who.tenant) as store,
        ):
            for url in forget or []:
                terminal.say(f"{url} is read no more." if await store.forget_feed(url) else f"{url} was not read.")
            known = {each.address: each for each in await store.feeds()}
            meant = [known.get(url) or Feed(url, "", "") for url in feed or []]
            if not (feed or page or forget):
                meant = list(known.values())
                if not meant:
                    raise BadRequest("No feed is known yet. Name one: backburner scrape --feed https://…")
            scraper = Scraper(store, max_items)
            for each in meant:
                terminal.say(f"Reading {each.address} …")
                await scraper.feed(each)
            await scraper.pages(page or [])
            return scraper.found

    found = asyncio.run(read())
    for title in found.new:
        terminal.out.print(f"[green]+[/] {escape(title)}", soft_wrap=True)
    for sentence in found.unread:
        terminal.complain(sentence)
    beyond = f", {found.left} left for the next round" if found.left else ""
    terminal.say(
        f"{_count(len(found.new), 'new page')}, {found.known} known{beyond}. Hand them on: backburner process --max-items 15"
    )
    if found.unread and not found.new and not found.known:
        raise typer.Exit(1)


def process(
    max_items: Annotated[int, typer.Option(min=1, max=1000, help="At most so many pages.")] = 15,
    to: Annotated[
        To, typer.Option(help="opus: a workflow there; approval: questions in Backburner's own inbox.")
    ] = To.OPUS,
    workflow: Annotated[str | None, typer.Option(help="The workflow in Opus; default OPUS_WORKFLOW_ID.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", help="NAME=what goes into it, with {title}, {link}, {text}, {author}, {date}; repeat for more."
        ),
    ] = None,
    question: Annotated[
        str, typer.Option(help="What a person is asked of each page, with --to approval.")
    ] = "Publish “{title}”?",
    who: Annotated[str | None, typer.Option(help="Whose answer is wanted, with --to approval.")] = None,
    subject: Annotated[str | None, typer.Option(help="File the jobs under this subject.")] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Stay until all have ended, as long as that takes; exit 1 unless all complete."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which pages would be handed on.")] = False,
) -> None:
    """Hand scraped pages on, each once: a job for every one, in seconds. People may take months to decide about them."""
    from agent_tools.scrape.handing_on import Handed, for_approval, hand_on  # noqa: PLC0415
    from sql.pages import PageStore  # noqa: PLC0415

    async def hand_them_on() -> Sequence[Handed]:
        settings = _settings()
        async with (
            Backburner.open(settings) as backburner,
            PageStore.open(settings.database_url, backburner.who.tenant) as store,
        ):
            if dry_run:
                for page in await store.new(max_items):
                    terminal.out.print(f"{page.title}  {page.address}", markup=False, soft_wrap=True)
                return ()
            if not await store.new(1) and not await store.taken():
                return ()
            as_job = (
                for_approval(question, who, subject)
                if to is To.APPROVAL
                else await _for_opus(settings, workflow, inputs or [], subject)
            )
            handed = await hand_on(backburner, store, max_items, as_job)
            for each in handed:
                terminal.out.print(f"Job {each.job}: submitted  {each.title}", markup=False, soft_wrap=True)
            where = "Opus" if to is To.OPUS else "the inbox"
            terminal.say(
                f"{_count(len(handed), 'page')} submitted to {where}. They wait as long as they must: backburner check-jobs"
            )
            if wait and not await _follow(backburner, [each.job for each in handed]):
                raise typer.Exit(1)
            return handed

    try:
        if not asyncio.run(hand_them_on()) and not dry_run:
            terminal.say("No page waits to be processed. Read some: backburner scrape --feed https://…")
    except KeyboardInterrupt:
        terminal.say("Stopped watching; the jobs go on.")
        raise SystemExit(130) from None


def check_jobs(
    status: Annotated[list[JobStatus] | None, typer.Option(help="Only with this status; repeat for more.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how the runs in Opus and the approvals stand, and since when."""

    async def read() -> tuple[list[Job], datetime]:
        async with Backburner.open() as backburner:
            page = await backburner.jobs(job_filter(status=status, kind=list(KINDS)), limit=limit)
            return list(reversed(page.jobs)), await backburner.now()

    found, now = asyncio.run(read())
    if as_json:
        print(json.dumps([_as_json(job, now) for job in found], indent=2, ensure_ascii=False))  # noqa: T201  # what --json is for
        return
    for job in found:
        terminal.out.print(_line(job, now), markup=False, soft_wrap=True)
    counts = Counter(str(job.status) for job in found)
    terminal.say(
        ", ".join(f"{count} {name}" for name, count in counts.items())
        or "No page was processed yet: backburner process --max-items 15"
    )


# ---------------------------------------------------------------------------------------------------------------- in detail


def _settings() -> Settings:
    from agent_tools.up import ensure_up  # noqa: PLC0415

    return ensure_up(Settings.read(), terminal.say)


async def _for_opus(
    settings: Settings, workflow_id: str | None, inputs: Sequence[str], subject: str | None
) -> Callable[[Any], NewJob]:
    from agent_tools.opus import Opus, OpusError  # noqa: PLC0415
    from agent_tools.scrape.handing_on import for_opus  # noqa: PLC0415

    meant = workflow_id or settings.opus_workflow_id
    if not meant:
        raise BadRequest("Which workflow? Name it: --workflow ID, or set OPUS_WORKFLOW_ID. Without Opus: --to approval")
    given = dict(_pair(each) for each in inputs)
    try:
        async with Opus(settings) as opus:
            return for_opus(await opus.workflow(meant), given, subject)
    except OpusError as error:
        raise Misconfigured(f"Nothing was processed. {error}") from error


async def _follow(backburner: Backburner, ids: Sequence[str]) -> bool:
    """Say of each job how it ended, when it did; whether all completed."""
    left, seen, ended_well = list(ids), dict[str, int](), True
    while left:
        jobs = await backburner.wait(left, 30, until="any", since=seen)
        seen = {job.id: job.version for job in jobs}
        for job in jobs:
            if job.status.is_final:
                left.remove(job.id)
                ended_well = ended_well and job.status == JobStatus.COMPLETED
                terminal.out.print(_line(job, await backburner.now()), markup=False, soft_wrap=True)
    return ended_well


def _line(job: Job, now: datetime) -> str:
    """`Job 0e8z453fk1krg: waiting (2 hours ago)  A title`, and what is known beyond that."""
    said = job.error.message if job.error and job.status == JobStatus.FAILED else job.result_line
    if not said and job.progress and not job.status.is_final:
        said = job.progress.message
    return "  ".join(each for each in (f"Job {job.id}: {job.status} ({_since(job, now)})", job.title, said) if each)


def _since(job: Job, now: datetime) -> str:
    moment = job.finished_at or (job.waiting_since if job.status == JobStatus.WAITING else None) or job.created_at
    decided = _SAID.get(job.decision or "", "")
    return f"{decided} {age((now - moment).total_seconds())}".strip()


def age(seconds: float) -> str:
    """`2 hours ago`."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return f"{_count(int(seconds // size), unit)} ago"
    return "just now"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadRequest(f"--input: '{text[:60]}' is not NAME=what goes into it.")
    return name.strip(), value


def _as_json(job: Job, now: datetime) -> Mapping[str, Any]:
    shown = {
        "job_id": job.id, "kind": job.kind, "title": job.title, "status": str(job.status), "since": _since(job, now),
        "decision": job.decision, "result_line": job.result_line, "error": job.error.message if job.error else None,
        "page": job.labels.get("page"),
    }  # fmt: skip
    return {name: value for name, value in shown.items() if value is not None}
