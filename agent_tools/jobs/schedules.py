"""Schedules: when the clock creates which job, and in which words that is said. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from agent_tools.jobs.errors import BadRequest, Problem

LABEL = "schedule"
"""Every job of a schedule has this label, with the schedule's name."""
OF_ITS_JOB = ("kind", "args", "title", "subject", "labels", "priority", "webhook_url")
"""What is said of the job, as where one is created."""
OVERLAPS, CATCH_UPS = ("skip", "allow"), ("latest", "none")
LATE_S = 300.0
"""Without catching up a time is let pass when nobody was there for so long."""
MOST_COUNTED = 1000
"""So many missed times are counted at once, and no more."""
MOST_OF_A_CRON = 100
_WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31, L for the last day, LW for the last weekday",
    "month": "1 to 12 or JAN to DEC",
    "day-of-week": "0 to 7 (0 and 7 are Sunday) or SUN to SAT, such as 1#2 for the second Monday, 5L for the last Friday",
}
_HOW = "Each may be *, a value, a range (9-17), a list (1,15) or steps (*/10)"


@dataclass(frozen=True)
class When:
    """The times at which a cron expression comes in a time zone."""

    cron: str
    timezone: str

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after this one, in UTC and in order, each once.

        As Debian's cron has it: a fixed time that the clock leaves out in spring comes at the next one that there is, and one
        that comes twice in autumn at the first; what repeats every hour or minute goes by the real time that passes.
        """
        last = moment
        for local in CronSim(self._expression, moment.astimezone(self._zone)):
            time = local.astimezone(UTC)
            if time > last:  # between the two passes of an hour it begins with the first one
                last = time
                yield time

    def first_after(self, moment: datetime) -> datetime:
        """The first time after this one."""
        return next(self.after(moment))

    def latest(self, since: datetime, until: datetime) -> datetime:
        """The last time up to `until`; `since` where none came after that."""
        whole = until.replace(microsecond=0) + timedelta(seconds=1)  # it looks for what is before
        back = CronSim(self._expression, whole.astimezone(self._zone), reverse=True)
        found = max(next(back).astimezone(UTC), since)
        for time in self.after(found):  # looking back over an hour that comes twice passes over what is in it
            if time > until:
                break
            found = time
        return found

    def local(self, moment: datetime) -> datetime:
        """The same moment as the clocks there show it."""
        return moment.astimezone(self._zone)

    @property
    def said(self) -> str:
        """`At 02:00 every day (Europe/Berlin)`."""
        every_hour = self._expression.split()[1].startswith("*") and self._expression.split()[0].startswith("*")
        zone = "" if every_hour and self._expression.endswith("* * *") else f" ({self.timezone})"
        try:
            return CronSim(self._expression, datetime.now(UTC)).explain() + zone
        except Exception:
            return f"{self.cron}{zone}"

    @property
    def _expression(self) -> str:
        return _WORDS.get(self.cron, self.cron)

    @property
    def _zone(self) -> Any:
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)


class Coming(NamedTuple):
    """What a time that has come means: for when the job is, how many earlier times were missed, and when the next comes."""

    due_at: datetime
    missed: int
    next_at: datetime


@dataclass(frozen=True)
class Schedule:
    """A job that is created again and again; `job` as it is asked for."""

    id: int
    principal: int
    """As whom its jobs are created."""
    name: str
    when: When
    job: Mapping[str, Any]
    overlap: str
    catch_up: str
    version: int
    created_at: datetime
    next_at: datetime
    """When it comes next; in the past: it cannot be fired, and `last_error` says why."""
    paused_at: datetime | None
    fired_at: datetime | None
    """The time for which the clock created its last job."""
    last_job: str | None
    last_status: str | None
    """Of the last job; None where it is not kept any longer."""
    skipped: int
    skipped_at: datetime | None
    missed: int
    missed_at: datetime | None
    last_error: str | None
    error_since: datetime | None

    @property
    def state(self) -> str:
        """`paused`, `failing` (it is due, and cannot be fired) or `active`."""
        return "paused" if self.paused_at else "failing" if self.last_error else "active"

    @property
    def kind(self) -> str:
        """What sort of job it creates."""
        return str(self.job["kind"])

    def next_times(self, now: datetime, most: int = 3) -> list[datetime]:
        """The next times from now on, also of one that is paused."""
        return list(islice(self.when.after(now), most))


def when(cron: str, timezone: str = "UTC") -> When:
    """The times that are meant. Raises BadRequest saying which field of either is wrong, and what is allowed."""
    expression = " ".join(cron.split())
    problems = [Problem("cron", wrong)] if (wrong := _wrong(expression)) else []
    zone = _zones().get(timezone.strip().casefold())
    if zone is None:
        problems.append(Problem("timezone", _no_zone(timezone)))
    if problems or zone is None:
        raise BadRequest(" ".join(f"{field}: {message}" for field, message in problems), problems)
    made = When(expression.lower() if expression.startswith("@") else expression, zone)
    if next(made.after(datetime.now(UTC)), None) is None:
        raise BadRequest(f"cron: {_never(expression)}", [Problem("cron", _never(expression))])
    return made


def coming(when: When, next_at: datetime, now: datetime) -> Coming:
    """What it means that `next_at` has come: of all times up to now the latest counts, and those before it were missed."""
    due_at = when.latest(next_at, now)
    missed = 0 if due_at == next_at else 1
    for time in islice(when.after(next_at), MOST_COUNTED - 1):
        if time >= due_at:
            break
        missed += 1
    return Coming(due_at, missed, when.first_after(now))


def is_late(due_at: datetime, now: datetime) -> bool:
    """Whether nobody was there when it came."""
    return (now - due_at).total_seconds() > LATE_S


def title_at(title: str | None, when: When, due_at: datetime) -> str | None:
    """The title with the day in it, as it was where the schedule is."""
    return title.replace("{date}", f"{when.local(due_at):%Y-%m-%d}") if title else title


def _wrong(expression: str) -> str | None:
    """What is wrong with a cron expression, as a sentence."""
    if len(expression) > MOST_OF_A_CRON:
        return f"{len(expression)} characters are too many; at most {MOST_OF_A_CRON}."
    if expression.startswith("@"):
        known = ", ".join(_WORDS)
        return None if expression.lower() in _WORDS else f"'{expression}' is not one of {known}."
    parts = expression.split()
    if len(parts) == 6:
        return "has 6 fields, but seconds are not told apart here. Give five: minute, hour, day of month, month, day of week."
    if len(parts) != 5:
        return (
            f"has {len(parts)} field{'' if len(parts) == 1 else 's'} instead of five: minute, hour, day of month, month, "
            "day of week. '0 6 * * MON-FRI' is at six on weekdays."
        )
    for place, (name, allowed) in enumerate(_FIELDS.items()):
        if not _is_readable(["*"] * place + [parts[place]] + ["*"] * (4 - place)):
            return f"{name.replace('-', ' ')} '{parts[place]}' is not right: allowed are {allowed}. {_HOW}."
    return None if _is_readable(parts) else _never(expression)


def _is_readable(parts: list[str]) -> bool:
    try:
        CronSim(" ".join(parts), datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError):
        return False
    return True


def _never(expression: str) -> str:
    return f"'{expression}' never comes: there is no such day in these months."


def _no_zone(timezone: str) -> str:
    name = timezone.strip().replace(" ", "_").casefold()
    by_city = {zone.rpartition("/")[2].casefold(): zone for zone in sorted(_zones().values())}
    near = difflib.get_close_matches(name, [*_zones(), *by_city], n=1)
    hint = (
        f" Did you mean '{by_city.get(near[0]) or _zones()[near[0]]}'?"
        if near
        else " Use a name such as Europe/Berlin."
    )
    return f"There is no time zone '{timezone[:60]}'.{hint}"


@cache
def _zones() -> Mapping[str, str]:
    """Case-folded name → name, of every time zone."""
    return {name.casefold(): name for name in available_timezones()}
