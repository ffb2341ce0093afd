"""The hands: processes that claim jobs, run their handlers and write down how it ended."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    WorkerSettings: type


def __getattr__(name: str) -> Any:
    # `arq worker.WorkerSettings` asks for the class: built only then, so that importing this package has no effects.
    if name == "WorkerSettings":
        from worker.loops import worker_settings  # noqa: PLC0415

        return worker_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
