"""One worker process with the batched loop: `python -m worker`, as the supervisor starts it."""

import asyncio
import logging
import os
import signal

import uvloop

from agent_tools import logs
from agent_tools.embedded import launch
from agent_tools.jobs.errors import BackburnerError
from agent_tools.settings import Settings
from worker.loops import BatchedWorker, quieten_arq


def main() -> int:
    """Work until SIGTERM; 78 when this installation is not usable as it is."""
    asyncio.set_event_loop(uvloop.new_event_loop())
    if parent := os.environ.get("BACKBURNER_SUPERVISOR"):
        launch.die_with(int(parent), signal.SIGHUP)
    try:
        settings = Settings.read()
        logs.begin(settings.log_level)
        logging.getLogger("arq.worker").setLevel(logging.WARNING)
        quieten_arq()
        BatchedWorker(settings).run()
    except BackburnerError as error:
        logging.getLogger("backburner.worker").critical("%s", error)
        return 78
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
