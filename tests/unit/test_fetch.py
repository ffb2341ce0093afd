"""Getting what is at an address that somebody else wrote."""

import asyncio
import datetime
import gzip
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_tools import fetch as fetching
from agent_tools.fetch import (
    Edition,
    Fetched,
    NotChanged,
    NotFetched,
    NotTaken,
    Unreachable,
    fetch,
    is_public,
    post,
    refuse_unaskable,
    save,
)

Answer = Callable[[bytes], bytes | Awaitable[bytes]]
Resolver = Callable[[dict[str, list[str]]], list[str]]


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    """Names that lead where a test says: at each look-up to the next place. Returns what was looked up."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def install(places: dict[str, list[str]]) -> list[str]:
        def look_up(host: str | bytes, port: int | None, *args: object, **options: object) -> list[object]:
            name = host.decode() if isinstance(host, bytes) else host
            if name not in places:
                return real(name, port, *args, **options)  # type: ignore[arg-type,return-value]
            asked.append(name)
            ips = places[name].pop(0) if len(places[name]) > 1 else places[name][0]
            return [found for ip in ips.split() for found in real(ip, port, type=socket.SOCK_STREAM)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return install


@asynccontextmanager
async def serving(answer: Answer, certificate: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that answers each request's head with these bytes; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = answer(await reader.readuntil(b"\r\n\r\n"))
            writer.write(said if isinstance(said, bytes) else await said)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate)
    async with server:
        yield server.sockets[0].getsockname()[1]


def response(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def refused(url: str, *, most_bytes: int = 1000, within_s: float = 5) -> str:
    with pytest.raises(NotFetched) as error:
        await fetch(url, most_bytes=most_bytes, within_s=within_s)
    return str(error.value)


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_out_on_the_internet_is_not_public(ip: str) -> None:
    assert not is_public(ipaddress.ip_address(ip))


@pytest.mark.parametrize(
    "ip", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_an_address_out_on_the_internet_is_public(ip: str) -> None:
    assert is_public(ipaddress.ip_address(ip))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1/", "127.0.0.1 is no public address, and others are not asked."),
        ("https://127.1/", "127.1 is no public address, and others are not asked."),
        ("https://0x7f.1/", "0x7f.1 is no public address, and others are not asked."),
        ("https://2130706433/", "2130706433 is no public address, and others are not asked."),
        ("https://localhost:8443/", "localhost is no public address, and others are not asked."),
        ("https://169.254.169.254/latest", "169.254.169.254 is no public address, and others are not asked."),
        ("https://[::ffff:169.254.169.254]/", "::ffff:169.254.169.254 is no public address, and others are not asked."),
        ("https://10.0.0.1/", "10.0.0.1 is no public address, and others are not asked."),
        ("https://[fc00::1]/", "fc00::1 is no public address, and others are not asked."),
        ("https://[64:ff9b::7f00:1]/", "64:ff9b::7f00:1 is no public address, and others are not asked."),
        ("http://127.0.0.1/", "127.0.0.1 is asked for over http: only https is."),
        ("http://1.1.1.1/", "1.1.1.1 is asked for over http: only https is."),
        ("https://1.1.1.1:22/", "1.1.1.1 is asked for at port 22: only 80, 443, 8443 are."),
        ("https://1.1.1.1:0/", "1.1.1.1 is asked for at port 0: only 80, 443, 8443 are."),
        ("https://user@1.1.1.1/", "The address at 1.1.1.1 carries a name or a password, and is not asked."),
        ("https://1.1.1.1:x@127.0.0.1/", "The address at 127.0.0.1 carries a name or a password, and is not asked."),
        ("file:///etc/passwd", "'file:///etc/passwd' is no https address."),
        ("unix:///run/x.sock", "'unix:///run/x.sock' is no https address."),
        ("ftp://x.example/", "'ftp://x.example/' is no https address."),
        ("https://", "'https://' is no https address."),
        ("picture.png", "'picture.png' is no https address."),
        ("https://[::1", "'https://[::1' is no web address."),
        ("https://1.1.1.1:99999999/", "1.1.1.1 is asked for at port 99999999: only 80, 443, 8443 are."),
        (f"https://{'a' * 64}.invalid/", f"There is no host '{'a' * 64}.invalid'."),
        ("https://nowhere.invalid/", "There is no host 'nowhere.invalid'."),
    ],
)
async def test_what_is_not_asked_is_said(names: Resolver, url: str, said: str) -> None:
    names({"nowhere.invalid": ["256.256.256.256"]})

    assert await refused(url) == said


async def test_a_host_is_refused_when_any_of_its_addresses_is_not_public(names: Resolver) -> None:
    names({"both.example": ["1.1.1.1 10.0.0.1"]})

    assert await refused("https://both.example/") == "both.example is no public address, and others are not asked."


async def test_what_is_there_comes_with_its_media_type(loopback: None) -> None:
    async with serving(lambda head: response(b"hello", Content_Type="Text/Plain; charset=utf-8")) as port:
        assert await fetch(f"http://127.0.0.1:{port}/a?b#c", most_bytes=5, within_s=5) == Fetched(
            b"hello", "text/plain", f"http://127.0.0.1:{port}/a?b"
        )


async def test_what_has_not_changed_since_its_edition_is_not_fetched_again(loopback: None) -> None:
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        if b'If-None-Match: "7"' in head:
            return response(status="304 Not Modified")
        return response(b"hello", ETag='"7"', Last_Modified="Sun, 22 Nov 2026 05:00:00 GMT")

    async with serving(answer) as port:
        first = await fetch(f"http://127.0.0.1:{port}/", most_bytes=5, within_s=5)
        with pytest.raises(NotChanged):
            await fetch(f"http://127.0.0.1:{port}/", most_bytes=5, within_s=5, newer_than=first.edition)

    assert first.edition == Edition('"7"', "Sun, 22 Nov 2026 05:00:00 GMT")
    assert b"If-Modified-Since: Sun, 22 Nov 2026 05:00:00 GMT" in heads[1]
    assert b"If-" not in heads[0]


async def test_an_edition_that_could_not_be_sent_back_is_none(loopback: None) -> None:
    async with serving(lambda head: response(b"hello", ETag='"' + "7" * 501 + '"')) as port:
        found = await fetch(f"http://127.0.0.1:{port}/", most_bytes=5, within_s=5)

    assert found.edition == Edition()


async def test_loopback_is_asked_only_where_the_setting_allows_it(names: Resolver) -> None:
    async with serving(lambda head: response(b"hello")) as port:
        assert await refused(f"http://127.0.0.1:{port}/") == "127.0.0.1 is asked for over http: only https is."


async def test_allowing_loopback_allows_no_other_private_address(loopback: None) -> None:
    assert await refused("https://10.0.0.1/") == "10.0.0.1 is no public address, and others are not asked."
    assert await refused("http://169.254.169.254/") == "169.254.169.254 is asked for over http: only https is."


async def test_a_name_is_looked_up_once_and_the_judged_address_is_asked(loopback: None, names: Resolver) -> None:
    asked = names({"rebinding.example": ["127.0.0.1", "10.0.0.1"]})
    heads = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return response(b"hello")

    async with serving(answer) as port:
        await fetch(f"http://rebinding.example:{port}/a", most_bytes=5, within_s=5)

    assert asked == ["rebinding.example"]
    assert heads[0].startswith(b"GET /a HTTP/1.1\r\n")
    assert f"host: rebinding.example:{port}\r\n".encode() in heads[0].lower()


async def test_a_certificate_is_that_of_the_name_and_not_of_the_address(
    loopback: None, names: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names({"right.example": ["127.0.0.1"], "wrong.example": ["127.0.0.1"]})
    trusted, server = certificate("right.example", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    fetching.certificates.cache_clear()
    asked_for = []
    server.sni_callback = lambda _, name, __: asked_for.append(name)

    async with serving(lambda head: response(b"hello"), server) as port:
        fetched = await fetch(f"https://right.example:{port}/", most_bytes=5, within_s=5)
        said = await refused(f"https://wrong.example:{port}/")

    fetching.certificates.cache_clear()
    assert fetched.data == b"hello"
    assert said == "wrong.example cannot be reached, or broke off (ConnectError)."
    assert asked_for == ["right.example", "wrong.example"]


async def test_redirects_are_followed_and_each_is_judged_anew(loopback: None) -> None:
    async def moved(head: bytes) -> bytes:
        path = head.split()[1].decode()
        to = {"/1": "2", "/2": "//127.0.0.1:{port}/3", "/out": "https://10.0.0.1/", "/meta": "http://169.254.169.254/"}
        to |= {"/file": "file:///etc/passwd", "/user": "https://a@1.1.1.1/", "/round": "/round", "/bad": "https://[::1"}
        if path in to:
            return response(status="302 Found", Location=to[path].format(port=port))
        return response(path.encode())

    async with serving(moved) as port:
        at = f"http://127.0.0.1:{port}"
        assert (await fetch(f"{at}/1", most_bytes=9, within_s=5)).data == b"/3"
        assert await refused(f"{at}/out") == "10.0.0.1 is no public address, and others are not asked."
        assert await refused(f"{at}/meta") == "169.254.169.254 is asked for over http: only https is."
        assert await refused(f"{at}/file") == "'file:///etc/passwd' is no https address."
        assert await refused(f"{at}/user") == "The address at 1.1.1.1 carries a name or a password, and is not asked."
        assert await refused(f"{at}/bad") == "'https://[::1' is no web address."
        assert await refused(f"{at}/round") == "127.0.0.1 leads on more than 3 times."


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response(status="404 Not Found"), "127.0.0.1 answers 404 Not Found."),
        (response(status="500 "), "127.0.0.1 answers 500."),
        (response(b"x" * 1001), "127.0.0.1 sends more than 0.001 MB, and no more is taken."),
        (response(Content_Length="1001"), "127.0.0.1 sends more than 0.001 MB, and no more is taken."),
        (response(Content_Length="9" * 20), "127.0.0.1 sends more than 0.001 MB, and no more is taken."),
        (response(b"x", Content_Length="2"), "127.0.0.1 cannot be reached, or broke off (RemoteProtocolError)."),
        (b"no HTTP at all\r\n\r\n", "127.0.0.1 cannot be reached, or broke off (RemoteProtocolError)."),
        (b"", "127.0.0.1 cannot be reached, or broke off (RemoteProtocolError)."),
        (response(b"x", Content_Encoding="br"), "127.0.0.1 sends it packed in a way that was not asked for."),
        (response(b"x", Content_Encoding="gzip"), "127.0.0.1 sends it packed, and broken."),
        (
            response(gzip.compress(b"x" * 99, mtime=0)[:-9], Content_Encoding="gzip"),
            "127.0.0.1 sends it packed, and broken.",
        ),
        (
            response(gzip.compress(b"x" * 10**5, mtime=0), Content_Encoding="gzip"),
            "127.0.0.1 sends more than 0.001 MB, and no more is taken.",
        ),
    ],
)
async def test_what_cannot_be_taken_is_said(loopback: None, answer: bytes, said: str) -> None:
    async with serving(lambda head: answer) as port:
        assert await refused(f"http://127.0.0.1:{port}/") == said


async def test_what_was_packed_unasked_is_unpacked(loopback: None) -> None:
    async with serving(lambda head: response(gzip.compress(b"x" * 999, mtime=0), Content_Encoding="gzip")) as port:
        assert (await fetch(f"http://127.0.0.1:{port}/", most_bytes=999, within_s=5)).data == b"x" * 999


async def test_what_takes_too_long_is_given_up(loopback: None) -> None:
    never = asyncio.Event()

    async def wait(head: bytes) -> bytes:
        await never.wait()
        return response()

    async with serving(wait) as port:
        assert await refused(f"http://127.0.0.1:{port}/", within_s=0.2) == "127.0.0.1 took longer than 0.2 s."
        never.set()


async def test_where_nobody_listens_nothing_comes(loopback: None) -> None:
    async with serving(lambda head: b"") as port:
        pass

    assert await refused(f"http://127.0.0.1:{port}/") == "127.0.0.1 cannot be reached, or broke off (ConnectError)."


async def test_no_proxy_of_the_environment_is_asked(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:1")

    async with serving(lambda head: response(b"hello")) as port:
        assert (await fetch(f"http://127.0.0.1:{port}/", most_bytes=5, within_s=5)).data == b"hello"


def certificate(name: str, folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signed itself, to be trusted, and a server's context with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "trusted.pem", folder / "private.pem"
    trusted.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return trusted, context


async def test_a_post_goes_to_what_was_judged_and_is_led_nowhere(loopback: None) -> None:
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return response(status="307 Temporary Redirect", Location="http://127.0.0.1:1/inside", Retry_After="7")

    async with serving(answer) as port:
        answered = await post(f"http://localhost:{port}/hook", b"{}", headers={"webhook-id": "msg_1"}, within_s=5)

    assert (answered.status, answered.headers["retry-after"]) == (307, "7")
    assert (len(heads), f"host: localhost:{port}".encode() in heads[0].lower(), b"msg_1" in heads[0]) == (1, True, True)


async def test_a_post_into_our_own_network_is_refused_before_anything_is_sent(names: Resolver) -> None:
    names({"outside.example": ["10.0.0.1"]})

    with pytest.raises(NotFetched, match="no public address"):
        await post("https://outside.example/", b"{}", headers={}, within_s=5)


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example", "https://hooks.example:22", "https://10.0.0.1", "https://localhost", "https://[::1]"],
)
def test_some_addresses_are_refused_without_looking_them_up(names: Resolver, url: str) -> None:
    asked = names({"hooks.example": ["93.184.216.34"]})

    with pytest.raises(NotFetched):
        refuse_unaskable(url)
    refuse_unaskable("https://hooks.example/hook")
    assert asked == []


# ------------------------------------------------------------------------------------------------------- to a file


async def test_what_is_large_is_written_to_a_file_as_it_comes(loopback: None, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    async with serving(
        lambda _: response(b"x" * 300_000, content_type="audio/mpeg; a=b", content_length="300000")
    ) as port:
        media_type = await save(
            f"http://127.0.0.1:{port}/a",
            tmp_path / "a",
            most_bytes=300_000,
            within_s=5,
            heard=lambda *done: told.append(done),
        )

    assert (media_type, (tmp_path / "a").stat().st_size) == ("audio/mpeg", 300_000)
    assert told[-1] == (300_000, 300_000)


async def test_what_is_of_another_type_or_too_large_is_not_written(loopback: None, tmp_path: Path) -> None:
    async def saved(answer: bytes) -> str:
        async with serving(lambda _: answer) as port:
            await save(
                f"http://127.0.0.1:{port}/a",
                tmp_path / "a",
                most_bytes=1000,
                within_s=5,
                takes=lambda media: media == "audio/mpeg",
            )
        return "saved"

    with pytest.raises(NotTaken, match=r"127.0.0.1 sends text/html\.") as other:
        await saved(response(b"<html>", content_type="text/html"))
    assert other.value.media_type == "text/html"
    assert not (tmp_path / "a").exists()
    with pytest.raises(NotFetched, match=r"more than 0\.001 MB"):
        await saved(response(b"x" * 1001, content_type="audio/mpeg"))
    with pytest.raises(NotFetched, match=r"more than 0\.001 MB"):
        await saved(response(b"x", content_type="audio/mpeg", content_length="5000"))
    with pytest.raises(NotFetched, match="packed"):
        await saved(response(gzip.compress(b"x"), content_type="audio/mpeg", content_encoding="gzip"))


@pytest.mark.parametrize(
    ("status", "may_pass"), [("503 Busy", True), ("429 Slow", True), ("404 Gone", False), ("403 No", False)]
)
async def test_what_may_pass_is_told_from_what_will_not(loopback: None, status: str, may_pass: bool) -> None:
    async with serving(lambda _: response(status=status)) as port:
        with pytest.raises(NotFetched) as error:
            await fetch(f"http://127.0.0.1:{port}/a", most_bytes=1000, within_s=5)

    assert isinstance(error.value, Unreachable) == may_pass
