"""The command line: where things are started and wired."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import typer

from agent_tools import logs, opus_cli, schedules_cli, terminal
from agent_tools.answers import Said
from agent_tools.app import Backburner, Ended
from agent_tools.auth import Keys
from agent_tools.embedded import Home, Runtime
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import BackburnerError, BadRequest, Misconfigured
from agent_tools.jobs.eta import Eta
from agent_tools.jobs.job import FINAL, Batch, Job, JobStatus
from agent_tools.jobs.kinds import load_kinds
from agent_tools.jobs.notices import WANTS, Notices
from agent_tools.pairs import arguments, pair, uploaded
from agent_tools.people import AGENT_SCOPES
from agent_tools.requests import job_filter, moment
from agent_tools.settings import Settings
from agent_tools.view import Addresses, progress
from sql.door import Filter, KindStats
from sql.hands import HandsStore

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Where a chat agent puts slow work: durable jobs, and what came out of them.",
)  # fmt: skip
jobs = typer.Typer(no_args_is_help=True, help="List, show, answer, cancel, redo and delete jobs.")
token = typer.Typer(no_args_is_help=True, help="Tokens with which agents and programs prove who they are.")
app.add_typer(jobs, name="jobs")
app.add_typer(token, name="token")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobIds = Annotated[list[str], typer.Argument(help="Job ids, as 'jobs list' shows them.")]
JobId = Annotated[str, typer.Argument(help="A job id, as 'jobs list' shows it.")]


class Waiting(StrEnum):
    """What a waiting job waits for."""

    PERSON = "person"
    OUTSIDE = "outside"
    JOBS = "jobs"


class Want(StrEnum):
    """What a person can be told of."""

    NEEDS_ME = "needs_me"
    DONE = "done"
    FAILED = "failed"


@app.command()
def up(
    workers: Annotated[int, typer.Option(min=0, max=64, help="Worker processes to keep alive.")] = 1,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where to serve; default BACKBURNER_PORT or 8808.")
    ] = None,
    lan: Annotated[bool, typer.Option("--lan", help="Serve the local network too, and show the phone's link.")] = False,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask nobody who they are; on this machine alone.")] = False,
) -> None:
    """Run everything on this machine, until Ctrl-C: Postgres, Valkey (unless DATABASE_URL and REDIS_URL name others), pages, workers."""
    from agent_tools.serve import Binding  # noqa: PLC0415  # slow to load, and only needed here
    from agent_tools.up import up as run_up  # noqa: PLC0415

    settings = _settings_with_log()
    was_chosen = port is not None or "port" in settings.model_fields_set
    binding = Binding(port or settings.port, any_port=not was_chosen, lan=lan, no_auth=no_auth)

    def ready(runtime: Runtime, link: str) -> None:
        terminal.say(
            f"Ready: {workers} worker{'' if workers == 1 else 's'}, home {settings.home}, process {runtime.pid}. Ctrl-C stops it."
        )
        if sys.stderr.isatty():
            terminal.print_link(link, with_code=lan)

    asyncio.run(run_up(settings, workers, binding, ready))


@app.command()
def link(
    person: Annotated[str, typer.Argument(help="Who is to be signed in.")] = "owner",
    new: Annotated[bool, typer.Option("--new", help="Let somebody in who was not here before.")] = False,
    admin: Annotated[
        bool,
        typer.Option("--admin", help="This browser may operate, too: it sees /ops, and answers what is put to others."),
    ] = False,
) -> None:
    """Make a link that signs a browser in, once, within 15 minutes; with a QR code for the phone.

    Everybody who uses the pages has a name of their own, so that answers say whose they are: backburner link Marta --new
    """

    async def make() -> str:
        settings = Settings.read()
        base = settings.address()
        if not base:
            raise Misconfigured("No 'backburner up' serves pages here. Start it, or set BACKBURNER_PUBLIC_URL.")
        async with Backburner.open(settings) as backburner:
            try:
                return f"{base}/sign-in?key={await backburner.people.sign_in_link(person, new=new, admin=admin)}"
            except BadRequest as error:
                hint = "" if new else f" To let somebody in: backburner link '{person}' --new"
                raise BadRequest(f"{error}{hint}") from error

    terminal.print_link(_run(make()), with_code=True)


@app.command()
def notices(
    person: Annotated[str, typer.Argument(help="Who is to be told.")] = "owner",
    to: Annotated[
        str | None,
        typer.Option(
            help="Their one address, as apprise writes it: ntfy://my-topic, mailtos://…; '-' reads it from stdin."
        ),
    ] = None,
    want: Annotated[list[Want] | None, typer.Option(help="Only of this; repeat for more. Default: all three.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Forget the address.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Send a test now.")] = False,
) -> None:
    """Say where a person is told that something needs them, is done or has failed; without an option: show it."""

    async def change() -> Notices | None:
        async with Backburner.open(name=person) as backburner:
            if off:
                await backburner.notices.stop()
            if to is not None or want:
                address = sys.stdin.readline() if to == "-" else to
                kept = await backburner.notices.get()
                await backburner.notices.set(address, want or (kept.wants if kept else WANTS))
            if test:
                await backburner.notices.test()
                terminal.say("The test was taken.")
            return await backburner.notices.get()

    terminal.print_notices(_run(change()))


@app.command()
def mcp() -> None:
    """Serve one chat client on stdin and stdout; starts Backburner in the background where none runs."""
    from agent_tools.server.mcp import serve_stdio  # noqa: PLC0415
    from agent_tools.server.tools import Allowed  # noqa: PLC0415
    from agent_tools.tail import Tail  # noqa: PLC0415
    from agent_tools.up import ensure_up  # noqa: PLC0415

    settings = ensure_up(Settings.read(), terminal.say)

    async def serve() -> None:
        async with Backburner.open(settings) as backburner, Tail.attached(settings) as tail:
            agent = await _as_local_agent(backburner, settings)
            await serve_stdio(agent, Addresses(settings.address()), Allowed.by(settings), tail=tail)

    asyncio.run(serve())


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit when it is done, instead of staying up.")] = False,
) -> None:
    """Show the main job: an agent's call over MCP, a worker killed on the way, a real deck, filed and read."""
    from agent_tools.demo import demonstrate  # noqa: PLC0415
    from agent_tools.up import ensure_up, running  # noqa: PLC0415
    from agent_tools.up import stop as stop_up  # noqa: PLC0415

    settings = Settings.read()
    was_running = running(settings) is not None
    attached = ensure_up(settings, terminal.say, workers=2)
    runtime = running(settings)
    if runtime is None or runtime.http_url is None:
        raise Misconfigured(
            "The demo needs an 'up' of this home that serves pages. Unset DATABASE_URL and REDIS_URL, or start one."
        )
    try:
        _run(demonstrate(attached, runtime.http_url))
        if not once:
            terminal.say("It stays up until Ctrl-C." if not was_running else "It was running before, and goes on.")
            if not was_running:
                signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        if not was_running:
            stop_up(settings)


@app.command()
def stop() -> None:
    """End the 'up' of this home; running jobs are given back and begin again at the next start."""
    from agent_tools.up import stop as stop_up  # noqa: PLC0415

    pid = stop_up(Settings.read())
    terminal.say(f"Stopped process {pid}." if pid else "Nothing was running.")


@app.command()
def worker(workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes to keep alive.")] = 1) -> None:
    """Keep workers alive beside an 'up' or real servers, until SIGTERM; they give back what they run."""
    from worker.supervise import supervise  # noqa: PLC0415

    asyncio.run(supervise(_settings_with_log(), workers))


@app.command()
def migrate() -> None:
    """Bring the database of DATABASE_URL (or of the running 'up') to this version's schema."""
    from sql.migrate import migrate as run_migrations  # noqa: PLC0415

    settings = Settings.read()
    done = run_migrations(settings.database_url or settings.attached().database_url)
    terminal.say(f"Applied {', '.join(done)}." if done else "The database was up to date.")


@app.command()
def run(
    kind: Annotated[str, typer.Argument(help="The kind of job; 'backburner kinds' lists them.")],
    args: Annotated[
        list[str] | None,
        typer.Argument(help="Its arguments as name=value; name=@file reads a file, or uploads it where one is taken."),
    ] = None,
    watch: Annotated[bool, typer.Option(help="Show progress until the job ends; exit 1 unless it completes.")] = False,
    subject: Annotated[str | None, typer.Option(help="File the result under this subject.")] = None,
    title: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="name=value; repeat for more.")] = None,
    again: Annotated[bool, typer.Option(help="Make another one, even if the same was just made.")] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key is the same job.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a job; starts Backburner in the background where none runs."""
    from agent_tools.up import ensure_up  # noqa: PLC0415

    settings = Settings.read()
    given = arguments(args or [], load_kinds(settings.kinds).find(kind).takes_files)
    settings = ensure_up(settings, terminal.say)

    async def create() -> Job:
        async with Backburner.open(settings) as backburner:
            receipt = await backburner.create(
                kind,
                {name: await uploaded(backburner, name, value) for name, value in given.items()},
                subject=subject,
                title=title,
                labels=dict(map(pair, label or [])),
                again=again,
                idempotency_key=key,
            )
            if not receipt.created:
                terminal.say(f"The same job was asked for before: {receipt.id}. Use --again for another one.")
            if not watch:
                return await backburner.get(receipt.id)
            job = await terminal.watch(backburner, receipt.id)
            if job.status == JobStatus.COMPLETED and not as_json:
                terminal.print_made(backburner, job)
            elif job.status != JobStatus.COMPLETED:
                terminal.complain(await backburner.why(job.id))
            return job

    job = _run(create())
    if as_json:
        terminal.print_json(_as_json(job))
    elif not watch:
        print(job.id)  # noqa: T201  # for scripts
    if watch and job.status != JobStatus.COMPLETED:
        raise typer.Exit(1)


@app.command()
def why(job: JobId) -> None:
    """Say in a sentence why a job is where it is."""

    async def ask() -> str:
        async with Backburner.open() as backburner:
            return await backburner.why(job)

    terminal.out.print(_run(ask()), soft_wrap=True, markup=False)


@app.command()
def kinds(as_json: AsJson = False) -> None:
    """List the kinds of jobs, what each takes, and why one cannot run here."""
    installed = load_kinds(Settings.read().kinds)
    missing = {name: lack for name, kind in installed.items() if (lack := kind.missing(os.environ))}
    if not as_json:
        terminal.print_kinds(installed, missing)
        return
    terminal.print_json([
        {"name": kind.name, "description": kind.description, "usually": kind.usually, "queue": kind.queue,
         "timeout_s": kind.timeout_s, "unavailable": missing.get(kind.name), "schema": kind.schema}
        for kind in installed.values()
    ])  # fmt: skip


@app.command()
def doctor() -> None:
    """Look at this installation and say what is missing and how to get it; exit 1 when something is broken."""
    from agent_tools.doctor import findings  # noqa: PLC0415

    found = _run(findings(Settings.read()))
    for finding in found:
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[bright_black]·[/]"}[finding.is_well]
        terminal.out.print(f"{mark} [bold]{finding.what}[/]  ", end="", soft_wrap=True)
        terminal.out.print(finding.said, markup=False, soft_wrap=True)
    if any(finding.is_well is False for finding in found):
        raise typer.Exit(1)


@app.command()
def config(as_json: AsJson = False) -> None:
    """Print the settings in force, with passwords masked, and what each is for."""
    shown = Settings.read().shown()
    if as_json:
        terminal.print_json({name: value for name, (value, _) in shown.items()})
        return
    for name, (value, about) in shown.items():
        terminal.out.print(f"{name}={value}", end="  ", markup=False, soft_wrap=True)
        terminal.out.print(about, style="bright_black", markup=False, soft_wrap=True)


@jobs.command("list")
def list_jobs(
    status: Annotated[list[JobStatus] | None, typer.Option(help="Only with this status; repeat for more.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; repeat for more.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only under this subject; 'unorganised' for none.")] = None,
    waiting: Annotated[Waiting | None, typer.Option(help="Only those that wait for this.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only this batch, and how far it is.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    wanted = job_filter(status=status, kind=kind, subject=subject, waiting_for=waiting, batch_id=batch)

    async def read() -> tuple[Sequence[Job], Batch | None, datetime, Mapping[str, Eta]]:
        async with Backburner.open() as backburner:
            progress = await backburner.batch(batch) if batch else None
            found = (await backburner.jobs(wanted, limit=limit)).jobs
            return found, progress, await backburner.now(), await backburner.etas(found)

    found, progress, now, etas = _run(read())
    if as_json:
        terminal.print_json([_as_json(job, etas.get(job.id)) for job in found])
        return
    if progress:
        terminal.print_batch(progress)
    terminal.print_jobs(found, now, etas)


@jobs.command("show")
def show_job(job: JobId, as_json: AsJson = False) -> None:
    """Show one job in full: why it is where it is, what it made, what happened to it."""

    async def read() -> None:
        async with Backburner.open() as backburner:
            found = await backburner.get(job)
            paths = {artifact.name: backburner.artifact_file(found, artifact).address for artifact in found.artifacts}
            asks = (await backburner.open_asks([found])).get(found.id, ())
            why, eta = (await backburner.standings([found]))[found.id]
            if as_json:
                shown = {"why": why, "paths": paths, "asks": [asdict(ask) for ask in asks]}
                terminal.print_json({**_as_json(found, eta), **shown})
            else:
                terminal.print_job(found, why, await backburner.events(job), paths, asks)

    _run(read())


@jobs.command("stats")
def show_stats(
    days: Annotated[int, typer.Option(min=1, max=366, help="Jobs created within so many days.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Say how the jobs of each kind went: how many, how many well, how long they took, what models cost."""

    async def read() -> Sequence[KindStats]:
        async with Backburner.open() as backburner:
            return await backburner.stats(days)

    found = _run(read())
    if as_json:
        terminal.print_json([{**each._asdict(), "success_rate": each.success_rate} for each in found])
    else:
        terminal.print_stats(found, days)


@jobs.command("asks")
def list_asks(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50, as_json: AsJson = False
) -> None:
    """List what jobs ask people, the oldest first."""

    async def read() -> tuple[Sequence[Ask], datetime]:
        async with Backburner.open() as backburner:
            return (await backburner.asks.page(limit=limit)).asks, await backburner.now()

    found, now = _run(read())
    if as_json:
        terminal.print_json([asdict(ask) for ask in found])
    else:
        terminal.print_asks(found, now)


@jobs.command("answer")
def answer_ask(
    ask: Annotated[
        str, typer.Argument(metavar="ID", help="A job's id or, where it asks several, a question's number.")
    ],
    decision: Annotated[str | None, typer.Argument(help="One of the choices; none where there is only a form.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="ID is a batch's: answer alike what all of it ask.")] = False,
    edited: Annotated[
        str | None, typer.Option(help="The text that is shown as you changed it, where it may be; @file reads a file.")
    ] = None,
    notes: Annotated[str | None, typer.Option(help="A reason, or what should be different.")] = None,
    value: Annotated[
        list[str] | None, typer.Option(help="A field of the form, as name=value; repeat for more.")
    ] = None,
) -> None:
    """Answer what a job asks, as the owner of this installation, also what is put to others. The first answer counts."""
    text = arguments([f"edited={edited}"])["edited"] if edited and edited.startswith("@") else edited

    async def give() -> Sequence[Ask | BackburnerError]:
        async with Backburner.open(name="owner") as opened:
            # Whoever sits at this terminal has the database: nobody is kept from helping where a person has left.
            backburner = opened.acting_as(opened.who._replace(scopes=("admin",)))
            given = arguments(value or [])
            if batch:
                return [*(await backburner.asks.answer_batch(ask, Said(decision, given or None, notes, text))).values()]
            meant = await backburner.asks.get(ask)
            values = _typed(given, meant.form) if value or meant.form else None
            return [await backburner.asks.answer(meant.id, decision, values=values, notes=notes, edited=text)]

    became = _run(give())
    for each in became:
        if isinstance(each, Ask):
            terminal.say(f"Answered {each.job}: {decision or 'with the form'}. It goes on.")
        else:
            terminal.complain(str(each))
    if not all(isinstance(each, Ask) for each in became):
        raise typer.Exit(1)


@jobs.command("cancel")
def cancel_jobs(
    ids: Annotated[list[str] | None, typer.Argument(help="Job ids, as 'jobs list' shows them.")] = None,
    batch: Annotated[str | None, typer.Option(help="All of this batch that have not ended.")] = None,
    reason: Annotated[str | None, typer.Option(help="Kept in the events.")] = None,
) -> None:
    """Stop jobs that have not ended."""
    if bool(ids) == bool(batch):
        raise BadRequest("Say which jobs: either their ids or --batch.")

    async def cancel() -> Ended:
        async with Backburner.open() as backburner:
            return await (backburner.cancel_batch(batch, reason) if batch else backburner.cancel(ids or [], reason))

    _report(_run(cancel()), "Cancelled")


@jobs.command("delete")
def delete_jobs(
    ids: Annotated[list[str] | None, typer.Argument(help="Job ids, as 'jobs list' shows them.")] = None,
    status: Annotated[list[JobStatus] | None, typer.Option(help="All with this status; repeat for more.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="All of this kind; repeat for more.")] = None,
    subject: Annotated[str | None, typer.Option(help="All under this subject; 'unorganised' for none.")] = None,
    batch: Annotated[str | None, typer.Option(help="All of this batch.")] = None,
    before: Annotated[str | None, typer.Option(help="All created before this moment, or longer ago: 30d.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Delete jobs that have ended, with their artifacts: those named or, with options, all that fit every one of them."""
    options: dict[str, Any] = {
        "status": status,
        "kind": kind,
        "subject": subject,
        "batch_id": batch,
        "created_before": _moment(before),
    }
    given = {name: value for name, value in options.items() if value}
    if bool(ids) == bool(given):
        raise BadRequest("Say which jobs: either their ids, or options such as --status failed --before 30d.")
    wanted = None if ids else job_filter(**{"status": sorted(FINAL), **given})

    async def count(wanted: Filter) -> int:
        async with Backburner.open() as backburner:
            return await backburner.count(wanted)

    async def delete(expect: int | None) -> Ended:
        async with Backburner.open() as backburner:
            return await backburner.delete(ids or (), where=wanted, expect=expect)

    meant = _run(count(wanted)) if wanted else None
    if meant is not None and not yes and not _agrees(f"Delete {meant} job{'' if meant == 1 else 's'} for good?"):
        terminal.say("Nothing was deleted.")
        raise typer.Exit(1)
    ended = _run(delete(meant))
    _report(ended if ids else replace(ended, done=()), "Deleted")
    if not ids:
        terminal.say(f"Deleted {len(ended.done)} jobs.")


@jobs.command("redo")
def redo_job(
    job: JobId,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            help="path=value, such as theme=midnight, slides/2=@new.md, slides/+2=@one-more.md or slides/2=null"
        ),
    ] = None,
) -> None:
    """Make a new version of a job that has ended, with some arguments changed."""

    async def redo() -> str:
        async with Backburner.open() as backburner:
            return (await backburner.redo(job, arguments(changes or []))).id

    print(_run(redo()))  # noqa: T201  # for scripts


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What it may do; repeat for more. Default: {' '.join(AGENT_SCOPES)}")
    ] = None,
    lasts: Annotated[str | None, typer.Option(help="For how long, such as '90 days'; default: until revoked.")] = None,
    of: Annotated[str, typer.Option(help="Whose it is; 'owner' for a program that answers for you.")] = "agent",
) -> None:
    """Make a token, of the local agent unless --of says whose; it is shown only now."""

    async def create() -> str:
        async with Backburner.open(name=of) as backburner:
            return await backburner.people.add_token(name, scope or AGENT_SCOPES, lasts)

    print(_run(create()))  # noqa: T201  # for scripts


@token.command("list")
def list_tokens() -> None:
    """List tokens, never their secrets."""

    async def read() -> list[dict[str, Any]]:
        async with Backburner.open() as backburner:
            return [dict(each) for each in await backburner.people.tokens()]

    for each in _run(read()):
        state = (
            f"revoked {each['revoked_at']:%Y-%m-%d}"
            if each["revoked_at"]
            else f"until {each['expires_at']:%Y-%m-%d}"
            if each["expires_at"]
            else "good"
        )
        terminal.out.print(
            f"{each['id']}  {each['name']}  ({each['principal']}; {' '.join(each['scopes'])})  {state}",
            markup=False,
            soft_wrap=True,
        )


@token.command("revoke")
def revoke_token(number: Annotated[int, typer.Argument(help="Its number, as 'token list' shows it.")]) -> None:
    """End a token at once."""

    async def revoke() -> None:
        async with Backburner.open() as backburner:
            await backburner.people.revoke_token(number)

    _run(revoke())
    terminal.say(f"Token {number} is good no longer.")


opus_cli.add_commands(app)
schedules_cli.add_commands(app)


def main() -> NoReturn:
    """The console script. Exit 1: it did not work out, and the last line says why; 2: the command itself was not right."""
    try:
        app()
    except BadRequest as error:
        terminal.complain(str(error))
        raise SystemExit(2) from None
    except BackburnerError as error:
        terminal.complain(str(error))
        raise SystemExit(1) from None
    raise SystemExit(0)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(coroutine)
    except KeyboardInterrupt:
        terminal.say("Stopped watching; the job goes on.")
        raise SystemExit(130) from None


async def _as_local_agent(backburner: Backburner, settings: Settings) -> Backburner:
    """As the holder of the local token; where there is none yet, as the agent that migrations made."""
    token_file = Home(settings.home).token
    secret = token_file.read_text().strip() if token_file.exists() else ""
    async with HandsStore.open(settings.database_url, size=1) as hands:
        who = await Keys(hands).principal_of_token(secret) if secret else None
    return backburner.acting_as(who or backburner.who._replace(scopes=AGENT_SCOPES))


def _settings_with_log() -> Settings:
    settings = Settings.read()
    logs.begin(settings.log_level)
    return settings


def _typed(values: dict[str, Any], form: Mapping[str, Any] | None) -> dict[str, Any]:
    """The same, where the form wants numbers and yes or no: what cannot be read so stays text, and is refused later."""
    fields = (form or {}).get("properties", {})
    typed = dict(values)
    for name, value in values.items():
        if isinstance(value, str) and fields.get(name, {}).get("type") in ("number", "integer", "boolean"):
            with suppress(ValueError):
                typed[name] = json.loads(value.lower())
    return typed


def _moment(text: str | None) -> datetime | None:
    try:
        return moment(text) if text else None
    except ValueError as error:
        raise BadRequest(f"--before {error}") from error


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        raise BadRequest(f"{question} There is nobody to ask here: send --yes.")
    return typer.confirm(question, err=True)


def _report(ended: Ended, what: str) -> None:
    for each in ended.done:
        terminal.say(f"{what} {each}.")
    for sentence in ended.not_done.values():
        terminal.complain(sentence)
    if ended.not_done:
        raise typer.Exit(1)


def _as_json(job: Job, eta: Eta | None = None) -> dict[str, Any]:
    said = {**asdict(replace(job.progress, so_far=None)), "percent": job.progress.percent} if job.progress else {}
    fields = {**asdict(replace(job, progress=None)), "progress": {**said, **(progress(job, eta) or {})} or None}
    return {name: value for name, value in fields.items() if value is not None}


if __name__ == "__main__":
    main()
