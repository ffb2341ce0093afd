"""Why no answer was to be had."""

from agent_tools.jobs.context import GiveUp, TryAgain


class LlmError(Exception):
    """No answer was to be had; the sentence says why. `raw` is what the model said, as far as it came.

    Each is also one of the two ways in which a handler may end, so that it need not be caught.
    """

    raw: str = ""


class LlmUnavailable(LlmError, TryAgain):
    """The server cannot be reached, is busy or takes too long."""


class LlmMisused(LlmError, GiveUp):
    """The server does not take what it is sent: a setting is wrong."""


class LlmDeclined(LlmError, GiveUp):
    """The model does not want to answer this."""


class LlmUnfit(LlmError, GiveUp):
    """What the model said has not the shape that was asked for, not when told so either."""

    def __init__(self, because: str, raw: str) -> None:
        super().__init__(because)
        self.raw = raw


class LlmCutOff(LlmUnfit):
    """The answer was longer than it may be, so its end is missing."""
