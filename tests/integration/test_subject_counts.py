"""How many jobs lie under each subject: remembered, and never older than what happened last."""

from given import Stores

from agent_tools.app import Backburner
from agent_tools.jobs.job import COMPLETED


async def counted(backburner: Backburner) -> dict[str | None, int]:
    return {count.name: count.jobs for count in await backburner.subjects()}


async def test_until_something_happens_nobody_counts_again(app: Backburner, stores: Stores) -> None:
    stores.book.put(COMPLETED)
    first = await counted(app)
    stores.book.put(COMPLETED)  # without a word

    assert first == await counted(app) == {None: 1}


async def test_whoever_moved_something_sees_it_moved_at_every_door(app: Backburner, stores: Stores) -> None:
    job, other_door = stores.book.put(COMPLETED), app.acting_as(app.who)
    before = await counted(app)

    await app.organise([job], subject="Biology")

    assert (before, await counted(app), await counted(other_door)) == ({None: 1}, {"Biology": 1}, {"Biology": 1})


async def test_what_another_process_did_is_seen_at_the_next_look(app: Backburner, stores: Stores) -> None:
    job = stores.book.put(COMPLETED)
    assert await counted(app) == {None: 1}

    await stores.door.organise(
        stores.book.default.id, app.who.principal, [job], {"subject": "Art", "subject_folded": "art"}
    )

    assert await counted(app) == {"Art": 1}
