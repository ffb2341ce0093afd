"""Stock arq: what `arq bench.stock.WorkerSettings` runs."""

import os

from arq.connections import RedisSettings

from bench.handlers import noop


class WorkerSettings:
    """arq as it comes: its own loop, serialiser, log and kept results."""

    functions = (noop,)
    redis_settings = RedisSettings.from_dsn(os.environ.get("REDIS_URL", ""))
    max_jobs = int(os.environ.get("BENCH_MAX_JOBS", "10"))
    poll_delay = float(os.environ.get("BENCH_POLL_DELAY", "0.5"))  # 0.5 s is arq's default
