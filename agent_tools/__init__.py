"""The agent's door, and what the author of a job kind imports."""

from agent_tools.jobs.artifacts import Artifact, Result
from agent_tools.jobs.context import GiveUp, JobContext, TryAgain
from agent_tools.jobs.kinds import job_kind

__all__ = ["Artifact", "GiveUp", "JobContext", "Result", "TryAgain", "job_kind"]
