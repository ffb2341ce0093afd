"""What a person sees in a terminal: tables, a job in full, and a job's progress while it runs."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import segno
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask, needs_form
from agent_tools.jobs.eta import Eta
from agent_tools.jobs.job import Batch, Event, Job, JobStatus
from agent_tools.jobs.kinds import Kinds
from agent_tools.jobs.notices import Notices
from agent_tools.jobs.schedules import OF_ITS_JOB, Schedule
from agent_tools.jobs.why import duration, left, percent, short
from agent_tools.postman import masked
from sql.door import KindStats

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

MOST_SHOWN = 2000
WATCH_S = 5
"""A bar goes on at least this often, also where the job says nothing."""
_LOOKS = {
    JobStatus.QUEUED: "cyan",
    JobStatus.RUNNING: "blue",
    JobStatus.WAITING: "yellow",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "bright_black",
}


def print_json(value: Any) -> None:
    """What --json is for."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))  # noqa: T201  # for programs: nothing folded or coloured


def say(sentence: str) -> None:
    """A remark beside the output: to stderr, so that stdout stays what was asked for."""
    err.print(escape(sentence), style="bright_black")


def complain(sentence: str) -> None:
    """An error, as a sentence."""
    err.print(f"[red]Error:[/red] {escape(sentence)}", soft_wrap=True)


def print_link(link: str, *, with_code: bool) -> None:
    """A sign-in link, and as a QR code for the phone."""
    out.print("Sign in, once, within 15 minutes:")
    out.print(link, markup=False, soft_wrap=True)
    if with_code:
        segno.make(link, error="l").terminal(compact=True)


def print_jobs(jobs: Sequence[Job], now: datetime, etas: Mapping[str, Eta]) -> None:
    """A table, newest first."""
    if not jobs:
        say("No jobs. Create one: backburner run page content='# Hello'")
        return
    table = _table("ID*", "Kind", "Status*", "Subject", "Title", "Created*")
    for job in jobs:
        subject = job.subject or "[bright_black]unorganised[/]"
        age = _ago((now - job.created_at).total_seconds())
        title = job.title or job.result_line or ""
        status = _status(job) + (f", {left(etas[job.id])}" if job.id in etas else "")
        table.add_row(job.id, job.kind, status, subject if not job.subject else escape(subject), escape(title), age)
    out.print(table)


def print_stats(kinds: Sequence[KindStats], days: int) -> None:
    """A line for each kind."""
    if not kinds:
        say(f"No jobs within {days} days.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("Kind", min_width=max(len(each.kind) for each in kinds), header_style="bold")
    for column in ("Created", "Done", "Failed", "Well", "Average", "p95", "Waiting", "Tokens", "Cost"):
        table.add_column(column, justify="right", no_wrap=True, header_style="bold")
    for kind in kinds:
        seconds = ("" if each is None else f"{each:.1f} s" for each in (kind.average_s, kind.p95_s))
        table.add_row(
            kind.kind,
            *map(str, (kind.created, kind.completed, kind.failed)),
            "" if kind.success_rate is None else f"{kind.success_rate:.0%}",
            *seconds,
            str(kind.waiting),
            "" if kind.tokens_in is None else f"{kind.tokens_in + (kind.tokens_out or 0):,}",
            "" if kind.cost is None else f"{kind.cost:.2f}",
        )
    out.print(table)


def print_asks(asks: Sequence[Ask], now: datetime) -> None:
    """A table, the oldest first."""
    if not asks:
        say("Nobody is asked anything.")
        return
    table = _table("Ask*", "Job*", "Question", "Choices", "Wants", "Asked*")
    for ask in asks:
        age = _ago((now - ask.asked_at).total_seconds())
        among = ", ".join(ask.choices) or "a form"
        table.add_row(
            str(ask.id), ask.job, escape(short(ask.question)), escape(among), escape(ask.for_person or "anybody"), age
        )
    out.print(table)


def print_schedules(schedules: Sequence[Schedule], now: datetime) -> None:
    """A table, by name."""
    if not schedules:
        say(
            "Nothing is created by the clock. Add something: backburner schedules add nightly '0 2 * * *' page content='# Hello'"
        )
        return
    table = _table("Name", "When", "Kind", "Next", "Last", "")
    for each in schedules:
        last = f"{each.last_status} {each.last_job}" if each.last_job else ""
        said = {"paused": "[yellow]paused[/]", "failing": f"[red]{escape(short(each.last_error or ''))}[/]"}.get(
            each.state, ""
        )
        table.add_row(escape(each.name), escape(each.when.said), escape(each.kind), _next(each, now), last, said)
    out.print(table)


def print_schedule(schedule: Schedule, now: datetime) -> None:
    """One in full: when it comes, what it creates, how it fares."""
    out.print(f"[bold]{escape(schedule.name)}[/]  {escape(schedule.when.said)}", soft_wrap=True)
    facts = [
        ("Cron", schedule.when.cron),
        ("Paused", at(schedule, schedule.paused_at) if schedule.paused_at else None),
        (
            "Next",
            ", ".join(at(schedule, each) for each in schedule.next_times(now)) if not schedule.paused_at else None,
        ),
        (
            "Error",
            f"{schedule.last_error} (since {at(schedule, schedule.error_since)})" if schedule.error_since else None,
        ),
        *((name.capitalize().replace("_", " "), _told(schedule.job.get(name))) for name in OF_ITS_JOB),
        ("Last job", f"{schedule.last_job}, {schedule.last_status}" if schedule.last_job else None),
        ("Skipped", f"{schedule.skipped}, last {at(schedule, schedule.skipped_at)}" if schedule.skipped_at else None),
        (
            "Missed",
            f"{schedule.missed}, last noticed {at(schedule, schedule.missed_at)}" if schedule.missed_at else None,
        ),
        ("Overlap", schedule.overlap),
        ("Catch up", schedule.catch_up),
    ]
    for name, value in facts:
        if value:
            out.print(f"  [bright_black]{name:<12}[/]{escape(value)}", soft_wrap=True)


def at(schedule: Schedule, moment: datetime) -> str:
    """A moment as the clocks show it where the schedule is."""
    return f"{schedule.when.local(moment):%a %Y-%m-%d %H:%M}"


def _next(schedule: Schedule, now: datetime) -> str:
    seconds = (schedule.next_at - now).total_seconds()
    return "" if schedule.paused_at else f"in {duration(seconds)}" if seconds > 0 else "due"


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""


def _table(*columns: str) -> Table:
    """An empty one; what is in a column marked * is never broken."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.rstrip("*"), no_wrap=column.endswith("*"), header_style="bold")
    return table


def print_batch(batch: Batch) -> None:
    """How far it is."""
    out.print(f"[bold]Batch {escape(batch.id)}[/]  {batch.percent} %  {escape(batch.said)}", soft_wrap=True)


def print_job(job: Job, why: str, events: Sequence[Event], paths: Mapping[str, str], asks: Sequence[Ask] = ()) -> None:
    """One job in full: where it is, what it made, what happened to it."""
    out.print(f"[bold]{job.id}[/]  {job.kind}  {_status(job)}  [bold]{escape(job.title)}[/]")
    out.print(escape(why), soft_wrap=True)
    for ask in asks:
        _print_ask(ask)
    if job.result_line:
        out.print(f"Result: {escape(job.result_line)}", soft_wrap=True)
    out.print(f"Subject: {escape(job.subject or 'unorganised')}")
    if job.labels:
        out.print("Labels: " + ", ".join(f"{escape(name)}={escape(value)}" for name, value in job.labels.items()))
    if job.redo_of:
        out.print(f"A new version of {job.redo_of}")
    for artifact in job.artifacts:
        out.print(
            f"  {escape(artifact.title)}  [bright_black]{_size(artifact.bytes)}  {escape(paths[artifact.name])}[/]",
            soft_wrap=True,
        )
    for event in events:
        told = ", ".join(f"{name} {value}" for name, value in event.data.items() if not isinstance(value, dict | list))
        out.print(f"  [bright_black]{event.at:%Y-%m-%d %H:%M:%S}  {event.type}  {escape(told)}[/]", soft_wrap=True)


def _print_ask(ask: Ask) -> None:
    out.print(f"[yellow]Question {ask.id}:[/] {escape(ask.question)}", soft_wrap=True)
    if text := (ask.shown or {}).get("text"):
        out.print(f"[bright_black]{escape(text[:MOST_SHOWN])}[/]", soft_wrap=True)
    fields = (ask.form or {}).get("properties", {})
    values = "".join(f" --value {name}=…" for name in fields)
    for choice in ask.choices or ("",):
        command = " ".join(
            part for part in ("backburner jobs answer", ask.job, shlex.quote(choice) if choice else "") if part
        )
        out.print(f"  {escape(command + (values if needs_form(ask.choices, choice or None) else ''))}", soft_wrap=True)


def print_notices(notices: Notices | None) -> None:
    """Where somebody is told, of what, and how that goes."""
    if notices is None:
        out.print(
            "Told nowhere. Give an address: backburner notices NAME --to ntfy://my-topic", markup=False, soft_wrap=True
        )
        return
    out.print(
        f"Told at {masked(notices.address)} of: {', '.join(notices.wants) or 'nothing'}", markup=False, soft_wrap=True
    )
    if notices.told_at:
        out.print(f"Last taken {notices.told_at:%Y-%m-%d %H:%M} UTC")
    if notices.stopped_at:
        out.print("[red]Stopped after too many refusals.[/] A test that is taken, or another address, begins again.")
    if notices.refused:
        out.print(f"Refused: {escape(notices.refused)}", soft_wrap=True)


def print_made(backburner: Backburner, job: Job) -> None:
    """What a finished job left: its line, and where the files are."""
    out.print(f"[green]✓[/] {escape(job.result_line or job.title or job.kind)}")
    previews = [artifact for artifact in job.artifacts if artifact.media_type == "image/png"]
    for artifact in job.artifacts:
        if artifact not in previews or len(previews) == 1:
            out.print(f"  {escape(backburner.artifact_file(job, artifact).address)}", soft_wrap=True)
    if len(previews) > 1:
        out.print(
            f"  {escape(backburner.artifact_file(job, previews[0]).address.rpartition('/')[0])}/  ({len(previews)} previews)",
            soft_wrap=True,
        )


def print_kinds(kinds: Kinds, missing: Mapping[str, str]) -> None:
    """What there is, what each takes, and why some cannot run here."""
    for kind in kinds.values():
        lack = missing.get(kind.name)
        off = f"  [yellow]{escape(lack)}[/]" if lack else ""
        out.print(f"[bold]{kind.name}[/]  [bright_black]{escape(kind.usually)}[/]{off}")
        out.print(f"  {escape(kind.description.splitlines()[0])}", soft_wrap=True)
        for name, about in kind.schema.get("properties", {}).items():
            needed = " (required)" if name in kind.schema.get("required", ()) else ""
            out.print(f"    {name}[bright_black]{needed}  {escape(about.get('description', ''))}[/]", soft_wrap=True)
    for name, reason in kinds.broken.items():
        out.print(f"[bold]{escape(name)}[/]  [red]{escape(reason)}[/]")


async def watch(backburner: Backburner, job_id: str) -> Job:
    """Show the job's progress until it ends. Ctrl-C only stops watching."""
    bar = Progress(
        SpinnerColumn(finished_text=" "), TextColumn("{task.description}"), BarColumn(bar_width=30), TaskProgressColumn(), TimeElapsedColumn(),
        console=err, transient=sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        job = await backburner.get(job_id)
        task = bar.add_task(_doing(job), total=None)
        while True:
            eta = (await backburner.etas([job])).get(job.id)
            bar.update(task, description=_doing(job, eta), **_how_far(job, eta))
            if job.status.is_final:
                return job
            (job,) = await backburner.wait([job_id], WATCH_S, until="change", since={job_id: job.version})


def _doing(job: Job, eta: Eta | None = None) -> str:
    if job.status == JobStatus.RUNNING and (job.progress or eta):
        message = job.progress.message if job.progress else str(job.status)
        return escape(f"{message}, {left(eta)}" if eta else message)
    return str(job.status) if not job.crashes else f"{job.status} again, its worker died"


def _how_far(job: Job, eta: Eta | None) -> dict[str, Any]:
    if job.status == JobStatus.COMPLETED:
        return {"completed": 100, "total": 100}
    far = percent(job, eta)
    return {} if far is None else {"completed": far, "total": 100}


def _status(job: Job) -> str:
    return f"[{_LOOKS[job.status]}]{job.status}[/]"


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def _size(count: int) -> str:
    for unit, size in (("MB", 1_000_000), ("kB", 1000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
