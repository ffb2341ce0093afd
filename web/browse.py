"""What a list shows, as its address says it: every filter is in the URL, so that it can be shared and gone back to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from agent_tools.jobs.job import JobStatus
from agent_tools.requests import job_filter
from sql.door import Filter
from web.shelf import OPEN

STATUSES: Mapping[str, tuple[str, ...]] = {
    "all": tuple(map(str, JobStatus)),
    "open": OPEN,
    **{str(each): (str(each),) for each in JobStatus},
}
"""A word in the URL → the statuses that it means."""
AGES: Mapping[str, timedelta] = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_LONGEST_SEARCH = 200


@dataclass(frozen=True)
class Browse:
    """A list's filters. Empty ones do not filter; what the URL says and nobody understands is passed over."""

    path: str = "/jobs"
    usual_status: str = "all"
    subject: str = ""
    q: str = ""
    status: str = ""
    kind: str = ""
    since: str = ""
    new: str = ""
    goes: str = ""
    batch: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, params: QueryParams, path: str = "/jobs", subject: str = "", usual_status: str = "all") -> "Browse":
        """The filters of an address; `usual_status` is meant where it names none."""
        return cls(
            path=path,
            usual_status=usual_status,
            subject=subject or params.get("subject", ""),
            q=storable(params.get("q", "")).strip()[:_LONGEST_SEARCH],
            status=params.get("status", "") if params.get("status") in STATUSES else usual_status,
            kind=storable(params.get("kind", ""))[:60],
            since=params.get("since", "") if params.get("since") in AGES else "",
            new="1" if params.get("new") else "",
            goes="1" if params.get("goes") else "",
            batch=storable(params.get("batch", ""))[:40],
            cursor=params.get("cursor", ""),
        )

    def filter(self, now: datetime) -> Filter:
        """The same for the book; of jobs that were redone only the newest version."""
        found = job_filter(
            subject=storable(self.subject) or None,
            search=self.q or None,
            status=None if self.status == "all" else STATUSES[self.status],
            kind=(self.kind,) if self.kind else None,
            created_after=now - AGES[self.since] if self.since else None,
            unseen=bool(self.new),
            batch_id=self.batch or None,
            latest=not self.batch and not self.goes,
        )
        return replace(found, goes_soon=bool(self.goes))

    def href(self, **changes: str) -> str:
        """The address with some filters changed, from its first page on."""
        changed = replace(self, **{"cursor": "", **changes})
        said = {"path", "usual_status"} | ({"subject"} if self.path != "/jobs" else set())
        if changed.status == self.usual_status:
            said.add("status")
        named = [(name, value) for name, value in vars(changed).items() if value and name not in said]
        return f"{self.path}?{urlencode(named)}" if named else self.path

    @property
    def is_narrowed(self) -> bool:
        """Whether any filter beside the subject is set."""
        return any((self.q, self.status != self.usual_status, self.kind, self.since, self.new, self.goes))


def storable(text: str) -> str:
    """The text without what Postgres cannot hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
