"""The kind `opus_run`: a workflow of Opus, in which people may decide, from its inputs to its results."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agent_tools import JobContext, Result, job_kind
from agent_tools.settings import Settings

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}(@[1-9]\d{0,5})?")


def named_workflow(workflow: str | None) -> str:
    """The workflow's id, perhaps with @version; else the installation's. Raises ValueError where there is none, or what is none."""
    meant = (workflow or "").strip() or Settings.read().opus_workflow_id
    if not meant:
        raise ValueError("is required: OPUS_WORKFLOW_ID names none here.")
    if not _ID.fullmatch(meant):
        raise ValueError(
            f"'{meant[:60]}' is no workflow's id: that has letters, digits and -, as its address in Opus shows, and may end in @version."
        )
    return meant


@job_kind(
    "opus_run",
    timeout="15m",
    retries=5,
    usually="minutes to months",
    needs=["OPUS_SERVICE_KEY"],
    example={"inputs": {"Article": "The tide comes in twice a day."}},
)
async def opus_run(
    job: JobContext,
    inputs: Annotated[
        dict[str, Any] | None,
        Field(description="By name; files as https or job://ID/artifacts/NAME."),
    ] = None,
    workflow: Annotated[
        str | None,
        AfterValidator(named_workflow),
        Field(description="ID or ID@version; default the installation's.", validate_default=True),
    ] = None,
) -> Result:
    """Run a workflow of Opus, where people may decide; their `decision` comes back.

    Without inputs it only says which there are. Cancelling ends the watching, not the run in Opus.
    """
    from worker.kinds.opus_run.run import run_workflow  # noqa: PLC0415 - loaded only where something is run

    return await run_workflow(job, str(workflow), inputs)
