"""Why Opus did not do what it was asked for."""

from agent_tools.jobs.context import GiveUp, TryAgain


class OpusError(Exception):
    """Opus did not do it; the sentence says why."""


class OpusAway(OpusError, TryAgain):
    """Opus cannot be reached, is busy or broken. Where something was sent, it may have been done all the same."""


class OpusRefused(OpusError, GiveUp):
    """Opus does not take what it is sent. `status` is the HTTP status, also one that stood inside a reply of 200."""

    def __init__(self, because: str, status: int = 0) -> None:
        super().__init__(because)
        self.status = status
