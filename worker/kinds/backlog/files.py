"""A backlog as files: a page to read, Markdown, a table for trackers, JSON."""

import base64
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from agent_tools import Artifact
from worker.kinds.backlog.plan import Backlog

_HERE = Path(__file__).parent
_MEANS_SOMETHING = re.compile(r"[\\\[\]<>*_#|`~]|^([-+]|\d+[.)])(?=\s)")
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_COLUMNS = ("id", "type", "parent", "title", "description", "acceptance", "priority", "points", "hours")


def files_of(backlog: Backlog, title: str, changes: Sequence[str]) -> list[Artifact]:
    """The page first."""
    return [
        Artifact.text("backlog.html", page(backlog, title, changes), title=title),
        Artifact.text("backlog.md", markdown(backlog, title, changes), title="Markdown"),
        Artifact.text("backlog.csv", table(backlog), title="Table (CSV)"),
        Artifact.text("backlog.json", backlog.model_dump_json(indent=1), title="JSON"),
    ]


def page(backlog: Backlog, title: str, changes: Sequence[str] = ()) -> str:
    """One HTML file. Its policy lets a browser use this style sheet and nothing else."""
    style = (_HERE / "backlog.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("backlog.html").render(
        backlog=backlog,
        changes=changes,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        title=title,
    )


def markdown(backlog: Backlog, title: str, changes: Sequence[str] = ()) -> str:
    """The same to paste anywhere."""
    return "\n".join(_lines(backlog, title, changes)) + "\n"


def _lines(backlog: Backlog, title: str, changes: Sequence[str]) -> Iterator[str]:
    yield from (f"# {_safe(title)}", "", _safe(backlog.epic.description), "")
    yield from (f"- {_safe(goal)}" for goal in backlog.epic.goals)
    for number, story in enumerate(backlog.stories, 1):
        yield from ("", f"## S{number}. {_safe(story.title)}", "", _safe(story.story), "")
        yield from (
            f"{story.priority.capitalize()}, {story.points} {'point' if story.points == 1 else 'points'}",
            "",
            "Done when:",
            "",
        )
        yield from (f"- {_safe(each)}" for each in story.acceptance)
        yield from ("", "Tasks:", "")
        for at, task in enumerate(story.tasks, 1):
            about = f": {_safe(task.description)}" if task.description else ""
            yield f"- [ ] **T{number}.{at} {_safe(task.title)}** ({task.hours:g} h){about}"
    if changes:
        yield from ("", "---", "")
        yield from map(_safe, changes)


def table(backlog: Backlog) -> str:
    """A row each, as trackers import them. With a mark in front by which Excel knows that it is UTF-8."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(_COLUMNS)
    rows.writerows([_harmless(str(cell)) for cell in row] for row in _rows(backlog))
    return f"\ufeff{written.getvalue()}"


def _rows(backlog: Backlog) -> Iterator[Sequence[object]]:
    yield "E1", "epic", "", backlog.epic.title, backlog.epic.description, " / ".join(backlog.epic.goals), "", "", ""
    for number, story in enumerate(backlog.stories, 1):
        accepted = " / ".join(story.acceptance)
        yield f"S{number}", "story", "E1", story.title, story.story, accepted, story.priority, story.points, ""
        for at, task in enumerate(story.tasks, 1):
            yield f"T{number}.{at}", "task", f"S{number}", task.title, task.description, "", "", "", f"{task.hours:g}"


def _harmless(cell: str) -> str:
    """A spreadsheet takes what begins like a formula for one, whoever wrote it."""
    return f"'{cell}" if cell.lstrip().startswith(_BEGINS_A_FORMULA) else cell


def _safe(text: str) -> str:
    """With what would be markup escaped."""
    return _MEANS_SOMETHING.sub(r"\\\g<0>", text)
