"""The agent's door, and what the author of a job kind imports."""

from agent_tools.jobs.artifacts import Artifact, Result
from agent_tools.jobs.asks import Answer
from agent_tools.jobs.context import Earlier, GiveUp, JobContext, TryAgain
from agent_tools.jobs.files import InputFile
from agent_tools.jobs.kinds import job_kind
from agent_tools.jobs.signature import Needs, Person, RequiredUnless

__all__ = [
    "Answer",
    "Artifact",
    "Earlier",
    "GiveUp",
    "InputFile",
    "JobContext",
    "Needs",
    "Person",
    "RequiredUnless",
    "Result",
    "TryAgain",
    "job_kind",
]
