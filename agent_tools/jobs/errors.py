"""What can go wrong, each as a code for programs and a sentence for whoever can act."""

from collections.abc import Sequence
from typing import NamedTuple


class BackburnerError(Exception):
    """Something refused. `str(error)` is a sentence that may be shown to the caller as it is."""

    code = "error"


class Problem(NamedTuple):
    """One thing wrong with what was sent: where (a path such as `slides/3`), and what is allowed instead."""

    field: str
    message: str


class BadRequest(BackburnerError):
    """What was sent cannot be accepted; nothing was written."""

    code = "bad_request"

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class UnknownKind(BadRequest):
    """No kind of this name was ever installed here."""

    code = "unknown_kind"


class KindUnavailable(BadRequest):
    """The kind is known, but nothing here can run it; the sentence says what is missing."""

    code = "kind_unavailable"


class JobNotFound(BackburnerError):
    """No such job in the caller's tenant: never existed, was deleted, or belongs to somebody else."""

    code = "job_not_found"


class AskNotFound(JobNotFound):
    """No such question in the caller's tenant."""

    code = "ask_not_found"


class NotYours(BackburnerError):
    """Somebody else is to answer: the caller asked this itself, or it is put to another person."""

    code = "not_yours"


class FileNotKept(JobNotFound):
    """No such upload in the caller's tenant, or not any longer."""

    code = "file_not_found"


class TooLarge(BackburnerError):
    """More was sent than is taken."""

    code = "too_large"


class NoRoom(BackburnerError):
    """The disk of this installation is full."""

    code = "no_room"


class Conflict(BackburnerError):
    """The request contradicts what is already kept, such as an idempotency key used for another request."""

    code = "conflict"


class NotNow(BackburnerError):
    """The job exists, but its status does not allow this; the sentence says what would."""

    code = "not_now"


class BookUnavailable(BackburnerError):
    """Postgres cannot be reached, or is not as this version needs it."""

    code = "book_unavailable"


class StoreUnavailable(BackburnerError):
    """The object store of the files cannot be reached, or is too busy; trying again helps."""

    code = "store_unavailable"


class StoreRefused(StoreUnavailable):
    """The object store refuses what is asked of it, until an operator mends that; the sentence says how."""

    code = "store_refused"


class Misconfigured(BackburnerError):
    """A setting or a folder of this installation is not usable; the sentence says which and how to mend it."""

    code = "misconfigured"


class Unstorable(BackburnerError):
    """Postgres refused the values themselves; trying again is no use."""

    code = "unstorable"
