"""The commands for what is created by the clock: schedules list, show, add, change, pause, resume, run, delete."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from agent_tools import terminal
from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.kinds import load_kinds
from agent_tools.jobs.schedules import Schedule
from agent_tools.pairs import arguments, pair, uploaded
from agent_tools.requests import NewJob
from agent_tools.schedules import Schedules
from agent_tools.settings import Settings
from agent_tools.view import schedule as shown

Name = Annotated[str, typer.Argument(help="Its name, as 'schedules list' shows it.")]
Cron = Annotated[str, typer.Argument(help="When: '0 6 * * MON-FRI', or @hourly, @daily, @weekly, @monthly.")]
Args = Annotated[list[str] | None, typer.Argument(help="The job's arguments as name=value; name=@file reads a file.")]
Zone = Annotated[str | None, typer.Option(help="Whose clock is meant, such as Europe/Berlin; default UTC.")]
Subject = Annotated[str | None, typer.Option(help="File its results under this subject.")]
Title = Annotated[str | None, typer.Option(help="What to call its jobs; {date} is the day.")]
Label = Annotated[list[str] | None, typer.Option(help="name=value; repeat for more.")]
Webhook = Annotated[str | None, typer.Option(help="An https address that is told of each end.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

schedules = typer.Typer(no_args_is_help=True, help="Jobs that are created by the clock, again and again.")


class Priority(StrEnum):
    """What goes first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Overlap(StrEnum):
    """What comes of a time at which the job before has not ended."""

    SKIP = "skip"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """What is created afterwards of times at which no worker was there."""

    LATEST = "latest"
    NONE = "none"


PriorityOf = Annotated[Priority | None, typer.Option(help="Default: normal.")]
OverlapOf = Annotated[
    Overlap | None,
    typer.Option(help="While the job before has not ended: skip the time (default), or allow another job."),
]
CatchUpOf = Annotated[
    CatchUp | None, typer.Option(help="Of times that passed without a worker: the latest (default), or none.")
]


def add_commands(app: typer.Typer) -> None:
    """Offer them beside the others."""
    app.add_typer(schedules, name="schedules")


@schedules.command("list")
def list_schedules(as_json: AsJson = False) -> None:
    """List what is created by the clock, when it comes next, and how it went last."""

    async def read() -> tuple[Sequence[Schedule], datetime]:
        async with Backburner.open() as backburner:
            return await backburner.schedules.all(), await backburner.now()

    found, now = _run(read())
    if as_json:
        terminal.print_json([shown(each, now) for each in found])
    else:
        terminal.print_schedules(found, now)


@schedules.command("show")
def show_schedule(name: Name, as_json: AsJson = False) -> None:
    """Show one: its job, its next three times, and how it fares."""

    async def read() -> tuple[Schedule, datetime]:
        async with Backburner.open() as backburner:
            return await backburner.schedules.get(name), await backburner.now()

    _show(_run(read()), as_json)


@schedules.command("add")
def add_schedule(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    cron: Cron,
    kind: Annotated[str, typer.Argument(help="The kind of job; 'backburner kinds' lists them.")],
    args: Args = None,
    zone: Zone = None,
    subject: Subject = None,
    title: Title = None,
    label: Label = None,
    priority: PriorityOf = None,
    webhook_url: Webhook = None,
    overlap: OverlapOf = None,
    catch_up: CatchUpOf = None,
    as_json: AsJson = False,
) -> None:
    """Have a job created again and again: backburner schedules add nightly '0 2 * * *' page content=@news.md --zone Europe/Berlin"""
    from agent_tools.up import ensure_up  # noqa: PLC0415  # slow to load, and only needed here

    settings = Settings.read()
    given = arguments(args or [], load_kinds(settings.kinds).find(kind).takes_files)
    settings = ensure_up(settings, terminal.say)
    of_job = _given(subject=subject, title=title, labels=_labels(label), priority=priority, webhook_url=webhook_url)
    of_schedule = _given(timezone=zone, overlap=overlap, catch_up=catch_up)

    async def add() -> tuple[Schedule, datetime]:
        async with Backburner.open(settings) as backburner:
            values = {field: await uploaded(backburner, field, value) for field, value in given.items()}
            made = await backburner.schedules.add(name, cron, NewJob(kind, values, **of_job), **of_schedule)
            return made, await backburner.now()

    _show(_run(add()), as_json)


@schedules.command("change")
def change_schedule(
    name: Name,
    args: Args = None,
    rename: Annotated[str | None, typer.Option(help="Another name.")] = None,
    cron: Annotated[str | None, typer.Option(help="Other times.")] = None,
    zone: Zone = None,
    kind: Annotated[str | None, typer.Option(help="Another kind of job.")] = None,
    subject: Subject = None,
    title: Title = None,
    label: Label = None,
    priority: PriorityOf = None,
    webhook_url: Webhook = None,
    overlap: OverlapOf = None,
    catch_up: CatchUpOf = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named; arguments that are given replace those of the same name, and name=null takes one away."""
    changes = _given(
        name=rename, cron=cron, timezone=zone, kind=kind, subject=subject, title=title, labels=_labels(label),
        priority=priority, webhook_url=webhook_url, overlap=overlap, catch_up=catch_up,
    )  # fmt: skip

    async def change() -> tuple[Schedule, datetime]:
        async with Backburner.open() as backburner:
            old = await backburner.schedules.get(name)
            takes = backburner.kinds.find(kind or old.kind).takes_files
            given = {
                field: await uploaded(backburner, field, value) for field, value in arguments(args or [], takes).items()
            }
            if given:
                merged = {**old.job["args"], **given}
                changes["args"] = {field: value for field, value in merged.items() if value is not None}
            if not changes:
                raise BadRequest("Nothing was changed: say what, such as --cron '0 3 * * *' or an argument.")
            return await backburner.schedules.change(name, **changes), await backburner.now()

    _show(_run(change()), as_json)


@schedules.command("pause")
def pause_schedule(name: Name) -> None:
    """Create nothing more until it is resumed."""
    terminal.say(f"'{_run(_on(lambda schedules: schedules.pause(name))).name}' is paused.")


@schedules.command("resume")
def resume_schedule(name: Name) -> None:
    """Go on with the next time from now."""
    found = _run(_on(lambda schedules: schedules.resume(name)))
    terminal.say(f"'{found.name}' comes next at {terminal.at(found, found.next_at)}.")


@schedules.command("run")
def run_schedule(name: Name) -> None:
    """Create its job now; the next time stays as it is."""
    print(_run(_on(lambda schedules: schedules.run(name))))  # noqa: T201  # for scripts


@schedules.command("delete")
def delete_schedule(name: Name) -> None:
    """Create nothing more, and forget it. Its jobs stay."""
    _run(_on(lambda schedules: schedules.delete(name)))
    terminal.say(f"'{name}' is deleted. Its jobs stay.")


# ---------------------------------------------------------------------------------------------------------------- in detail


def _show(found: tuple[Schedule, datetime], as_json: bool) -> None:
    if as_json:
        terminal.print_json(shown(*found))
    else:
        terminal.print_schedule(*found)


def _given(**options: Any) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    return {name: str(value) if isinstance(value, StrEnum) else value for name, value in given.items()}


def _labels(given: Sequence[str] | None) -> Mapping[str, str] | None:
    return dict(map(pair, given)) if given else None


async def _on(verb: Callable[[Schedules], Awaitable[Any]]) -> Any:
    async with Backburner.open() as backburner:
        return await verb(backburner.schedules)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)
