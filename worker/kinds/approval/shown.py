"""What an approval is about: looked up once, shown to the person, and kept as it was shown."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from agent_tools import Artifact, GiveUp, JobContext
from agent_tools.articles import read
from worker.kinds.approval.asked import ADDRESS, JOB
from worker.kinds.page.render import lay_out

MOST_TEXT_BYTES = 200_000
"""Longer texts are shown as a file."""
_TELLING = ("text/html", "application/pdf", "image/", "text/")
"""What tells most about a job, after a picture of all of it: nobody decides about a deck by its first slide."""


async def look_up(job: JobContext, content: str | None) -> str | Artifact | None:
    """Markdown as it is, an address as a link, of a job the file that tells most. Raises GiveUp."""
    if content is None:
        return None
    if named := JOB.fullmatch(content):

        async def file(_: str) -> Artifact:
            return await _file(job, named["job"], named["name"])

        # A step keeps the file, even where that job is deleted before the answer comes.
        return await job.step("what is shown", file, content)
    if ADDRESS.fullmatch(content):
        return f"<{content}>"
    too_long = len(json.dumps(content)) > MOST_TEXT_BYTES
    return Artifact.text("content.md", content) if too_long else content


def is_text(content: str | None, shown: str | Artifact | None) -> bool:
    """Whether what is shown is the text that was given: that may be edited, an address may not."""
    return content is not None and shown == content


async def record(title: str, question: str, shown: str | Artifact | None) -> Artifact:
    """What was shown, for the shelf: a page of the Markdown, or the file itself."""
    if not isinstance(shown, Artifact):
        return await asyncio.to_thread(_page, title, shown or question)
    return shown if shown.data is None else await asyncio.to_thread(_page, title, shown.data.decode())


def _page(title: str, text: str) -> Artifact:
    name = re.sub(r"\W+", "-", title.lower()).strip("-_")[:60] or "approval"
    return Artifact.text(f"{name}.html", lay_out(read(text), title[:200], "auto"), title=title[:200])


async def _file(job: JobContext, of: str, name: str | None) -> Artifact:
    try:
        made = await job.artifacts(of)
        path = await job.artifact(of, unquote(name)) if name else None
    except LookupError as error:
        raise GiveUp(f"Nothing can be shown. {error}") from None
    if not made:
        raise GiveUp(f"Nothing can be shown. {of} made no files.")
    return next(each for each in made if each.path == path) if path else _telling(made)


def _telling(made: Sequence[Artifact]) -> Artifact:
    def rank(artifact: Artifact) -> int:
        if Path(artifact.name).stem == "overview" and artifact.media_type.startswith("image/"):
            return -1
        fitting = [number for number, kind in enumerate(_TELLING) if artifact.media_type.startswith(kind)]
        return min(fitting, default=len(_TELLING))

    return min(made, key=rank)
