"""The heartbeat: leases kept and lost jobs swept by a thread of its own, which no handler can block."""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent_tools.jobs.errors import BackburnerError
from agent_tools.settings import Settings
from sql.watch import WatchStore
from worker.sweep import Sweep

if TYPE_CHECKING:
    from worker.hands import Hands

log = logging.getLogger("backburner.beat")

BLOCKED_EXIT_CODE = 70
"""The loop did not answer: the supervisor starts a new process."""
_UNANSWERED = 3


class Beat(threading.Thread):
    """Beats every third of a lease and sweeps every second, until `stop`."""

    def __init__(self, hands: "Hands", settings: Settings, sweep: Sweep, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="beat", daemon=True)
        self._hands, self._sweep, self._loop = hands, sweep, loop
        self._lease_s, self._beat_s, self._tick_s = (
            settings.lease_s,
            settings.beat_s,
            min(settings.sweep_s, settings.beat_s),
        )
        self._book = WatchStore(settings.database_url, statement_timeout_s=settings.lease_s / 3)
        self._stopping = threading.Event()
        self._loop_thread = threading.get_ident()
        self._sent = self._answered = 0
        self._unanswered = 0
        self._is_away = False

    def stop(self) -> None:
        """Say that this worker has left, and end the thread."""
        self._stopping.set()
        self.join(timeout=self._lease_s)

    def run(self) -> None:
        """The thread's life."""
        next_beat = last_tick = time.monotonic()
        while not self._stopping.wait(self._tick_s):
            now = time.monotonic()
            was_stopped = now - last_tick > 2 * self._tick_s + 0.5
            last_tick = now
            if now >= next_beat:
                next_beat = now + self._beat_s
                self._guarded(self._beat)
                self._watch_the_loop(was_stopped)
            self._guarded(lambda: self._sweep.tick(self._book))
        self._guarded(lambda: self._book.stop(self._hands.worker))
        self._book.close()
        self._sweep.close()

    def _beat(self) -> None:
        held = self._hands.held()
        kept = self._book.beat(self._hands.worker, self._lease_s, held)
        lost = [attempt for attempt in held if attempt not in kept]
        if lost:
            self._loop.call_soon_threadsafe(self._hands.stop_running, lost, "lost")

    def _watch_the_loop(self, was_stopped: bool) -> None:
        """Count beats that the loop left unanswered; those around a SIGSTOP do not count, nobody ran then."""
        if self._answered == self._sent or was_stopped:
            self._unanswered = 0
        else:
            self._unanswered += 1
            self._say_who_blocks()
        if self._unanswered >= _UNANSWERED:
            log.critical("the loop did not answer %d beats; leaving so that a new process can begin", _UNANSWERED)
            logging.shutdown()
            os._exit(BLOCKED_EXIT_CODE)
        self._sent += 1
        self._loop.call_soon_threadsafe(self._answer, self._sent)

    def _answer(self, number: int) -> None:
        self._answered = number

    def _say_who_blocks(self) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        where = "".join(traceback.format_stack(frame)[-3:]) if frame else "nowhere\n"
        log.error(
            "the loop has not answered for %.0f s; jobs here: %s; it is at:\n%s",
            self._unanswered * self._beat_s,
            ", ".join(job_id for job_id, _ in self._hands.held()) or "none",
            where.rstrip(),
        )

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
            if self._is_away:
                log.info("Postgres is back")
                self._is_away = False
        except BackburnerError as error:
            if not self._is_away:
                log.warning("no beat: %s", error)
            self._is_away = True
            self._book.close()
        except Exception:
            log.exception("a beat failed")
            self._book.close()
