"""The bell: ids in arq's own keys that say there is work, and hints that something changed.

Nothing here is the truth. An id that is lost is rung again by the sweep, one that arrives twice is stopped by the
claim in Postgres, and whoever waits for a hint also looks by himself every two seconds.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import redis
import redis.asyncio
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from agent_tools.jobs.queue import TURNS

__all__ = [
    "FUNCTION",
    "RETRY_ON",
    "Bell",
    "Changes",
    "RedisError",
    "Ring",
    "WatchBell",
    "connect",
    "dumps",
    "loads",
    "queue_key",
]

RETRY_ON = [redis.ConnectionError, redis.TimeoutError, ConnectionError, TimeoutError, OSError]
"""What a restart of Redis looks like from here."""
FUNCTION = "perform_message"
"""The name under which workers register their arq function."""
_WAKE = "backburner:wake"
_CHANGES = "backburner:changes"
# arq never looks at a message's age, only at this key's; the sweep rings again what Redis forgot.
_KEEP_MESSAGE_MS = 7 * 86_400_000
_MESSAGE = json.dumps({"t": None, "f": FUNCTION, "a": [], "k": {}, "et": 0})

# Start-time fair queueing: arq serves the lowest score first and only asks that it is not in the future, so the score
# need not be a time. A lane is a tenant at a priority; virtual time is the lowest score in the queue. A job starts at
# max(virtual time, where its lane has got to) and moves its lane on by a step: an idle lane starts at the head, one
# with a backlog of ten thousand stands only in its own way. arq takes a score of 0 for a missing one: start at 1000.
_RING = """
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local now = 1000
if #head > 0 then now = tonumber(head[2]) else redis.call('DEL', KEYS[2]) end
local i = 4
while i <= #ARGV do
  local lane, step, ids = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local start = math.max(now, tonumber(redis.call('HGET', KEYS[2], lane) or 0))
  for k = i + 3, i + 2 + ids do
    if redis.call('ZADD', KEYS[1], 'NX', start, ARGV[k]) == 1 then
      redis.call('SET', 'arq:job:' .. ARGV[k], ARGV[2], 'PX', ARGV[3])
      start = start + step
    end
  end
  redis.call('HSET', KEYS[2], lane, start)
  i = i + 3 + ids
end
redis.call('PUBLISH', ARGV[1], KEYS[1])
"""

# Takes up to ARGV[1] messages off the queue at once. The short-lived in-progress key is for stock arq workers on the
# same queue: they WATCH it between looking at a message and starting it, so that a take in between makes them let go.
_TAKE = """
local ids = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) + 99)
local taken = {}
for _, id in ipairs(ids) do
  if #taken >= tonumber(ARGV[1]) then break end
  if redis.call('SET', 'arq:in-progress:' .. id, '1', 'PX', 2000, 'NX') then
    taken[#taken + 1] = id
    redis.call('ZREM', KEYS[1], id)
    redis.call('DEL', 'arq:job:' .. id, 'arq:retry:' .. id)
  end
end
return taken
"""

# For each message: 0 it is gone, 1 it waits, 2 a worker took it and it is still in the set.
_LOOK = """
local found = {}
for i, id in ipairs(ARGV) do
  if not redis.call('ZSCORE', KEYS[1], id) then found[i] = 0
  elseif redis.call('EXISTS', 'arq:in-progress:' .. id) == 1 then found[i] = 2
  else found[i] = 1 end
end
return found
"""

# How far a lane moves per job: a high one gets four turns for a normal one's one.
_STEP = {priority: 1024 // turns for priority, turns in TURNS.items()}


class Ring(NamedTuple):
    """A job to ring: its tenant and priority say where in the queue it belongs."""

    id: str
    dispatch: int
    queue: str
    tenant: int
    priority: int

    @property
    def message(self) -> str:
        """A fresh one per ring: arq ignores an id that it still holds."""
        return f"{self.id}:{self.dispatch}"


@dataclass(frozen=True)
class Changes:
    """What changed, as far as a hint says: jobs to look at again, and running attempts that were cancelled."""

    jobs: Sequence[str] = ()
    cancelled: Mapping[str, int] = field(default_factory=dict)
    """Job id → the fence of the attempt that is to stop."""


def queue_key(queue: str) -> str:
    """The Redis key of a queue: `default` is arq's own default queue."""
    return "arq:queue" if queue == "default" else f"arq:queue:{queue}"


def dumps(value: Any) -> bytes:
    """What arq writes, as JSON and never pickle: whoever can write to Redis must not run code here."""
    # arq serialises its own failures even where no result is kept.
    return json.dumps(value, default=repr).encode()


def loads(data: bytes) -> Any:
    """What arq reads."""
    return json.loads(data)


def connect(redis_url: str, *, patience_s: float = 2) -> redis.asyncio.Redis:
    """A client that survives a restart of Redis, and gives up on one call after about `patience_s`."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        redis_url,
        socket_timeout=patience_s,
        socket_connect_timeout=patience_s,
        retry=redis.asyncio.retry.Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        retry_on_error=RETRY_ON,
        health_check_interval=10,
    )
    return client


class Bell:
    """Ringing, taking and listening over one client."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._ring, self._take = client.register_script(_RING), client.register_script(_TAKE)

    async def ring(self, rings: Iterable[Ring]) -> None:
        """Put the ids into their queues and wake idle workers: one script a queue. Raises RedisError."""
        for queue, arguments in _by_queue(rings).items():
            await self._ring([queue_key(queue), f"{queue_key(queue)}:lanes"], arguments)

    async def take(self, queue: str, room: int) -> list[str]:
        """Up to `room` job ids off the queue, the fairest first. Raises RedisError."""
        return [message.decode().partition(":")[0] for message in await self._take([queue_key(queue)], [room])]

    async def forget(self, queue: str, messages: Sequence[str]) -> None:
        """Remove messages whose job was claimed: arq keeps running ones in the set, and a hundred of them blind every worker."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.zrem(queue_key(queue), *messages)
            pipe.delete(*(f"arq:{key}:{message}" for message in messages for key in ("job", "in-progress", "retry")))
            await pipe.execute()

    async def tell(self, changes: Changes) -> None:
        """Publish a hint. Raises RedisError."""
        await self._client.publish(
            _CHANGES, json.dumps({"jobs": list(changes.jobs), "cancelled": dict(changes.cancelled)})
        )

    async def ping(self) -> None:
        """Whether Redis is there at all. Raises RedisError."""
        await self._client.ping()

    async def changes(self) -> AsyncIterator[Changes]:
        """Hints as they come. Ends with RedisError when the connection does."""
        async for _, data in self._listen(_CHANGES):
            yield Changes(**json.loads(data))

    async def wakes(self) -> AsyncIterator[str]:
        """The key of a queue, each time something was rung in it. Ends with RedisError when the connection does."""
        async for _, data in self._listen(_WAKE):
            yield data.decode()

    async def _listen(self, *channels: str) -> AsyncIterator[tuple[str, bytes]]:
        async with self._client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(*channels)
            while True:
                # In short waits, so that the connection's health is checked in between.
                message = await pubsub.get_message(timeout=1)
                if message is not None:
                    yield message["channel"].decode(), message["data"]


class WatchBell:
    """What the sweep needs of Redis, blocking and impatient: a beat waits behind it."""

    GONE, WAITS, TAKEN = range(3)

    def __init__(self, redis_url: str, *, patience_s: float = 0.5) -> None:
        self._client = redis.Redis.from_url(
            redis_url,
            socket_timeout=patience_s,
            socket_connect_timeout=patience_s,
            retry=Retry(ExponentialBackoff(), 0),
        )
        self._ring, self._look = self._client.register_script(_RING), self._client.register_script(_LOOK)

    def ping(self) -> None:
        """Whether Redis is there at all. Raises RedisError."""
        self._client.ping()

    def ring(self, rings: Iterable[Ring]) -> None:
        """As Bell.ring. Raises RedisError."""
        for queue, arguments in _by_queue(rings).items():
            self._ring([queue_key(queue), f"{queue_key(queue)}:lanes"], arguments)

    def look(self, queue: str, messages: Sequence[str]) -> list[int]:
        """GONE, WAITS or TAKEN for each message. Raises RedisError."""
        found: list[int] = self._look([queue_key(queue)], list(messages))
        return found

    def forget(self, queue: str, message: str) -> None:
        """As Bell.forget, for one message. Raises RedisError."""
        self._client.zrem(queue_key(queue), message)
        self._client.delete(f"arq:job:{message}", f"arq:in-progress:{message}", f"arq:retry:{message}")

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


def _by_queue(rings: Iterable[Ring]) -> dict[str, list[Any]]:
    lanes: dict[str, dict[tuple[int, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for ring in rings:
        lanes[ring.queue][ring.tenant, ring.priority].append(ring.message)
    arguments: dict[str, list[Any]] = {}
    for queue, by_lane in lanes.items():
        arguments[queue] = [_WAKE, _MESSAGE, _KEEP_MESSAGE_MS]
        for (tenant, priority), messages in by_lane.items():
            arguments[queue] += [f"{tenant}:{priority}", _STEP[priority], len(messages), *messages]
    return arguments
