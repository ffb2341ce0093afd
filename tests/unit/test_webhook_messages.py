"""Messages of Standard Webhooks: how they are signed, and when they are sent again. Nothing is sent here."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from agent_tools.jobs.webhooks import LONGEST_PAUSE_S, PAUSES_S, failed, headers, new_secret, payload, tried

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


def test_a_message_is_signed_as_the_specification_shows() -> None:
    # The example of the specification's own libraries.
    secret, message = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"

    signed = headers(message, 1614265330.9, b'{"test": 2432232314}', [secret])

    assert signed == {
        "webhook-id": message,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "content-type": "application/json",
    }


def test_while_a_secret_is_changed_both_sign() -> None:
    one, two = new_secret(), new_secret()

    both = headers("msg_1", 0, b"{}", [two, one])["webhook-signature"].split(" ")

    assert both == [headers("msg_1", 0, b"{}", [each])["webhook-signature"] for each in (two, one)]


def test_a_secret_is_256_bits_and_never_the_same() -> None:
    assert len(base64.b64decode(new_secret().removeprefix("whsec_"))) == 32
    assert new_secret() != new_secret()


def test_a_body_says_what_when_and_about_which_job() -> None:
    assert payload("job.completed", NOW, {"job_id": "x", "title": "Füße"}).decode() == (
        '{"type":"job.completed","timestamp":"2026-11-22T06:00:00Z","data":{"job_id":"x","title":"Füße"}}'
    )


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_only_what_begins_with_a_2_is_delivered(status: int) -> None:
    assert tried(1, status, "Fine", "", NOW, 0).delivered


@pytest.mark.parametrize("status", [301, 302, 304, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again_with_growing_pauses_and_given_up_in_the_end(status: int) -> None:
    pauses = [tried(number, status, "No", "", NOW, 0).again_s for number in range(1, 12)]

    assert pauses == [*PAUSES_S, None, None]
    assert PAUSES_S[:4] == (5, 300, 1800, 7200)
    assert PAUSES_S[1] < (failed(2, "No", 1).again_s or 0) <= PAUSES_S[1] * 1.2


def test_gone_is_gone() -> None:
    assert tried(1, 410, "Gone", "", NOW, 0) == (False, None, "410 Gone", True)


@pytest.mark.parametrize(
    ("said", "again_s"),
    [
        ("120", 120),
        ("2", 5),
        ("99999999999", LONGEST_PAUSE_S),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90),
        ((NOW - timedelta(days=9)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 5),
        ("soon", 5),
        ("-5", 5),
        ("", 5),
    ],
)
def test_who_asks_to_be_left_alone_for_a_while_is(said: str, again_s: float) -> None:
    assert tried(1, 503, "No", said, NOW, 0).again_s == again_s
