"""Standard Webhooks: what is sent when a job has ended, how it is signed, when it is sent again. Pure."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

EVENTS = ("job.completed", "job.failed", "job.cancelled")
PAUSES_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""How long after each try that failed comes the next; after one more it is given up."""
LONGEST_PAUSE_S = 86_400.0
GONE = 410
_PREFIX = "whsec_"


@dataclass(frozen=True)
class Webhook:
    """Where a tenant wants to be told. `events` empty: only of jobs that name this address."""

    id: int
    url: str
    events: tuple[str, ...]
    of_jobs: bool
    """It is here only because jobs name it."""
    created_at: datetime
    disabled_at: datetime | None
    disabled_because: str | None
    waiting: int
    """Deliveries that are due or will be tried again."""
    given_up: int
    last_answer: str | None
    tried_at: datetime | None


@dataclass(frozen=True)
class Delivery:
    """One message and how it fared; `id` is its webhook-id, the same over all tries."""

    id: str
    job: str
    type: str
    tries: int
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime | None
    delivered_at: datetime | None
    last_answer: str | None

    @property
    def state(self) -> str:
        """`delivered`, `waiting` (for a first or another try) or `given up`."""
        if self.delivered_at:
            return "delivered"
        return "waiting" if self.next_at else "given up"


class Tried(NamedTuple):
    """How one try ended: `again_s` None where it was delivered or is given up; `is_gone`: nothing more is wanted there."""

    delivered: bool
    again_s: float | None
    answer: str
    is_gone: bool = False


def new_secret() -> str:
    """What an endpoint's messages are signed with: 256 random bits."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def payload(kind: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """The body of a message: the same for every try."""
    said = {"type": kind, "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "data": data}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def headers(message: str, now: float, body: bytes, signed_with: Sequence[str]) -> dict[str, str]:
    """What goes with a body, signed anew for each try; while a secret is being changed, with both."""
    moment = str(int(now))
    signed = b".".join((message.encode(), moment.encode(), body))
    signatures = [
        base64.b64encode(hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), signed, hashlib.sha256)).decode()
        for secret in signed_with
    ]
    return {
        "webhook-id": message,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
        "content-type": "application/json",
    }


def tried(number: int, status: int, reason: str, retry_after: str, now: datetime, jitter: float) -> Tried:
    """What an answer means. `number` counts the tries from 1; `jitter` (0 to 1) keeps many from coming back at once."""
    answer = f"{status} {reason}".strip()
    if 200 <= status < 300:
        return Tried(True, None, answer)
    if status == GONE:
        return Tried(False, None, answer, is_gone=True)
    return failed(number, answer, jitter, _asked_to_wait_s(retry_after, now))


def failed(number: int, because: str, jitter: float, at_least_s: float = 0.0) -> Tried:
    """A try that came to nothing."""
    if number > len(PAUSES_S):
        return Tried(False, None, because)
    pause_s = PAUSES_S[number - 1] * (1 + jitter / 5)
    return Tried(False, max(pause_s, min(at_least_s, LONGEST_PAUSE_S)), because)


def _asked_to_wait_s(retry_after: str, now: datetime) -> float:
    """Seconds, or until a date; 0 for anything else."""
    if retry_after.isascii() and retry_after.strip().isdecimal():
        return float(retry_after.strip()[:9])
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
