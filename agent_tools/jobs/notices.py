"""Notices: where a person is told of something, and in which words. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from agent_tools.jobs.why import short

WANTS = ("needs_me", "done", "failed")
"""What a person can be told of."""
_MOST_LINES = 5
_CALL = re.compile(r"@(?=(?:everyone|here|channel|all|room)\b)|(?<=<)[!@#]", re.IGNORECASE)
"""What chat services take for a call to everybody, or for a mention by number."""


@dataclass(frozen=True)
class Notices:
    """Where a person is told, and how that goes. `address` is a secret: `postman.masked` says what may be shown of it."""

    address: str
    wants: Sequence[str]
    told_at: datetime | None
    """When the last one was taken."""
    tries: int
    """How often the next one was refused."""
    refused: str | None
    """Why the last one was."""
    next_at: datetime
    stopped_at: datetime | None
    """Since when nothing is sent any more, after too many refusals."""


class Notice(NamedTuple):
    """What is sent."""

    title: str
    body: str


TEST = Notice("A test from Backburner", "This is where you will be told what your jobs need.")


def notice(asks: Sequence[Mapping[str, Any]], ends: Sequence[Mapping[str, Any]], base: str | None) -> Notice:
    """All of it in one. Each has `job`, `title`, `kind`; a question also `question` and `is_new`, an end `status`.

    `base` is the address that links begin with; None: there are no links.
    """
    done = [each for each in ends if each["status"] == "completed"]
    failed = [each for each in ends if each["status"] == "failed"]
    lines = [*_lines(asks, _asked), *_lines(done, _done), *_lines(failed, _failed)]
    if len(asks) + len(ends) == 1:
        title, lines = lines[0], [_said(each["question"]) for each in asks]
    else:
        title = ", ".join(part for part in (_waiting(asks), _count(done, "done"), _count(failed, "failed")) if part)
    return Notice(title, "\n".join([*lines, *_link(asks, ends, base)]) or title)


def _link(asks: Sequence[Mapping[str, Any]], ends: Sequence[Mapping[str, Any]], base: str | None) -> list[str]:
    """To the job, where it is one; else to the inbox or the shelf. All of them are pages that do nothing by being read."""
    jobs = {each["job"] for each in (*asks, *ends)}
    path = f"/jobs/{jobs.pop()}" if len(jobs) == 1 else "/waiting" if asks else "/"
    return [f"{base}{path}"] if base else []


def _lines(news: Sequence[Mapping[str, Any]], line: Any) -> list[str]:
    more = len(news) - _MOST_LINES
    return [*map(line, news[:_MOST_LINES]), *([f"… and {more} more"] if more > 0 else [])]


def _asked(ask: Mapping[str, Any]) -> str:
    return f"{'Needs you' if ask['is_new'] else 'Still needs you'}: {_name(ask)}"


def _done(job: Mapping[str, Any]) -> str:
    return f"Done: {_name(job)}"


def _failed(job: Mapping[str, Any]) -> str:
    return f"Failed: {_name(job)}"


def _waiting(asks: Sequence[Mapping[str, Any]]) -> str:
    if not asks:
        return ""
    still = "" if any(ask["is_new"] for ask in asks) else "still "
    return f"One thing {still}waits for you" if len(asks) == 1 else f"{len(asks)} things {still}wait for you"


def _count(jobs: Sequence[Mapping[str, Any]], what: str) -> str:
    return f"{len(jobs)} {what}" if jobs else ""


def _name(of: Mapping[str, Any]) -> str:
    return _said(of["title"]) or str(of["kind"]).replace("_", " ").capitalize()


def _said(text: str) -> str:
    """One line of what somebody else wrote, without what turns a line round, ends it, or calls a whole channel."""
    return _CALL.sub(
        "\\g<0>\N{WORD JOINER}", short("".join(each if each.isprintable() else " " for each in short(text)))
    )
