"""The two loops that bring messages to the hands: arq's own, and one that takes them in batches."""

import asyncio
import logging
import os
import signal
import threading
from contextlib import AsyncExitStack
from typing import Any

from arq.connections import RedisSettings
from arq.worker import Worker, func
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from agent_tools.bell import FUNCTION, RETRY_ON, RedisError, dumps, loads, queue_key
from agent_tools.jobs.kinds import load_kinds
from agent_tools.settings import Settings
from worker.hands import DRAIN_S, Hands, open_hands
from worker.patience import until_the_book_answers

log = logging.getLogger("backburner.worker")

_PATIENCE_S = 0.5
"""How long the batched loop waits for a ring before it looks by itself."""
_HURRY_S = 3.0
"""How long a worker whose supervisor is gone tries to give back what it runs: its servers may be gone with it."""
_FAREWELL_S = 3.0
"""How long arq may take to say goodbye to Redis, after everything is written: left alone, it tries for minutes."""


async def perform_message(ctx: dict[str, Any]) -> None:
    """Perform the job of one message, start to finish. The message's id says which (`id:dispatch`)."""
    hands: Hands = ctx["hands"]
    message = str(ctx["job_id"])
    attempt = await until_the_book_answers(lambda: hands.take(message.partition(":")[0]), f"message {message}")
    if attempt is None:
        if not hands.accepting:
            # Do not hurry through a queue that others should serve: whatever is taken now is rung again later.
            await hands.has_left.wait()
        return
    try:
        # arq keeps running messages in the set, and a hundred of them blind every other worker.
        await hands.bell.forget(hands.queues[0], [message])
    except RedisError as error:
        log.debug("message %s stays in the queue: %s", message, error)
    await attempt


async def _on_startup(ctx: dict[str, Any]) -> None:
    stack = ctx["stack"] = AsyncExitStack()
    hands = ctx["hands"] = await stack.enter_async_context(open_hands(ctx["settings"]))
    _leave_on_signals(hands)


async def _on_shutdown(ctx: dict[str, Any]) -> None:
    if "hands" not in ctx:
        return  # it ended before it began
    await ctx["stack"].aclose()
    if ctx["hands"].threads.is_busy:
        # Python would wait at exit for threads that cannot be stopped; everything is written, so do not.
        log.info("leaving behind threads of jobs that were stopped")
        logging.shutdown()
        os._exit(0)


def _leave_on_signals(hands: Hands) -> None:
    """Replace arq's handlers, which cancel whatever has not begun yet and lose it.

    First no new claims, then our own handlers are stopped and their jobs given back, and only then does the loop end.
    """
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    leaving: list[asyncio.Task[None]] = []

    async def leave(number: int) -> None:
        log.info("%s: giving back %d jobs", signal.Signals(number).name, len(hands.running))
        await hands.leave(_HURRY_S if number == signal.SIGHUP else DRAIN_S)
        # A thread's timer, because closing a connection may hold up the loop.
        farewell = threading.Timer(_FAREWELL_S, os._exit, (0,))
        farewell.daemon = True
        farewell.start()
        if main is not None:
            main.cancel()

    def on_signal(number: int) -> None:
        if not leaving:
            leaving.append(loop.create_task(leave(number)))

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal, number)


def arq_options(settings: Settings) -> dict[str, Any]:
    """How arq is run here, whichever loop: it carries ids, and decides nothing."""
    settings = settings.attached()
    redis_settings = RedisSettings.from_dsn(settings.redis_url)
    # A restart of Redis must end nobody: about two minutes of patience.
    redis_settings.retry = Retry(ExponentialBackoff(cap=2, base=0.1), 60)
    redis_settings.retry_on_error = RETRY_ON
    redis_settings.retry_on_timeout = True
    longest_s = max((kind.timeout_s for kind in load_kinds(settings.kinds).values()), default=0.0)
    return {
        "functions": [func(perform_message, name=FUNCTION)],
        "redis_settings": redis_settings,
        "queue_name": queue_key(settings.queues[0]),
        "on_startup": _on_startup,
        "on_shutdown": _on_shutdown,
        "ctx": {"settings": settings},
        "max_jobs": settings.max_jobs,
        "job_timeout": longest_s + 3600,  # ours ends attempts, arq's never does
        "max_tries": 1,
        "keep_result": 0,
        "retry_jobs": False,
        "log_results": False,
        "job_serializer": dumps,
        "job_deserializer": loads,
    }


def worker_settings() -> type:
    """The class that `arq worker.WorkerSettings` asks for. Raises Misconfigured."""
    settings = Settings.read()
    if len(settings.queues) > 1:
        log.warning("arq serves one queue a process: this one serves %s of %s", settings.queues[0], settings.queues)
    quieten_arq()
    return type("WorkerSettings", (), {**arq_options(settings), "poll_delay": 0.1, "__doc__": "For the arq CLI."})


class BatchedWorker(Worker):
    """arq's worker with one method of its own: many messages a round trip, and the bell instead of a poll."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**{**arq_options(settings), "poll_delay": 0, **options})

    async def _poll_iteration(self) -> None:
        hands: Hands = self.ctx["hands"]
        hands.wake.clear()
        took_all_it_could = False
        if room := hands.room():
            try:
                took_all_it_could = await self._take(hands, room) == room
                await self.heart_beat()
            except RedisError as error:
                log.warning("no messages were taken: %s", error)
                await asyncio.sleep(_PATIENCE_S)
        if not took_all_it_could or not hands.room():
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await hands.wake.wait()
            except TimeoutError:
                pass

    async def _take(self, hands: Hands, room: int) -> int:
        ids: list[str] = []
        for queue in hands.queues:
            if len(ids) < room:
                ids += await hands.bell.take(queue, room - len(ids))
        for task in await until_the_book_answers(lambda: hands.take_all(ids), "a claim"):
            self.tasks[task.get_name()] = task
            task.add_done_callback(lambda done: self.tasks.pop(done.get_name(), None))
        return len(ids)


class _NoFalseDelay(logging.Filter):
    """Removes `delayed=…` from arq's start lines: it takes the fair-queue score for a time."""

    def filter(self, record: logging.LogRecord) -> bool:
        if (
            isinstance(record.args, tuple)
            and record.args
            and isinstance(record.args[-1], str)
            and "delayed=" in record.args[-1]
        ):
            record.args = (0.0, *record.args[1:-1], "")
        return True


def quieten_arq() -> None:
    """Keep arq's log to what is true here."""
    logging.getLogger("arq.worker").addFilter(_NoFalseDelay())
