"""What can go wrong with embedded servers, each a sentence to whoever can act."""

from agent_tools.jobs.errors import Misconfigured


class EmbeddedError(Misconfigured):
    """Something about the embedded servers needs a person's hand; the message says what to do."""


class HomeUnusable(EmbeddedError):
    """The home folder cannot hold our data."""


class HomeTaken(EmbeddedError):
    """Another process holds the home folder; `pid` says which, None if it has not said yet."""

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class BinariesMissing(EmbeddedError):
    """There is no server program to start."""


class StartFailed(EmbeddedError):
    """A program was started and did not come up."""
