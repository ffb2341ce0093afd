"""The kind `page`: Markdown becomes one web page that stands alone."""

import asyncio
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from agent_tools import Artifact, JobContext, Result, job_kind


def _not_blank(content: str) -> str:
    if not content.strip():
        raise ValueError("is blank. Give the page's Markdown.")
    return content


@job_kind("page", timeout="1m", usually="a second", example={"content": "# Tides\n\nThe sea comes and goes."})
async def page(
    job: JobContext,
    content: Annotated[
        str,
        AfterValidator(_not_blank),
        Field(
            description="The page in Markdown: headings, lists, tables, quotes, code, `- [ ]` tasks. No HTML.",
            json_schema_extra={"contentMediaType": "text/markdown"},
        ),
    ],
    theme: Annotated[
        Literal["auto", "light", "dark"], Field(description="`auto` follows the reader's device.")
    ] = "auto",
) -> Result:
    """Make a good-looking web page of Markdown: one HTML file that loads nothing else, for reading and printing.

    Takes about a second. Give the whole text as `content`; its first heading is the title unless the job has one.
    """
    from agent_tools import articles  # noqa: PLC0415 - its libraries are loaded only where pages are made
    from worker.kinds.page import render  # noqa: PLC0415

    job.progress("Reading Markdown", 0, 2)
    article = await asyncio.to_thread(articles.read, content)
    title = job.title or article.title or "Page"
    job.progress("Laying out the page", 1, 2)
    html = await asyncio.to_thread(render.lay_out, article, title, theme)
    return Result(
        data={"words": article.words, "headings": article.headings},
        artifacts=[Artifact.text(f"{_slug(title)}.html", html, title=title)],
        line=f"{title}: {article.words:,} words",
    )


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-_")[:60] or "page"
