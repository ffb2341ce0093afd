"""The sorts of faults, each from its beginning to its end. What they give back are the jobs that they could have hurt."""

import asyncio
import os
import random
import resource
import shutil
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import redis
from rig.patience import eventually
from rig.processes import is_alive

from agent_tools.bell import queue_key
from agent_tools.requests import NewJob
from sql.migrate import migrate
from storm.crew import scratch_of
from storm.customers import Customers
from storm.site import LEASE_S, Site

BEYOND_A_LEASE_S = LEASE_S + 1
_QUEUE = queue_key("default")
_RUNNING = """SELECT j.id, w.pid FROM jobs j JOIN workers w ON w.id = j.worker_id
               WHERE j.status = 'running' AND w.stopped_at IS NULL"""
_UNFINISHED = "SELECT id FROM jobs WHERE status = 'running' OR status = 'queued' AND run_after <= now()"


@dataclass(frozen=True)
class Scene:
    """Where it happens, and who is there."""

    site: Site
    customers: Customers
    chance: random.Random
    problems: list[str]
    """What went otherwise than a fault of its sort must."""

    def running(self) -> dict[int, list[str]]:
        """Worker process → the jobs that it runs."""
        by_pid: dict[int, list[str]] = {pid: [] for pid in self.site.crew.pids()}
        for row in self.site.book.rows(_RUNNING):
            if row["pid"] in by_pid:
                by_pid[row["pid"]].append(row["id"])
        return by_pid

    def unfinished(self) -> list[str]:
        """Every job that a worker has or could have."""
        return [row["id"] for row in self.site.book.rows(_UNFINISHED)]

    async def victim(self, *, supervised: bool | None = None) -> tuple[int, list[str]]:
        """A worker that runs jobs, as soon as there is one; None: under a supervisor or not."""

        def busy() -> list[tuple[int, list[str]]]:
            posts = self.site.crew.pids()
            of_this_sort = {
                pid for pid, post in posts.items() if supervised is None or supervised == (post == "supervisor")
            }
            return [(pid, jobs) for pid, jobs in self.running().items() if jobs and pid in of_this_sort]

        return self.chance.choice(await eventually(busy, 30, "a busy worker"))


Harm = Callable[[Scene], Awaitable[Sequence[str]]]
SORTS: dict[str, Harm] = {}


def sort(name: str) -> Callable[[Harm], Harm]:
    """Count this among the sorts of faults."""

    def add(harm: Harm) -> Harm:
        SORTS[name] = harm
        return harm

    return add


# --------------------------------------------------------------------------------------------------------------- workers


@sort("worker killed, its supervisor sees it")
async def _(scene: Scene) -> Sequence[str]:
    pid, jobs = await scene.victim(supervised=True)
    os.kill(pid, signal.SIGKILL)
    return jobs


@sort("worker killed, nobody sees it")
async def _(scene: Scene) -> Sequence[str]:
    pid, jobs = await scene.victim(supervised=False)
    os.kill(pid, signal.SIGKILL)
    return jobs


@sort("supervisor killed, with its workers")
async def _(scene: Scene) -> Sequence[str]:
    supervisor = scene.site.crew.supervised.program
    below, running = supervisor.children(), scene.running()
    supervisor.kill()
    await eventually(lambda: not any(is_alive(pid) for pid in below), 15, "the end of a dead supervisor's workers")
    return [job for pid in below for job in running.get(pid, ())]


@sort("worker asked to leave (SIGTERM)")
async def _(scene: Scene) -> Sequence[str]:
    pid, jobs = await scene.victim(supervised=False)
    crew = scene.site.crew
    post, deaths = crew.post_of(pid), len(crew.deaths)
    post.program.send(signal.SIGTERM)
    await eventually(lambda: len(crew.deaths) > deaths, 15, "the end of a worker that was asked to leave")
    if (post.name, 0) not in crew.deaths[deaths:]:
        scene.problems.append(f"a worker that was asked to leave ended as {crew.deaths[deaths:]}")
    blamed = scene.site.book.rows(
        "SELECT e.job_id FROM job_events e JOIN workers w ON w.id = (SELECT (s.data ->> 'worker')::bigint FROM job_events s"
        " WHERE s.job_id = e.job_id AND s.type = 'started' AND s.id < e.id ORDER BY s.id DESC LIMIT 1)"
        " WHERE e.type = 'crashed' AND w.pid = %(pid)s AND e.at > w.stopped_at",
        pid=pid,
    )
    scene.problems.extend(f"{row['job_id']} counts a crash of a worker that left in order" for row in blamed)
    return jobs


@sort("worker stopped for longer than its lease, and continued")
async def _(scene: Scene) -> Sequence[str]:
    # Jobs that are due when it wakes, while whoever took them over still runs them.
    sleeping = [
        NewJob("storm_sleeping", {"number": -each, "seconds": BEYOND_A_LEASE_S}, priority="high") for each in range(12)
    ]
    in_a_step = {"url": scene.site.receiver.url, "parts": 1, "seconds": BEYOND_A_LEASE_S}
    stepping = [NewJob("storm_steps", {"number": -each, **in_a_step}, priority="high") for each in range(12)]
    long = set(await scene.customers.order(sleeping + stepping))

    def busy() -> list[tuple[int, list[str]]]:
        return [(pid, jobs) for pid, jobs in scene.running().items() if len(long.intersection(jobs)) >= 5]

    pid, jobs = scene.chance.choice(await eventually(busy, 30, "a worker with five of these jobs"))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(BEYOND_A_LEASE_S)
        os.kill(pid, signal.SIGCONT)
    return jobs


@sort("handler that blocks its worker's loop")
async def _(scene: Scene) -> Sequence[str]:
    return await _drill(scene, "block", fail_times=1)


@sort("handler that kills its worker once")
async def _(scene: Scene) -> Sequence[str]:
    return await _drill(scene, "crash", fail_times=1)


@sort("poison: handler that always kills its worker")
async def _(scene: Scene) -> Sequence[str]:
    return await _drill(scene, "crash", fail_times=0)


async def _drill(scene: Scene, fail: str, fail_times: int) -> Sequence[str]:
    """Have it begun, and wait until it has cost a worker; gives the jobs that ran beside it."""
    args = {"seconds": 0.2, "fail": fail, "fail_times": fail_times}
    (job,) = await scene.customers.order(
        [NewJob("drill", args, priority="high")], ("poison" if fail_times == 0 else "completed",)
    )
    beside: list[str] = []

    def has_cost_a_worker() -> bool:
        for jobs in scene.running().values():
            if job in jobs:
                beside[:] = jobs
        return bool(scene.site.book.one(job)["crashes"])

    await eventually(has_cost_a_worker, 40, f"a crash by drill {job}")
    return beside


@sort("crew of the other version takes over a post")
async def _(scene: Scene) -> Sequence[str]:
    crew = scene.site.crew
    post = scene.chance.choice(crew.alone)
    jobs = scene.running().get(post.program.pid, [])
    post.version = 3 - post.version
    deaths = len(crew.deaths)
    post.program.send(signal.SIGTERM)
    await eventually(lambda: len(crew.deaths) > deaths, 15, "the end of a worker that was asked to leave")
    return jobs


# -------------------------------------------------------------------------------------------------------------- Postgres


@sort("Postgres killed (-9)")
async def _(scene: Scene) -> Sequence[str]:
    jobs, old = scene.unfinished(), scene.site.postmaster.pid
    os.kill(old, signal.SIGKILL)
    await eventually(lambda: not is_alive(old) and scene.site.postgres_answers(), 60, "a new Postgres")
    return jobs


@sort("one backend of Postgres killed (-9): all begin again")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    found = scene.site.book.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'backburner_hands'")
    os.kill(scene.chance.choice(found)["pid"], signal.SIGKILL)
    await asyncio.sleep(0.1)
    await eventually(scene.site.postgres_answers, 60, "Postgres's coming back")
    return jobs


@sort("Postgres shut down for longer than a lease")
async def _(scene: Scene) -> Sequence[str]:
    site, jobs = scene.site, scene.unfinished()
    site.may_begin_again.clear()
    await asyncio.sleep(0.3)  # for a look at the servers that had begun
    site.postmaster.send_signal(signal.SIGINT)
    await asyncio.sleep(BEYOND_A_LEASE_S)
    site.may_begin_again.set()
    await eventually(site.postgres_answers, 60, "a new Postgres")
    return jobs


@sort("Postgres stopped for longer than a lease, and continued")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    scene.site.signal_postgres(signal.SIGSTOP)
    await asyncio.sleep(BEYOND_A_LEASE_S)
    scene.site.signal_postgres(signal.SIGCONT)
    return jobs


@sort("connections of workers terminated")
async def _(scene: Scene) -> Sequence[str]:
    return await _terminate(scene, "backburner_hands")


@sort("connections of doors terminated")
async def _(scene: Scene) -> Sequence[str]:
    return await _terminate(scene, "backburner_door")


async def _terminate(scene: Scene, role: str) -> Sequence[str]:
    jobs = scene.unfinished()
    for _ in range(3):
        scene.site.book.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %(role)s", role=role
        )
        await asyncio.sleep(0.3)
    return jobs


@sort("rows held by a transaction of somebody else")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    held = jobs[: max(1, len(jobs) // 3)]
    async with await psycopg.AsyncConnection.connect(scene.site.settings.database_url) as other:
        with suppress(psycopg.OperationalError):  # a deadlock is found, and this one gives in
            await other.execute("SELECT FROM backburner.jobs WHERE id = ANY (%s) ORDER BY id FOR UPDATE", (held,))
        await asyncio.sleep(LEASE_S / 2)
        await other.rollback()
    return jobs


@sort("machine.sql applied again, by two at once")
async def _(scene: Scene) -> Sequence[str]:
    url, jobs = scene.site.settings.database_url, scene.unfinished()
    for _ in range(3):
        scene.site.book.rows("UPDATE migrations SET checksum = 'another' WHERE version = 0")
        await asyncio.gather(*(asyncio.to_thread(migrate, url) for _ in range(2)))
        await asyncio.sleep(0.3)
    return jobs


# -------------------------------------------------------------------------------------------------- between us and Postgres


def _losing(verb: str) -> Harm:
    async def lose(scene: Scene) -> Sequence[str]:
        proxy, jobs = scene.site.proxy, scene.unfinished()
        before = proxy.dropped[verb]
        proxy.drop_reply_to(verb, times=2)
        for _ in range(4):  # enough for the far ones, too: a door, a worker
            await scene.customers.order(scene.customers.some(15))
        await eventually(lambda: proxy.dropped[verb] > before, 30, f"a lost reply to {verb}")
        proxy.drop_reply_to(verb, times=0)
        return jobs

    return lose


for _verb, _what in {
    "claim_jobs": "a claim", "settle_jobs": "a settle", "record_step": "a recorded step", "create_jobs": "a create",
    "answer_asks": "an answer",
}.items():  # fmt: skip
    SORTS[f"reply to {_what} lost after its commit"] = _losing(_verb)


@sort("network to Postgres away for longer than a lease")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    scene.site.proxy.go_away()
    await asyncio.sleep(BEYOND_A_LEASE_S)
    scene.site.proxy.come_back()
    return jobs


@sort("network to Postgres slow")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    scene.site.proxy.delay_s = scene.chance.choice((0.02, 0.1, 0.3))
    await asyncio.sleep(BEYOND_A_LEASE_S)
    scene.site.proxy.delay_s = 0
    return jobs


# ---------------------------------------------------------------------------------------------------------------- Valkey


@sort("Valkey killed (-9)")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    scene.site.signal_valkey(signal.SIGKILL)
    await asyncio.sleep(0.1)
    await eventually(scene.site.valkey_answers, 20, "a new Valkey")
    return jobs


@sort("Valkey away for longer than a lease")
async def _(scene: Scene) -> Sequence[str]:
    site, jobs = scene.site, scene.unfinished()
    site.may_begin_again.clear()
    await asyncio.sleep(0.3)
    site.signal_valkey(signal.SIGTERM)
    await asyncio.sleep(BEYOND_A_LEASE_S)
    site.may_begin_again.set()
    await eventually(site.valkey_answers, 20, "a new Valkey")
    return jobs


@sort("Valkey stopped for longer than a lease, and continued")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    pid = int(scene.site.valkey.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(BEYOND_A_LEASE_S)
    os.kill(pid, signal.SIGCONT)
    return jobs


@sort("Valkey emptied (FLUSHALL)")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    scene.site.valkey.flushall()
    return jobs


@sort("Valkey without memory (noeviction)")
async def _(scene: Scene) -> Sequence[str]:
    jobs, valkey = scene.unfinished(), scene.site.valkey
    valkey.config_set("maxmemory", 1)
    await asyncio.sleep(BEYOND_A_LEASE_S)
    valkey.config_set("maxmemory", 0)
    return jobs


@sort("connections to Valkey cut, hints lost with them")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    for _ in range(3):
        for kind in ("pubsub", "normal"):
            scene.site.valkey.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        await asyncio.sleep(0.3)
    return jobs


@sort("messages removed from the queue")
async def _(scene: Scene) -> Sequence[str]:
    messages = await _messages(scene)
    scene.site.valkey.zrem(_QUEUE, *messages)
    return [message.decode().partition(":")[0] for message in messages]


@sort("messages taken by a worker that dies before its claim")
async def _(scene: Scene) -> Sequence[str]:
    messages = await _messages(scene)
    for message in messages:
        scene.site.valkey.psetex(f"arq:in-progress:{message.decode()}", 3_600_000, b"1")
    return [message.decode().partition(":")[0] for message in messages]


@sort("rung twice, and for jobs that ended or never were")
async def _(scene: Scene) -> Sequence[str]:
    rows = scene.site.book.rows("SELECT id FROM jobs ORDER BY created_at DESC LIMIT 200")
    ids = [*(row["id"] for row in rows), "0000000000000"]
    with suppress(redis.RedisError):
        for number in (900_001, 900_002):
            for each in ids:
                message = f"{each}:{number}"
                scene.site.valkey.zadd(_QUEUE, {message: 1})
                scene.site.valkey.set(f"arq:job:{message}", b'{"t":null,"f":"perform_message","a":[],"k":{},"et":0}')
    return scene.unfinished()


async def _messages(scene: Scene) -> list[Any]:
    """Up to half of what waits in the queue; where nothing does, a herd is sent for first."""
    found = scene.site.valkey.zrange(_QUEUE, 0, -1)
    if len(found) < 10:
        await _herd(scene, 200)
        found = await eventually(lambda: scene.site.valkey.zrange(_QUEUE, 0, -1), 5, "a message in the queue")
    return list(found[: max(1, len(found) // 2)])


# ------------------------------------------------------------------------------------------------------------- the rest


@sort("300 jobs at once")
async def _(scene: Scene) -> Sequence[str]:
    return await _herd(scene, 300)


async def _herd(scene: Scene, number: int) -> list[str]:
    jobs: list[str] = []
    for start in range(0, number, 100):
        lot = [
            NewJob("storm_sleeping", {"number": -each, "seconds": 0.1})
            for each in range(start, min(start + 100, number))
        ]
        jobs += await scene.customers.order(lot)
    return jobs


@sort("40 jobs cancelled, whatever they were doing")
async def _(scene: Scene) -> Sequence[str]:
    rows = scene.site.book.rows("SELECT id FROM jobs WHERE finished_at IS NULL")
    known = [row["id"] for row in rows if row["id"] in scene.customers.ledger.orders]
    chosen = scene.chance.sample(known, min(40, len(known)))
    await asyncio.gather(*(scene.customers.cancel(chosen[lane::4]) for lane in range(4)))
    return [job for job in scene.unfinished() if job not in chosen]


@sort("disk of a worker full")
async def _(scene: Scene) -> Sequence[str]:
    pid, jobs = await scene.victim()
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (512, hard))
        await asyncio.sleep(BEYOND_A_LEASE_S)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    return jobs


@sort("folder of artifacts not writable")
async def _(scene: Scene) -> Sequence[str]:
    folder, jobs = scene.site.settings.artifacts.root, scene.unfinished()
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.touch()  # a file in its place: as root, no mode would keep a worker out
    await asyncio.sleep(1)
    folder.unlink()
    aside.rename(folder)
    return jobs


@sort("scratch folders deleted")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    for pid in scene.site.crew.pids():
        for folder in scratch_of(pid, scene.site.temporary):
            shutil.rmtree(folder, ignore_errors=True)
    return jobs


@sort("service outside refuses")
async def _(scene: Scene) -> Sequence[str]:
    jobs = scene.unfinished()
    scene.site.receiver.is_refusing = True
    await asyncio.sleep(1)
    scene.site.receiver.is_refusing = False
    return jobs
