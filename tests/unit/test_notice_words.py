"""In which words people are told, and what may be shown of where."""

import pytest

from agent_tools.jobs.notices import Notice, notice
from agent_tools.postman import masked

BASE = "https://shelf.example"


def ask(job: str = "0a", title: str = "Post", **more: object) -> dict[str, object]:
    return {"job": job, "title": title, "kind": "approval", "question": "Publish?", "is_new": True, **more}


def end(job: str = "0b", status: str = "completed", **more: object) -> dict[str, object]:
    return {"job": job, "title": "Tides", "kind": "page", "status": status, **more}


@pytest.mark.parametrize(
    ("asks", "ends", "said"),
    [
        ([ask()], [], Notice("Needs you: Post", f"Publish?\n{BASE}/jobs/0a")),
        ([ask(is_new=False)], [], Notice("Still needs you: Post", f"Publish?\n{BASE}/jobs/0a")),
        ([], [end()], Notice("Done: Tides", f"{BASE}/jobs/0b")),
        ([], [end(status="failed")], Notice("Failed: Tides", f"{BASE}/jobs/0b")),
        ([], [end(title="", kind="opus_run")], Notice("Done: Opus run", f"{BASE}/jobs/0b")),
        ([], [end("0b"), end("0c")], Notice("2 done", f"Done: Tides\nDone: Tides\n{BASE}/")),
        (
            [ask()],
            [end(), end("0c", "failed")],
            Notice(
                "One thing waits for you, 1 done, 1 failed",
                f"Needs you: Post\nDone: Tides\nFailed: Tides\n{BASE}/waiting",
            ),
        ),
        (
            [ask(), ask(is_new=False)],
            [],
            Notice("2 things wait for you", f"Needs you: Post\nStill needs you: Post\n{BASE}/jobs/0a"),
        ),
    ],
)
def test_the_first_words_say_what_and_the_link_leads_to_all_of_it(
    asks: list[dict[str, object]], ends: list[dict[str, object]], said: Notice
) -> None:
    assert notice(asks, ends, BASE) == said


def test_where_nothing_is_served_there_is_no_link() -> None:
    assert notice([], [end()], None) == Notice("Done: Tides", "Done: Tides")


def test_what_others_wrote_stays_one_short_line_and_turns_nothing_round() -> None:
    (title, body) = notice([ask(title="a\r\nb\u202egnp.exe\x1b[31m" + "x" * 500, question="Sure?\nBcc: all")], [], None)

    assert title.startswith("Needs you: a")
    assert title.isprintable()
    assert len(title) < 120
    assert body == "Sure?"


@pytest.mark.parametrize("call", ["@everyone", "@Here", "<!channel>", "<@U123>", "<#C1>"])
def test_what_others_wrote_calls_nobody_in_a_chat_service(call: str) -> None:
    (title, body) = notice([ask(title=f"Ask {call}, please", question=f"{call}?")], [], None)

    assert call not in title
    assert call not in body
    assert title.replace("\N{WORD JOINER}", "") == f"Needs you: Ask {call}, please"
    assert notice([ask(title="Write to a@hereford.org")], [], None).title == "Needs you: Write to a@hereford.org"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ntfy://secret-topic", "ntfy://•••"),
        ("ntfys://tk_secret@ntfy.example.org/secret-topic", "ntfys://ntfy.example.org/•••"),
        ("mailtos://user:secret@mail.example.org?to=secret@example.org", "mailtos://mail.example.org/•••"),
        ("mailtos://secret%40x.org:secret@mail.example.org:465/secret@y.org", "mailtos://mail.example.org:465/•••"),
        ("mailtos://user:se.c/ret@mail.example.org", "mailtos://•••"),
        ("mailtos://user:se.c?ret@mail.example.org", "mailtos://•••"),
        ("slack://T1JJ3T3L2/secret/secret", "slack://•••"),
        ("tgram://1234:secret/secret", "tgram://•••"),
        ("https://hooks.slack.com/services/secret", "https://•••"),
        ("join://secret.with.dots/group", "join://•••"),
        ("marta@example.org", "m•••@example.org"),
    ],
)
def test_of_an_address_only_what_is_no_secret_is_shown(address: str, shown: str) -> None:
    assert masked(address) == shown
