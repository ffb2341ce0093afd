"""Where notices may go, and what the process that sends them may do besides: nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from stubs.ntfy import HOST, StubNtfy

from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.notices import Notice
from agent_tools.postman import NotTaken, Postman
from agent_tools.settings import Settings

NOTICE = Notice("Needs you: Post", "Publish?")


@pytest.fixture
def ntfy() -> Iterator[StubNtfy]:
    with StubNtfy() as served:
        yield served


async def refused(address: str, *services: str, hosts: tuple[str, ...] = ()) -> str:
    """Why it was not taken."""
    with pytest.raises(NotTaken) as error:
        await Postman(services, hosts).send(address, NOTICE)
    return str(error.value)


async def test_private_addresses_are_for_those_whom_the_operator_names(ntfy: StubNtfy) -> None:
    address = ntfy.address("me").replace(HOST, "localhost")

    assert "127.0.0.1, which is no public address" in await refused(address, "ntfy")
    assert "no public address" in await refused(address, "ntfy", hosts=("192.0.2.7", "nowhere.invalid"))
    await Postman(("ntfy",), ("localhost",)).send(address, NOTICE)

    assert ntfy.of("me") == [NOTICE]


async def test_a_mail_server_given_on_the_side_is_judged_like_any_other() -> None:
    said = await refused("mailto://u:p@example.org?smtp=127.0.0.1&to=me@example.org", "mailto")

    assert "127.0.0.1, which is no public address" in said


@pytest.mark.parametrize(
    "address",
    ["json://example.org/", "xml://example.org", "form://example.org", "apprise://example.org/token", "syslog://", "dbus://", "windows://",
     "macosx://", "gnome://", "https://example.org/hook", "ftp://example.org"],
)  # fmt: skip
async def test_what_does_more_than_carry_a_message_to_a_person_is_not_switched_on(address: str) -> None:
    with pytest.raises(
        BadRequest, match=r"not switched on here|no address that notices can be sent to|looks like ntfy"
    ):
        await Postman.of(Settings()).check(address)


async def test_what_acts_on_the_machine_is_refused_even_where_it_is_switched_on() -> None:
    assert "acts on the machine itself" in await refused("syslog://", "syslog")


async def test_no_file_of_the_machine_is_read_for_an_address(ntfy: StubNtfy, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("secret")
    address = f"workflow://{ntfy.address('')[7:]}abcdefgh/signature?template={tmp_path}/secret.json"

    said = await refused(address, "workflow", "workflows", hosts=(HOST,))

    assert "names a file of the machine" in said
    assert ntfy.posts == []


async def test_the_process_is_given_nothing_of_ours(
    ntfy: StubNtfy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine {HOST} login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: list[bytes] = []
    ntfy.on_post = lambda post: seen.extend(_environments_of_children())

    await Postman(("ntfy",), (HOST,)).send(ntfy.address("me"), NOTICE)

    assert ntfy.of("me") == [NOTICE]
    assert seen
    assert not any(b"PROXY" in each or b"proxy" in each or str(tmp_path).encode() in each for each in seen)


def _environments_of_children() -> list[bytes]:
    children = [path for path in Path("/proc").glob("[0-9]*/status") if f"PPid:\t{os.getpid()}\n" in path.read_text()]
    return [
        (path.parent / "environ").read_bytes()
        for path in children
        if b"postman_process" in (path.parent / "cmdline").read_bytes()
    ]


@pytest.mark.parametrize(
    "address", ["", "   ", "two words", "ntfy://a\nntfy://b", "ntfy", "ntfy://", "slack://too-short", "x" * 3000]
)
async def test_what_is_no_address_is_refused_when_it_is_given(address: str) -> None:
    with pytest.raises(BadRequest):
        await Postman.of(Settings()).check(address)


async def test_an_address_as_the_service_itself_gives_it_is_understood() -> None:
    webhook = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"

    assert await Postman.of(Settings()).check(f"  {webhook} ") == webhook


async def test_a_mail_address_alone_is_enough_where_the_operator_has_a_mail_server() -> None:
    with pytest.raises(BadRequest, match="no mail server of its own"):
        await Postman.of(Settings()).check("me@example.org")

    ours = Settings(BACKBURNER_NOTICE_MAIL="mailtos://user:secret@mail.example.org?from=backburner@example.org")
    assert await Postman.of(ours).check("me@example.org") == "me@example.org"
    assert "secret" not in str(ours.shown())


async def test_a_mail_address_can_say_nothing_but_who_is_to_be_told() -> None:
    ours = Settings(BACKBURNER_NOTICE_MAIL="mailtos://user:secret@mail.example.org")

    for address in ("me@example.org&smtp=evil.example", "me@example.org?x=1", "a@b@example.org", "me@example.org/x"):
        with pytest.raises(BadRequest):
            await Postman.of(ours).check(address)
