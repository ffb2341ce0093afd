"""The kind `interview_message`: one turn of an interview about a project, which a model leads."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from agent_tools import JobContext, Result, job_kind

MESSAGE_CHARACTERS = 8_000
"""With a reply as long as it may be, a result stays small enough to be kept whole, in any script."""


# Not in the schema, which every conversation pays for.
def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank. Say something.")
    if len(text) > MESSAGE_CHARACTERS:
        raise ValueError(f"has {len(text):,} characters; at most {MESSAGE_CHARACTERS:,}. Send it in several messages.")
    return text.strip()


def _name(name: str) -> str:
    if not re.fullmatch(r"[\w.:-]{1,80}", name):
        raise ValueError("is up to 80 letters, digits and any of . _ : - without spaces, such as shop-1.")
    return name


Name = Annotated[str, AfterValidator(_name)]


@job_kind(
    "interview_message",
    timeout="15m",
    usually="10 to 30 seconds",
    retries=4,
    needs=["LLM_BASE_URL", "LLM_MODEL"],
    labels=["interview", "project"],
    anew=True,
    example={"interview": "shop-1", "message": "I want a web shop for my pottery."},
)
async def interview_message(
    job: JobContext,
    interview: Annotated[Name, Field(description="A new name begins a new one.")],
    message: Annotated[str, AfterValidator(_said), Field(json_schema_extra={"contentMediaType": "text/plain"})],
    project: Name | None = None,
) -> Result:
    """Send a message to an interview, in which a model here finds out what a project needs.

    Takes 10 to 30 s; the next question is the result, until it says `complete`: then create its backlog.
    """
    from worker.kinds.interview.answer import answer  # noqa: PLC0415 - heavy, so only where it runs

    return await answer(job, interview, message, project)
