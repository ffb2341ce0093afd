"""The main job, shown: an agent's call over MCP, a worker killed on the way, a real deck, filed and read."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from agent_tools.app import Backburner
from agent_tools.embedded import Home
from agent_tools.jobs.errors import Misconfigured
from agent_tools.settings import Settings
from agent_tools.terminal import out

SUBJECT = "Backburner"
SLIDES = [
    "# The conversation goes on\nBackburner is where a chat agent puts slow work\n\nNote: This deck was asked for by an agent, over MCP, a moment ago.",
    "## Agents lose what outlives the chat\n- A deck, a transcript, an approval takes **minutes, hours or weeks**\n"
    "- Tool calls time out, so the work is *started twice*\n- Results land nowhere\n  - no stable id\n  - no file\n  - no page to look at\n\n"
    "Note: Everybody who has built an agent has met all three.",
    "## One call, one receipt\n1. The agent calls `create_presentation` and gets a **job id** at once\n"
    "2. A worker does it, wherever it runs\n3. The result lies on a shelf, filed by subject\n4. The agent reads it, and redoes a slide",
    "## Three kinds of waiting\n### Seconds\n- A page\n- A deck\n- Read right away\n### Hours\n- A transcript\n- A backlog\n- Told when done\n"
    "### Weeks\n- A person's answer\n- No deadline\n- Survives upgrades",
    "## What it survives\n| What happens | What you see |\n|---|---|\n| A worker is killed | Another one goes on |\n| Redis is emptied | Rung again in seconds |\n"
    "| Postgres restarts | Nothing is lost |\n| A worker freezes and wakes | Its late writes are refused |\n| A job kills its workers | Set aside, alone |",
    "> A receipt is a promise. Everything else is a detail of how it is kept.\n> — the rule this is built on",
    '## A kind of job is a function\n```python\n@job_kind("quiz", timeout="5m")\nasync def quiz(job: JobContext, topic: str) -> Artifact:\n'
    '    """Write a multiple-choice quiz about a topic."""\n    job.progress("Choosing questions", 1, 3)\n```\nIts signature is the schema, its docstring what the agent reads.',
    "## While this slide was drawn\n- The worker that had begun this deck was ended with `kill -9`\n- Its supervisor saw it, and another worker began again\n"
    "- The deck you look at was made **once**",
    "# Put it on the back burner\nand go on talking",
]
REDONE = "## What an agent can do next\n- `job_status` when it matters\n- `read_result` to see it\n- `organise_jobs` to file it\n- `redo_job` with one slide changed: **this one**"


async def demonstrate(settings: Settings, http_url: str) -> None:
    """Play the agent against the running installation at `http_url`. Raises Misconfigured when it does not end well."""
    token = Home(settings.home).token.read_text().strip()
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90)
    async with (
        Backburner.open(settings) as backburner,
        http,
        Client(streamable_http_client(f"{http_url}/mcp", http_client=http)) as agent,
    ):
        _say("The agent asks for a deck", "create_presentation(slides=[… 9 slides …])")
        receipt = await _call(agent, "create_presentation", slides=SLIDES, title="Backburner", again=True)
        job = str(receipt["job_id"])
        _answered(f"Job {job}, at once. The conversation goes on.")

        await _watch_and_kill(agent, backburner, job)

        _say("It files the deck", f'organise_jobs(subject="{SUBJECT}", job_ids=["{job}"])')
        moved = await _call(agent, "organise_jobs", subject=SUBJECT, job_ids=[job], create_subject=True)
        _answered(f"Now under {moved['subject']}; organise_jobs(undo={moved['undo']}) would take it back.")

        _say("It looks at what came out", f'read_result(job_id="{job}")')
        read = await _call(agent, "read_result", job_id=job)
        _answered(f"{read['line']}, and a picture to see.")

        _say("It changes one slide", 'redo_job(changes={"slides/7": "## What an agent can do next …"})')
        again = await _call(agent, "redo_job", job_id=job, changes={"slides/7": REDONE})
        newer = str(again["job_id"])
        await _call(agent, "job_status", job_ids=[newer], wait_seconds=30)
        _answered(f"Version 2 is job {newer}; the shelf stacks the two.")

        await _show_where(backburner, newer, http_url, settings)


async def _watch_and_kill(agent: Client, backburner: Backburner, job: str) -> None:
    """Show the job's progress to its end; as soon as a worker has it, kill that worker."""
    bar = Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        console=out,
    )
    killed = False
    with bar:
        task = bar.add_task("queued", total=4)
        version: int | None = None
        while True:
            entry = (await _call(agent, "job_status", job_ids=[job], wait_seconds=20, until="change", since=version))[
                "jobs"
            ][0]
            version = int(entry["version"])
            _show(bar, task, entry)
            if entry["status"] in ("completed", "failed", "cancelled"):
                break
            if entry["status"] == "running" and not killed:
                killed = await _kill_its_worker(backburner, job, bar)
    if entry["status"] != "completed":
        raise Misconfigured(f"The deck did not come out: {entry['line']}")
    if not killed:
        out.print("  [bright_black]The deck was done before its worker could be killed.[/]")


async def _kill_its_worker(backburner: Backburner, job: str, bar: Progress) -> bool:
    name = (await backburner.get(job)).worker
    for worker in await backburner.workers():
        if worker.name == name:
            os.kill(worker.pid, signal.SIGKILL)
            bar.console.print(
                f"  [yellow]kill -9 {worker.pid}[/]: the worker that had begun this deck. The job goes on elsewhere:"
            )
            return True
    return False


def _show(bar: Progress, task: TaskID, entry: Mapping[str, Any]) -> None:
    progress = entry.get("progress") or {}
    done = 4 if entry["status"] == "completed" else 4 * progress.get("percent", 0) / 100
    bar.update(task, completed=done, description=escape(str(progress.get("message") or entry["status"])))


async def _show_where(backburner: Backburner, job: str, http_url: str, settings: Settings) -> None:
    made = await backburner.get(job)
    link = await backburner.people.sign_in_link(admin=True)
    out.print("\n[bold]Here it is[/]")
    out.print(
        f"  The shelf, signed in for 15 minutes from now:\n  {http_url}/sign-in?key={link}",
        soft_wrap=True,
        markup=False,
    )
    for artifact in made.artifacts[:2]:
        out.print(f"  {backburner.artifact_file(made, artifact).address}", soft_wrap=True, markup=False)
    out.print("\n[bold]Your own agent[/]: one line in its settings is the whole installation")
    for name, snippet in snippets(settings).items():
        out.print(f"  [bold]{name}[/]")
        out.print(f"  {snippet}", soft_wrap=True, markup=False, style="bright_black")


def snippets(settings: Settings) -> dict[str, str]:
    """Chat client → what goes into its settings, for this installation."""
    command = str(Path(sys.executable).with_name("backburner"))
    environment = {"BACKBURNER_HOME": str(settings.home)}
    server = {"command": command, "args": ["mcp"], "env": environment}
    return {
        "Claude Desktop, Cursor (mcpServers)": json.dumps({"mcpServers": {"backburner": server}}),
        "Claude Code": f"claude mcp add backburner -e BACKBURNER_HOME={settings.home} -- {command} mcp",
        "VS Code (.vscode/mcp.json)": json.dumps({"servers": {"backburner": {"type": "stdio", **server}}}),
    }


async def _call(agent: Client, tool: str, **arguments: Any) -> Mapping[str, Any]:
    given = {name: value for name, value in arguments.items() if value is not None}
    answer = await asyncio.wait_for(agent.call_tool(tool, given), 60)
    structure: Mapping[str, Any] = answer.structured_content or {}
    if answer.is_error:
        raise Misconfigured(f"{tool}: {structure.get('error')}")
    return structure


def _say(what: str, call: str) -> None:
    out.print(f"\n[bold]{what}[/]  [bright_black]{escape(call)}[/]")


def _answered(sentence: str) -> None:
    out.print(f"  [green]✓[/] {escape(sentence)}")
