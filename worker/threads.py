"""Threads that know which job they work for, so that a job's folder outlives the last of them."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from threading import Lock
from typing import Any

CURRENT: ContextVar[int | None] = ContextVar("fence", default=None)
"""The fence of the attempt whose code is running."""


class JobThreads(ThreadPoolExecutor):
    """The loop's default executor. A cancelled `to_thread` call goes on in its thread and keeps its slot."""

    def __init__(self, max_jobs: int) -> None:
        super().__init__(max_workers=max(2 * max_jobs, 8), thread_name_prefix="job")
        self._busy: Counter[int] = Counter()
        self._when_idle: dict[int, Callable[[], None]] = {}
        self._lock = Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """As ThreadPoolExecutor's, counted for the attempt that called."""
        fence = CURRENT.get()
        future = super().submit(fn, *args, **kwargs)
        if fence is not None:
            with self._lock:
                self._busy[fence] += 1
            future.add_done_callback(lambda _: self._done(fence))
        return future

    def when_idle(self, fence: int, then: Callable[[], None]) -> None:
        """Call `then` once no thread works for this attempt: now, or in the thread that ends last."""
        with self._lock:
            if self._busy[fence]:
                self._when_idle[fence] = then
                return
        then()

    @property
    def is_busy(self) -> bool:
        """Whether any thread still works for a job."""
        with self._lock:
            return any(self._busy.values())

    def _done(self, fence: int) -> None:
        with self._lock:
            self._busy[fence] -= 1
            if self._busy[fence]:
                return
            del self._busy[fence]
            then = self._when_idle.pop(fence, None)
        if then:
            then()
