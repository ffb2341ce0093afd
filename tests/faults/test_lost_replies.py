"""A connection to Postgres that breaks at the worst moment: after the commit, before the reply."""

from rig.book import Book
from rig.drills import drills
from rig.patience import eventually
from rig.processes import StartWorker
from rig.proxy import Proxy
from rig.receiver import Receiver

from agent_tools.app import Backburner

LONGER_THAN_A_LEASE_S = 3


async def test_a_settle_whose_reply_was_lost_is_seen_to_be_our_own_and_its_files_stay(
    backburner: Backburner, book: Book, worker: StartWorker, proxy: Proxy, receiver: Receiver
) -> None:
    working = await worker(DATABASE_URL=proxy.url)
    proxy.drop_reply_to("settle_jobs")
    (job,) = await drills(backburner, 1, result_bytes=100_000, effect_url=receiver.url)

    await eventually(lambda: f"job {job} was settled before as completed" in working.log)

    book.assert_sound()
    assert proxy.dropped["settle_jobs"] == 1
    assert (book.one(job)["status"], book.one(job)["attempt"], receiver.of(job)) == ("completed", 1, 1)
    kept = await backburner.get(job)
    assert backburner.artifact_path(kept, kept.artifacts[0]).stat().st_size == kept.artifacts[0].bytes


async def test_a_step_whose_reply_was_lost_is_recorded_once_and_the_attempt_goes_on(
    backburner: Backburner, book: Book, worker: StartWorker, proxy: Proxy
) -> None:
    await worker(DATABASE_URL=proxy.url)
    proxy.drop_reply_to("record_step", times=2)
    (job,) = await drills(backburner, 1, steps=3)

    await eventually(lambda: book.ended(1))

    book.assert_sound()
    assert proxy.dropped["record_step"] == 2
    assert (book.one(job)["status"], book.one(job)["attempt"]) == ("completed", 1)
    assert book.number("SELECT count(*) FROM job_steps") == 3


async def test_jobs_of_a_claim_whose_reply_was_lost_begin_soon_and_count_no_crash(
    backburner: Backburner, book: Book, worker: StartWorker, proxy: Proxy, receiver: Receiver
) -> None:
    await worker(DATABASE_URL=proxy.url, BACKBURNER_LEASE_S=30)
    proxy.drop_reply_to("claim_jobs")
    jobs = await drills(backburner, 5, effect_url=receiver.url)

    await eventually(lambda: book.ended(5))

    book.assert_sound()
    assert proxy.dropped["claim_jobs"] == 1
    assert [(book.one(job)["status"], book.one(job)["crashes"], receiver.of(job)) for job in jobs] == [
        ("completed", 0, 1)
    ] * 5


async def test_a_network_away_for_longer_than_a_lease_makes_no_crash_of_jobs_that_run_on(
    backburner: Backburner, book: Book, worker: StartWorker, proxy: Proxy, receiver: Receiver
) -> None:
    one, other = await worker(DATABASE_URL=proxy.url), await worker(DATABASE_URL=proxy.url)
    jobs = await drills(backburner, 15, seconds=4, effect_url=receiver.url)
    await eventually(lambda: len(book.running()) == 15)

    proxy.go_away()
    await eventually(
        lambda: book.number("SELECT count(*) FROM jobs WHERE lease_until < now() - interval '0.5 s'") == 15
    )
    proxy.come_back()
    await eventually(lambda: book.ended(15))

    book.assert_sound()
    assert [(book.one(job)["status"], book.one(job)["crashes"], receiver.of(job)) for job in jobs] == [
        ("completed", 0, 1)
    ] * 15
    assert "fell silent" not in one.log + other.log
