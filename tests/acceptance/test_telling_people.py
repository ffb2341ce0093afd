"""Somebody told of a question, from the command line to the phone."""

from collections.abc import Callable, Iterator

import pytest
from installed import Installation
from stubs.ntfy import HOST, StubNtfy


@pytest.fixture
def ntfy() -> Iterator[StubNtfy]:
    with StubNtfy() as served:
        yield served


def test_a_person_gives_an_address_tries_it_and_is_told_what_a_job_asks(
    installation: Installation, ntfy: StubNtfy, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    installation.environment |= {"BACKBURNER_NOTICE_HOSTS": HOST, "BACKBURNER_PUBLIC_URL": "https://shelf.example"}
    job = installation.run("run", "approval", "question=Publish this?", "content=# The sea").stdout.strip()

    kept = installation.run("notices", "owner", "--to", ntfy.address("secret-topic"), "--want", "needs_me", "--test")
    eventually(lambda: len(ntfy.posts) == 2)
    wrong = installation.run("notices", "owner", "--to", "json://example.org/", check=False)
    agents = installation.run("notices", "agent", "--to", "ntfy://me", check=False)
    gone = installation.run("notices", "--off")

    assert "secret-topic" not in kept.stdout + kept.stderr
    assert "of: needs_me" in kept.stdout
    assert ntfy.of("secret-topic")[0].title == "A test from Backburner"
    told = ntfy.of("secret-topic")[1]
    assert (told.title.split(":")[0], told.body) == ("Needs you", f"Publish this?\nhttps://shelf.example/jobs/{job}")
    assert (wrong.returncode, agents.returncode) == (2, 2)
    assert "not switched on here" in wrong.stderr
    assert "only people are told" in agents.stderr
    assert "Told nowhere" in gone.stdout
    assert "secret-topic" not in installation.log
