"""The kind `backlog`: an epic, its stories and their tasks, written by a model from an interview or a text."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agent_tools import JobContext, RequiredUnless, Result, job_kind

MOST_STORIES = 12
MOST_CHARACTERS = 60_000


# Not in the schema, which every conversation pays for.
def _described(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank. Describe the project.")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"has {len(text):,} characters; at most {MOST_CHARACTERS:,}. Shorten it.")
    return text.strip()


def _name(name: str) -> str:
    if not re.fullmatch(r"[\w.:-]{1,80}", name):
        raise ValueError("is up to 80 letters, digits and any of . _ : - without spaces, such as shop-1.")
    return name


def _language(language: str) -> str:
    if len(language) > 60 or not language.isprintable():
        raise ValueError("is the name of a language, such as Portuguese.")
    return language.strip()


Name = Annotated[str, AfterValidator(_name)]


def one_source(args: Any) -> None:
    """The rule across arguments: what it is written from."""
    if args.text and args.interview:
        raise ValueError("text: goes without interview; what is to be added can be said in the interview.")


@job_kind(
    "backlog",
    timeout="2h",
    usually="2 to 5 minutes",
    retries=4,
    needs=["LLM_BASE_URL", "LLM_MODEL"],
    aliases=["backlog_generation"],
    labels=["interview", "project"],
    check=one_source,
    example={"text": "A web shop for a potter: pictures, basket, payment by card, pick-up on Saturdays."},
)
async def backlog(
    job: JobContext,
    interview: Name | None = None,
    text: Annotated[
        Annotated[str, AfterValidator(_described)] | None,
        RequiredUnless("interview"),
        Field(description="What is wanted, without interview."),
    ] = None,
    stories: Annotated[int, Field(ge=1, le=MOST_STORIES)] = 5,
    project: Name | None = None,
    language: Annotated[str, AfterValidator(_language)] = "",
) -> Result:
    """Have a model write a backlog (epic, stories, tasks) from an interview or a text: page, Markdown, CSV, JSON.

    Takes 2 to 5 minutes.
    """
    from worker.kinds.backlog.write import Brief, write_backlog  # noqa: PLC0415 - heavy, so only where it runs

    return await write_backlog(job, Brief(text or "", interview or "", project or "", stories, language))
