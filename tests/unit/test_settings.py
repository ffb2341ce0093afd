"""The settings of an installation, from the environment."""

from pathlib import Path

import pytest

from agent_tools.jobs.errors import Misconfigured
from agent_tools.settings import Settings, masked


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BACKBURNER_PORT", "99999", "less than or equal to 65535"),
        ("BACKBURNER_PORT", "http", "valid integer"),
        ("BACKBURNER_MAX_JOBS", "0", "greater than or equal to 1"),
        ("BACKBURNER_LEASE_S", "0.1", "greater than or equal to 0.5"),
        ("BACKBURNER_REMIND", "1d,often", "'often' is no duration"),
        ("BACKBURNER_REMIND", "1m", "write 1d,3d,7d, or off"),
        ("BACKBURNER_NOTICE_MAIL", "smtp://mail.example.org", "must begin with mailto://"),
        ("BACKBURNER_ARTIFACTS_URL", "ftp://bucket", r"must be a folder \(a path or file:///…\), s3://bucket/prefix"),
        ("BACKBURNER_ARTIFACTS_URL", "s3://", r"must be a folder \(a path or file:///…\), s3://bucket/prefix"),
        (
            "BACKBURNER_ARTIFACTS_URL",
            "s3://key:secret@bucket",
            r"must be a folder \(a path or file:///…\), s3://bucket",
        ),
    ],
)
def test_a_bad_variable_is_named_with_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured, match=f"The settings are not usable. {name}: .*{said}"):
        Settings.read()


def test_variables_that_are_not_ours_are_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BACKBURNER_HOME", raising=False)
    for name, value in {"HOME": str(tmp_path), "PORT": "x", "QUEUES": "x", "LOG_LEVEL": "x", "KINDS": "x"}.items():
        monkeypatch.setenv(name, value)

    settings = Settings.read()

    assert settings.home != tmp_path
    assert (settings.port, settings.queues, settings.kinds, settings.log_level) == (
        8808,
        ("default", "media"),
        (),
        "INFO",
    )


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_HOME", "")
    monkeypatch.setenv("BACKBURNER_PORT", "")

    settings = Settings.read()

    assert settings.home.name == "backburner"
    assert settings.port == 8808


def test_every_bad_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_PORT", "x")
    monkeypatch.setenv("BACKBURNER_SWEEP_S", "x")

    with pytest.raises(Misconfigured, match=r"BACKBURNER_PORT: .*; BACKBURNER_SWEEP_S: "):
        Settings.read()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("default,media", ("default", "media")),
        (" default , media ,", ("default", "media")),
        ("", ()),
        ("media", ("media",)),
    ],
)
def test_words_are_told_apart_by_commas(monkeypatch: pytest.MonkeyPatch, value: str, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("BACKBURNER_KINDS", value)

    assert Settings.read().kinds == words


@pytest.mark.parametrize("url", ["/srv/files", "file:///srv/files"])
def test_artifacts_lie_in_the_folder_that_was_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BACKBURNER_ARTIFACTS_URL", url)

    assert Settings.read().artifacts.address("1/a.txt") == "/srv/files/1/a.txt"


def test_artifacts_lie_in_the_bucket_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_ARTIFACTS_URL", "s3://shelf/ours/")

    assert Settings.read().artifacts.address("1/a.txt") == "s3://shelf/ours/1/a.txt"


@pytest.mark.parametrize(("value", "pauses"), [("", (86_400, 259_200, 604_800)), ("12h", (43_200,)), ("off", ())])
def test_people_are_reminded_after_the_pauses_that_were_set(
    monkeypatch: pytest.MonkeyPatch, value: str, pauses: tuple[float, ...]
) -> None:
    monkeypatch.setenv("BACKBURNER_REMIND", value)

    assert Settings.read().remind_s == pauses


def test_two_beats_may_be_lost_before_a_lease_is() -> None:
    settings = Settings(BACKBURNER_LEASE_S=15)

    assert 3 * settings.beat_s <= settings.lease_s


def test_without_servers_it_says_what_to_set_or_start(tmp_path: Path) -> None:
    alone = Settings(DATABASE_URL="postgresql://here/db", REDIS_URL="", BACKBURNER_HOME=tmp_path)

    with pytest.raises(Misconfigured, match=r"^REDIS_URL: not set, and no 'backburner up' runs with home "):
        alone.attached()


def test_with_both_addresses_set_nothing_else_is_asked(tmp_path: Path) -> None:
    settings = Settings(
        DATABASE_URL="postgresql://here/db", REDIS_URL="redis://here", BACKBURNER_HOME=tmp_path / "absent"
    )

    assert settings.attached() is settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@host:5432/db", "postgresql://user:•••@host:5432/db"),
        ("postgresql://user:se@cr:et@host/db", "postgresql://user:•••@host/db"),
        ("redis://:secret@host:6379/0", "redis://:•••@host:6379/0"),
        ("postgresql://user@host/db?sslmode=require&password=secret&connect_timeout=5", "postgresql://user@host/db?sslmode=require&password=•••&connect_timeout=5"),
        ("host=here user=me password=secret dbname=db", "host=here user=me password=••• dbname=db"),
        ("host=here password = 'se\\'cr et' dbname=db", "host=here password = ••• dbname=db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("/srv/files", "/srv/files"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_password_is_not_shown_wherever_it_stands(url: str, shown: str) -> None:
    assert masked(url) == shown


def test_what_is_shown_names_every_variable_and_no_secret() -> None:
    shown = Settings(DATABASE_URL="postgresql://u:secret@h/db", REDIS_URL="redis://:secret@h").shown()

    assert {"DATABASE_URL", "REDIS_URL", "BACKBURNER_HOME", "BACKBURNER_LEASE_S"} <= set(shown)
    assert all(what_for for _, what_for in shown.values())
    assert "secret" not in str(shown)


@pytest.mark.parametrize("remind", ["1d,36h", "off"])
def test_what_is_shown_can_be_set_again(monkeypatch: pytest.MonkeyPatch, remind: str) -> None:
    settings = Settings(BACKBURNER_QUEUES="default,media", BACKBURNER_DRILLS="1", BACKBURNER_REMIND=remind)
    for name, (value, _) in settings.shown().items():
        if "•" not in value and "*" not in value:
            monkeypatch.setenv(name, value)

    assert Settings.read() == settings
