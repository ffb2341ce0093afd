"""What is missing on this machine, and how to get it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

from agent_tools import bell
from agent_tools.app import Backburner
from agent_tools.embedded import BinariesMissing, EmbeddedError, Home, Runtime, find_postgres, find_redis
from agent_tools.jobs.errors import BackburnerError, StoreUnavailable
from agent_tools.jobs.kinds import load_kinds
from agent_tools.jobs.signature import lack, lacks
from agent_tools.jobs.trouble import Keeping, troubles
from agent_tools.operating import look
from agent_tools.opus import Opus, OpusError
from agent_tools.scrape.reading import LIBRARIES
from agent_tools.settings import Settings, masked

OPUS_WITHIN_S = 15
MODEL_WITHIN_S = 15


class Finding(NamedTuple):
    """One thing looked at. `is_well` None: not needed here, or only worth knowing."""

    what: str
    is_well: bool | None
    said: str


async def findings(settings: Settings) -> list[Finding]:
    """Everything looked at, from the ground up."""
    found = [*_home(settings), await _store(settings), *_binaries(settings)]
    runtime = Runtime.read(Home(settings.home))
    if runtime:
        found.append(Finding("up", True, f"process {runtime.pid} runs in {settings.home}"))
    else:
        found.append(Finding("up", None, f"none runs in {settings.home}; start it with 'backburner up'"))
    if runtime or (settings.database_url and settings.redis_url):
        found += [each async for each in _servers(settings.attached())]
    outside = [await _model(settings), await _presenton(settings), *[each async for each in _opus(settings)]]
    return [*found, *_kinds(settings), *_scraping(), *_folders(settings), *outside]


def _home(settings: Settings) -> Iterator[Finding]:
    home = Home(settings.home)
    try:
        home.make()
        free = shutil.disk_usage(home.path).free / 1e9
        yield Finding("home", free > 0.5, f"{home}, {free:.1f} GB free{'' if free > 0.5 else ': make room'}")
    except EmbeddedError as error:
        yield Finding("home", False, str(error))


async def _store(settings: Settings) -> Finding:
    place = settings.artifacts
    where = place.address("").rstrip("/")
    try:
        await asyncio.to_thread(place.test)
    except StoreUnavailable as error:
        return Finding("artifacts", False, str(error))
    except OSError as error:
        return Finding(
            "artifacts", False, f"{where}: {error.strerror}. Make it a folder that this account may write to"
        )
    return Finding("artifacts", True, f"{where} can be written, read and deleted from")


def _binaries(settings: Settings) -> Iterator[Finding]:
    for name, url, find in (
        ("postgres", settings.database_url, find_postgres),
        ("redis", settings.redis_url, find_redis),
    ):
        if url:
            yield Finding(f"{name} program", None, f"not needed: {masked(url)} is used")
            continue
        try:
            found = find()
            yield Finding(f"{name} program", True, str(found if isinstance(found, Path) else found.postgres))
        except BinariesMissing as error:
            yield Finding(f"{name} program", False, str(error))


async def _servers(settings: Settings) -> AsyncIterator[Finding]:
    try:
        async with Backburner.open(settings) as backburner:
            yield Finding("database", True, masked(settings.database_url))
            alive = [worker for worker in await backburner.workers() if worker.is_alive]
            for worker in alive:
                busy = f"{worker.running} of {worker.max_jobs} slots taken"
                yield Finding("worker", True, f"{worker.name} runs {', '.join(worker.kinds) or 'no kind'}; {busy}")
            told = await backburner.webhooks.all()
            waiting, given_up = sum(each.waiting for each in told), sum(each.given_up for each in told)
            if told:
                said = f"{len(told)} addresses; {waiting} messages wait, {given_up} were given up"
                yield Finding("webhooks", None if given_up else True, said)
            for trouble in troubles(await look(backburner)):
                yield Finding("trouble", False if trouble.is_urgent else None, f"{trouble.said} {trouble.do}".strip())
            yield _keeping(settings, await backburner.operations.keeping())
    except BackburnerError as error:
        yield Finding("database", False, str(error))
    yield await _redis(settings)


def _keeping(settings: Settings, rule: Keeping) -> Finding:
    if rule.days != settings.keep_days:
        said = (
            f"BACKBURNER_KEEP_DAYS is {settings.keep_days or 'unset'} here, and workers go by {rule.days or 'no'} days"
        )
        return Finding(
            "keeping", None, f"{said}: give all the same, and start them again. While they differ, nothing goes"
        )
    return Finding(
        "keeping",
        True,
        f"what completed and nobody filed goes after {rule.days} days"
        if rule.days
        else "what completed is kept for ever",
    )


async def _redis(settings: Settings) -> Finding:
    client = bell.connect(settings.redis_url)
    try:
        policy = (await client.config_get("maxmemory-policy")).get("maxmemory-policy", "unknown")
        if policy != "noeviction":
            return Finding(
                "redis", False, f"its maxmemory-policy is {policy}: it may forget what it was told. Set noeviction"
            )
        return Finding("redis", True, masked(settings.redis_url))
    except bell.RedisError as error:
        return Finding("redis", False, f"{masked(settings.redis_url)}: {error}")
    finally:
        await client.aclose()


async def _presenton(settings: Settings) -> Finding:
    from agent_tools.presenton import Presenton, PresentonRefused, PresentonUnavailable  # noqa: PLC0415 - brings httpx2

    if not settings.presenton_url:
        return Finding("presenton", None, "not used: decks are made here; PRESENTON_URL says where one is")
    try:
        async with Presenton(settings) as presenton:
            await presenton.tasks(most=1)
    except (PresentonRefused, PresentonUnavailable) as error:
        return Finding("presenton", False, f"{masked(settings.presenton_url)}: {error}")
    return Finding("presenton", True, masked(settings.presenton_url))


def _kinds(settings: Settings) -> Iterator[Finding]:
    kinds = load_kinds(settings.kinds)
    for kind in kinds.values():
        lack = " ".join(lacks(kind.needs, os.environ))
        yield Finding(f"kind {kind.name}", None if lack else True, lack or "can run here")
    for name, reason in kinds.broken.items():
        yield Finding(f"kind {name}", False, reason)


def _scraping() -> Iterator[Finding]:
    missing = lack(LIBRARIES, {})
    yield Finding(
        "scrape",
        None if missing else True,
        f"{missing} pip install 'backburner[scrape]'" if missing else "can read feeds and pages",
    )


def _folders(settings: Settings) -> Iterator[Finding]:
    """Those that settings name."""
    if settings.files:
        is_there = Path(settings.files).is_dir()
        yield Finding("files", is_there, f"{settings.files}{'' if is_there else ' is no folder: set BACKBURNER_FILES'}")
    named = settings.whisper_model
    if named and ("/" in named or Path(named).is_dir()):
        is_there = (Path(named) / "model.bin").is_file()
        wrong = ": there is no model.bin in it. WHISPER_MODEL is the folder of a faster-whisper model"
        yield Finding("whisper", is_there, f"{named}{'' if is_there else wrong}")


async def _model(settings: Settings) -> Finding:
    from agent_tools.llm import Llm, LlmError  # noqa: PLC0415 - brings httpx2

    if not (settings.llm_base_url and settings.llm_model):
        return Finding(
            "model", None, "not used: LLM_BASE_URL and LLM_MODEL name an OpenAI-compatible server and its model"
        )
    where = f"{settings.llm_model} at {masked(settings.llm_base_url)}"
    try:
        async with asyncio.timeout(MODEL_WITHIN_S), Llm(settings) as llm:
            offered = await llm.offered()
    except (LlmError, TimeoutError) as error:
        return Finding("model", False, f"{where}: {str(error) or f'did not answer within {MODEL_WITHIN_S} s'}")
    if offered and settings.llm_model not in offered:
        return Finding("model", False, f"{where}: the server has {', '.join(offered[:8])}. LLM_MODEL is one of these")
    return Finding("model", True, where)


async def _opus(settings: Settings) -> AsyncIterator[Finding]:
    if not (settings.opus_service_key.get_secret_value() and settings.opus_workflow_id):
        return
    try:
        async with asyncio.timeout(OPUS_WITHIN_S), Opus(settings) as opus:
            workflow = await opus.workflow(settings.opus_workflow_id)
    except (OpusError, TimeoutError) as error:
        yield Finding("opus", False, str(error) or f"did not answer within {OPUS_WITHIN_S} s")
        return
    yield Finding("opus", True, workflow.in_words())
