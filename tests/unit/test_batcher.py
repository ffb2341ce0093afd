"""Bounded coalescing: while one batch is being written, the next one gathers."""

import asyncio
from collections.abc import Sequence

import pytest

from agent_tools.batcher import Batcher


class Refused(Exception):
    """What the writer raises for a batch with a negative number."""


class Writer:
    """Doubles numbers, one batch at a time, each when `let` says so."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.begun = asyncio.Event()

    async def write(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.begun.set()
        await self.open.wait()
        if any(number < 0 for number in numbers):
            raise Refused(f"{list(numbers)}")
        return [2 * number for number in numbers]


async def put_behind_the_first(
    writer: Writer, batcher: Batcher[int, int], numbers: Sequence[int]
) -> list[asyncio.Task[int]]:
    """The first number is being written, the others wait for it."""
    first = asyncio.create_task(batcher.put(numbers[0]))
    await writer.begun.wait()
    rest = [asyncio.create_task(batcher.put(number)) for number in numbers[1:]]
    await asyncio.sleep(0)
    return [first, *rest]


async def test_nobody_waits_while_nothing_is_in_flight() -> None:
    writer = Writer()
    writer.open.set()

    assert await Batcher(writer.write).put(1) == 2
    assert writer.batches == [[1]]


async def test_what_arrives_during_a_write_shares_the_next_one() -> None:
    writer = Writer()
    tasks = await put_behind_the_first(writer, Batcher(writer.write), range(10))

    writer.open.set()

    assert await asyncio.gather(*tasks) == [2 * number for number in range(10)]
    assert writer.batches == [[0], list(range(1, 10))]


async def test_a_batch_has_an_end() -> None:
    writer = Writer()
    tasks = await put_behind_the_first(writer, Batcher(writer.write, most=4), range(10))

    writer.open.set()
    await asyncio.gather(*tasks)

    assert writer.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


async def test_a_caller_that_leaves_while_waiting_takes_nobody_along_and_is_not_written() -> None:
    writer = Writer()
    tasks = await put_behind_the_first(writer, Batcher(writer.write), [1, 2, 3])

    tasks[1].cancel()
    await asyncio.sleep(0)
    writer.open.set()

    assert await asyncio.gather(tasks[0], tasks[2]) == [2, 6]
    assert writer.batches == [[1], [3]]


async def test_a_caller_that_leaves_while_it_is_written_takes_nobody_along() -> None:
    writer = Writer()
    batcher = Batcher(writer.write)
    tasks = await put_behind_the_first(writer, batcher, [1, 2])

    tasks[0].cancel()
    writer.open.set()

    assert await tasks[1] == 4
    assert await batcher.put(3) == 6


async def test_an_error_is_each_callers_of_its_batch_and_nobody_elses() -> None:
    writer = Writer()
    batcher = Batcher(writer.write)
    tasks = await put_behind_the_first(writer, batcher, [1, -2, 3])

    writer.open.set()
    first, *second = await asyncio.gather(*tasks, return_exceptions=True)

    assert first == 2
    assert [str(error) for error in second] == ["[-2, 3]", "[-2, 3]"]
    assert await batcher.put(4) == 8


async def test_where_one_item_may_be_to_blame_each_is_tried_by_itself() -> None:
    writer = Writer()
    tasks = await put_behind_the_first(writer, Batcher(writer.write, alone_on=(Refused,)), [1, -2, 3])

    writer.open.set()
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)

    assert (first, third) == (2, 6)
    assert isinstance(second, Refused)
    assert writer.batches == [[1], [-2, 3], [-2], [3]]


async def test_an_item_that_is_refused_alone_is_not_tried_again() -> None:
    writer = Writer()
    writer.open.set()

    with pytest.raises(Refused):
        await Batcher(writer.write, alone_on=(Refused,)).put(-1)

    assert writer.batches == [[-1]]
