"""What must be true after every fault, and what must have become of every job in the end."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from storm.customers import Ledger, Order
from storm.site import Site

STUCK_S = 90.0
"""No job of a storm takes so long, whatever happens to it, but for a person who does not answer."""
_MARGIN = timedelta(seconds=60)
_TENANTS_TABLES = """SELECT c.table_name AS name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
                      WHERE c.table_schema = 'backburner' AND c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE'"""


@dataclass
class Verdict:
    """Sentences, each about one job; all empty where everything held."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Any other invariant."""

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.broken)


def glance(site: Site, since: datetime | None) -> Verdict:
    """After a fault: of the jobs that have not ended, or did since a while before that."""
    verdict = Verdict(broken=site.book.problems(since - _MARGIN if since else None))
    for row in site.book.rows("SELECT job, what FROM watchman.seen"):
        (verdict.doubled if row["what"].startswith("I2") else verdict.broken).append(f"{row['job']}: {row['what']}")
    verdict.broken += list(_across_tenants(site))
    verdict.stuck = [
        f"{row['id']} ({row['kind']}) is {row['status']} {row['seconds']:.0f} s after its create"
        for row in site.book.rows(
            "SELECT id, kind, status, extract(epoch FROM now() - created_at)::float8 AS seconds FROM jobs"
            " WHERE finished_at IS NULL AND waiting_for IS DISTINCT FROM 'person' AND created_at < now() - make_interval(secs => %(limit)s)"
            " AND NOT EXISTS (SELECT FROM asks a WHERE a.job_id = jobs.id AND a.asked_at > jobs.created_at"
            "                  AND (a.answered_at IS NULL OR a.answered_at > now() - make_interval(secs => %(limit)s)))"
            " AND NOT EXISTS (SELECT FROM job_links l WHERE l.job_id = jobs.id)",
            limit=STUCK_S,
        )
    ]
    return verdict


def of_everything(site: Site, ledger: Ledger) -> Verdict:
    """In the end, when nothing moves any more."""
    verdict = glance(site, None)
    jobs = {row["id"]: row for row in site.book.rows("SELECT * FROM jobs")}
    verdict.doubled += ledger.doubled
    verdict.doubled += [
        f"{job} is there, and nobody has a receipt for it" for job in jobs.keys() - ledger.orders.keys()
    ]
    verdict.lost += [f"{job} has a receipt and is not there" for job in ledger.orders.keys() - jobs.keys()]
    for job, order in ledger.orders.items():
        if row := jobs.get(job):
            _judge(verdict, row, order, [jobs[each] for each in order.after if each in jobs])
    verdict.doubled += _effects(site, jobs)
    verdict.broken += _subscriber(site, ledger)
    return verdict


def _judge(verdict: Verdict, row: dict[str, Any], order: Order, parents: Iterable[dict[str, Any]]) -> None:
    code = (row["error"] or {}).get("code")
    end = code if row["status"] == "failed" else row["status"]
    about = f"{row['id']} ({row['kind']})"
    if row["finished_at"] is None:
        verdict.stuck.append(f"{about} is {row['status']} in the end")
        return
    failed = [each["id"] for each in parents if each["status"] in ("failed", "cancelled")]
    may_end = {*order.may_end}
    if order.was_cancelled or (order.cancels_with_parents and failed):
        may_end.add("cancelled")
    if order.cancels_with_parents and failed:
        may_end = {"cancelled"}
    if row["crashes"] == 3:
        may_end.add("poison")  # three faults met it: what was promised
    if end not in may_end:
        verdict.lost.append(f"{about} ended as {end} ({row['error']}), and may as {', '.join(sorted(may_end))}")
    for parent in parents:
        if row["started_at"] and row["started_at"] < parent["finished_at"]:
            verdict.broken.append(f"{about} began before {parent['id']} had ended")


def _effects(site: Site, jobs: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Done once under one key, asked for at most once by an attempt, and never by one that came after it was recorded."""
    receiver = site.receiver
    recorded = site.book.rows(
        "SELECT job_id, name, value FROM job_steps WHERE jsonb_typeof(value) = 'object' AND value ? 'receipt'"
    )
    by_key: dict[str, dict[str, Any]] = {}
    for step in recorded:
        key, value = step["value"]["key"], step["value"]
        if key in by_key:
            yield f"{step['job_id']}: the effect {key} was recorded twice"
        by_key[key] = value
        if receiver.receipts.get(key) != value["receipt"]:
            yield f"{step['job_id']}: {key} was recorded as done under {value['receipt']}, and was under {receiver.receipts.get(key)}"
    for key, fences in receiver.fences.items():
        if len(set(fences)) < len(fences):
            yield f"{key} was asked for twice by one attempt: {fences}"
        if (value := by_key.get(key)) and any(fence > value["fence"] for fence in fences):
            yield f"{key} was asked for again after attempt {value['fence']} had recorded it: {fences}"


def _subscriber(site: Site, ledger: Ledger) -> Iterator[str]:
    """I4: told of every event once, and in order."""
    kept = site.book.rows(
        "SELECT tx::text::bigint AS tx, id FROM job_events WHERE tx::text::bigint >= %(tx)s", tx=ledger.heard_from
    )
    there = {(row["tx"], row["id"]) for row in kept}
    if len(set(ledger.heard)) < len(ledger.heard):
        yield f"I4: a subscriber was told of {len(ledger.heard) - len(set(ledger.heard))} events twice"
    if there != set(ledger.heard):
        yield f"I4: a subscriber was not told of {len(there - set(ledger.heard))} events of {len(there)}, and of {len(set(ledger.heard) - there)} that are not there"


def _across_tenants(site: Site) -> Iterator[str]:
    """I7: as a door of one tenant, nothing of another's can be seen."""
    options = "-c role=backburner_door -c search_path=backburner,pg_catalog"
    (tenants,) = site.book.rows("SELECT array_agg(id) AS ids FROM tenants")
    readable = [
        row["name"]
        for row in site.book.rows(_TENANTS_TABLES)
        if site.book.number(
            "SELECT has_table_privilege('backburner_door', 'backburner.' || %(name)s, 'SELECT')::int", name=row["name"]
        )
    ]
    with psycopg.connect(make_conninfo(site.settings.database_url, options=options), autocommit=True) as door:
        for tenant in tenants["ids"]:
            door.execute("SELECT set_config('app.tenant', %s, false)", (str(tenant),))
            for table in readable:
                seen = door.execute(f"SELECT FROM {table} WHERE tenant_id <> %s LIMIT 1", (tenant,)).rowcount
                if seen:
                    yield f"I7: tenant {tenant} sees rows of another in {table}"
