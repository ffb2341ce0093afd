"""Opus (opus.com), where workflows run in which people decide: its Job Operator API, and a workflow as it is filled in."""

from agent_tools.opus.client import FINAL, WAITING, Opus
from agent_tools.opus.errors import OpusAway, OpusError, OpusRefused
from agent_tools.opus.workflow import Filled, Input, Workflow

__all__ = ["FINAL", "WAITING", "Filled", "Input", "Opus", "OpusAway", "OpusError", "OpusRefused", "Workflow"]
