"""Getting what is at an address that somebody else wrote, without being led into our own network."""

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import httpx2

from agent_tools.settings import Settings

PORTS = frozenset({80, 443, 8443})
MOST_REDIRECTS = 3
_MOST_TRIES = 3
_LONGEST_EDITION = 500
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNZIPPABLE = {"gzip": 31, "x-gzip": 31, "deflate": 47}
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

IP = IPv4Address | IPv6Address
T = TypeVar("T")


class NotFetched(Exception):
    """Why nothing came, as a sentence for whoever wrote the address."""


class NotChanged(NotFetched):
    """What is there is what was there when it was last fetched."""


@dataclass(frozen=True)
class Edition:
    """What its sender calls this state of it, to be asked for a newer one; empty where nothing was said."""

    etag: str = ""
    last_modified: str = ""


class Unreachable(NotFetched):
    """It did not come this time; it may the next."""


class NotTaken(NotFetched):
    """What is there is of a type that is not wanted."""

    def __init__(self, because: str, media_type: str) -> None:
        super().__init__(because)
        self.media_type = media_type


@dataclass(frozen=True)
class Fetched:
    """What came, and what its sender says it is: `image/png`, empty when nothing was said. `url` is where it lay in the end."""

    data: bytes
    media_type: str
    url: str = ""
    edition: Edition = Edition()


async def fetch(url: str, *, most_bytes: int, within_s: float, newer_than: Edition | None = None) -> Fetched:
    """What is at a public https address. Raises NotFetched; NotChanged where nothing is `newer_than` that edition.

    Each address on the way is judged after its name was resolved, and the connection goes to what was judged.
    """
    asked = _address(url)

    async def read(answer: httpx2.Response, url: httpx2.URL) -> Fetched:
        return await _read(answer, url, most_bytes)

    return await _within(asked, within_s, read, newer_than or Edition())


async def save(
    url: str,
    path: Path,
    *,
    most_bytes: int,
    within_s: float,
    takes: Callable[[str], bool] = lambda media_type: True,
    heard: Callable[[int, int | None], None] = lambda done, of: None,
) -> str:
    """As `fetch`, written to a file as it comes; gives its media type. Raises NotTaken for a type that `takes` refuses.

    `heard` is told how many bytes came, and of how many where the sender says so.
    """
    asked = _address(url)

    async def write(answer: httpx2.Response, url: httpx2.URL) -> str:
        media_type = _media_type(answer)
        if answer.status_code == 200 and not takes(media_type):
            raise NotTaken(f"{_named(url)} sends {media_type or 'something of no type'}.", media_type)
        return await _write(answer, url, path, most_bytes, heard)

    return await _within(asked, within_s, write, Edition())


async def _within(
    asked: httpx2.URL,
    within_s: float,
    read: Callable[[httpx2.Response, httpx2.URL], Awaitable[T]],
    newer_than: Edition,
) -> T:
    try:
        async with asyncio.timeout(within_s):
            return await _follow(asked, read, newer_than)
    except TimeoutError:
        raise Unreachable(f"{_named(asked)} took longer than {within_s:g} s.") from None


@dataclass(frozen=True)
class Answered:
    """The head of an answer."""

    status: int
    reason: str
    headers: Mapping[str, str]


async def post(url: str, body: bytes, *, headers: Mapping[str, str], within_s: float) -> Answered:
    """What a public https address says to a POST, judged as by `fetch`; it is not led on. Raises NotFetched."""
    address = _address(url)
    try:
        async with asyncio.timeout(within_s), _client() as client:
            answer = await _ask(client, address, "POST", headers, body)
            await answer.aclose()
            return Answered(answer.status_code, answer.reason_phrase, answer.headers)
    except TimeoutError:
        raise NotFetched(f"{_named(address)} took longer than {within_s:g} s.") from None
    except httpx2.HTTPError as error:
        raise NotFetched(f"{_named(address)} cannot be reached, or broke off ({type(error).__name__}).") from error


def refuse_unaskable(url: str) -> None:
    """Raise NotFetched for an address that is never asked, as far as it says so itself: its name is not looked up."""
    address = _address(url)
    try:
        ips: list[IP] = [ipaddress.ip_address(address.host)]
    except ValueError:
        ips = [IPv4Address("127.0.0.1")] if address.host == "localhost" else []
    _refuse(address, ips)


def is_public(ip: IP) -> bool:
    """Whether this address is out on the internet, and so is the one that it may carry inside."""
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast
    inner = _inner(ip)
    if inner is not None and not is_public(inner):
        return False
    return ip in _NAT64 or ip.ipv4_mapped is not None or (ip in _GLOBAL_UNICAST and ip.is_global)


def _is_loopback(ip: IP) -> bool:
    inner = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (inner or ip).is_loopback


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address to which this one leads: mapped, by 6to4 or by NAT64."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


async def _follow(
    url: httpx2.URL, read: Callable[[httpx2.Response, httpx2.URL], Awaitable[T]], newer_than: Edition
) -> T:
    unless = {"If-None-Match": newer_than.etag, "If-Modified-Since": newer_than.last_modified}
    headers = {name: value for name, value in unless.items() if value}
    async with _client() as client:
        for _ in range(MOST_REDIRECTS + 1):
            try:
                async with aclosing(await _ask(client, url, headers=headers)) as answer:
                    if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                        return await read(answer, url)
                    url = _address(answer.headers["location"], url)
            except httpx2.HTTPError as error:
                raise Unreachable(f"{_named(url)} cannot be reached, or broke off ({type(error).__name__}).") from error
    raise NotFetched(f"{_named(url)} leads on more than {MOST_REDIRECTS} times.")


@asynccontextmanager
async def _client() -> AsyncIterator[httpx2.AsyncClient]:
    trusted = await asyncio.to_thread(certificates)
    # No proxy of the environment, as what was judged is what is asked; no connection kept, as two hosts may share an IP.
    alone = httpx2.Limits(max_keepalive_connections=0)
    async with httpx2.AsyncClient(verify=trusted, trust_env=False, timeout=None, limits=alone) as client:
        yield client


def _address(url: str, seen_at: httpx2.URL | None = None) -> httpx2.URL:
    """The address, or the one that it is where another one leads to it. Raises NotFetched for what is never asked."""
    try:
        address = seen_at.join(url) if seen_at else httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise NotFetched(f"'{url[:80]}' is no web address.") from None
    if address.scheme not in ("https", "http") or not address.host:
        raise NotFetched(f"'{url[:80]}' is no https address.")
    if address.userinfo:
        raise NotFetched(f"The address at {_named(address)} carries a name or a password, and is not asked.")
    return address


async def _ask(
    client: httpx2.AsyncClient,
    url: httpx2.URL,
    method: str = "GET",
    headers: Mapping[str, str] = MappingProxyType({}),
    body: bytes | None = None,
) -> httpx2.Response:
    """The answer's head, from one of the judged addresses; name and certificate stay those of the host."""
    tries = (await _judged(url))[:_MOST_TRIES]
    for ip in tries:
        request = httpx2.Request(
            method,
            url.copy_with(host=f"[{ip}]" if isinstance(ip, IPv6Address) else str(ip), fragment=None),
            headers={
                **headers,
                "Host": url.netloc.decode("ascii"),
                "User-Agent": "backburner",
                "Accept-Encoding": "identity",
            },
            content=body,
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )
        try:
            return await client.send(request, stream=True, follow_redirects=False)
        except httpx2.ConnectError:
            if ip == tries[-1]:
                raise
    raise NotFetched(f"There is no host '{_named(url)}'.")


async def _judged(url: httpx2.URL) -> list[IP]:
    """Where the host is, if all of it may be asked. Raises NotFetched."""
    try:
        host = url.raw_host.decode("ascii")
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        ips = list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))
    except (OSError, ValueError):
        raise NotFetched(f"There is no host '{_named(url)}'.") from None
    _refuse(url, ips)
    return ips


def _refuse(url: httpx2.URL, ips: Sequence[IP]) -> None:
    """Raise NotFetched unless all of these may be asked for this address."""
    port = {"https": 443, "http": 80}[url.scheme] if url.port is None else url.port
    if ips and all(map(_is_loopback, ips)) and Settings.read().allow_loopback:
        return
    if url.scheme != "https":
        raise NotFetched(f"{_named(url)} is asked for over http: only https is.")
    if port not in PORTS:
        raise NotFetched(f"{_named(url)} is asked for at port {port}: only {', '.join(map(str, sorted(PORTS)))} are.")
    if not all(map(is_public, ips)):
        raise NotFetched(f"{_named(url)} is no public address, and others are not asked.")


async def _read(answer: httpx2.Response, url: httpx2.URL, most_bytes: int) -> Fetched:
    """The body, never more of it than is taken. Raises NotFetched."""
    name = _named(url)
    _length(answer, name, most_bytes)
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > most_bytes:
            raise _too_large(name, most_bytes)
    data = _unzipped(bytes(body), answer.headers.get("content-encoding", ""), most_bytes, name)
    if len(data) > most_bytes:
        raise _too_large(name, most_bytes)
    edition = Edition(_header(answer, "etag"), _header(answer, "last-modified"))
    return Fetched(data, _media_type(answer), str(url.copy_with(fragment=None)), edition)


def _header(answer: httpx2.Response, name: str) -> str:
    """What can be sent back as it came; empty for anything else."""
    value = answer.headers.get(name, "").strip()
    return value if len(value) <= _LONGEST_EDITION and value.isascii() and value.isprintable() else ""


async def _write(
    answer: httpx2.Response, url: httpx2.URL, path: Path, most_bytes: int, heard: Callable[[int, int | None], None]
) -> str:
    """The body into a file, never more of it than is taken. Raises NotFetched."""
    name = _named(url)
    of, done = _length(answer, name, most_bytes), 0
    if answer.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise NotFetched(f"{name} sends it packed, which was not asked for.")
    with path.open("wb") as file:
        async for part in answer.aiter_raw():
            done += len(part)
            if done > most_bytes:
                raise _too_large(name, most_bytes)
            await asyncio.to_thread(file.write, part)
            heard(done, of)
    return _media_type(answer)


def _length(answer: httpx2.Response, name: str, most_bytes: int) -> int | None:
    """How long the body says to be, where it is one and not too long. Raises NotFetched."""
    if answer.status_code == 304:
        raise NotChanged(f"{name} has nothing newer.")
    if answer.status_code != 200:
        may_pass = answer.status_code == 429 or answer.status_code >= 500
        said = f"{name} answers {answer.status_code} {answer.reason_phrase}".rstrip() + "."
        raise Unreachable(said) if may_pass else NotFetched(said)
    length = answer.headers.get("content-length", "")
    if not length.isdecimal():
        return None
    if int(length) > most_bytes:
        raise _too_large(name, most_bytes)
    return int(length)


def _too_large(name: str, most_bytes: int) -> NotFetched:
    return NotFetched(f"{name} sends more than {most_bytes / 1_000_000:g} MB, and no more is taken.")


def _media_type(answer: httpx2.Response) -> str:
    media_type: str = answer.headers.get("content-type", "")
    return media_type.partition(";")[0].strip().lower()


def _unzipped(data: bytes, encoding: str, most_bytes: int, name: str) -> bytes:
    """The body as it was before it was packed, for those who pack it unasked; one byte more than is taken at most."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return data
    if encoding not in _UNZIPPABLE:
        raise NotFetched(f"{name} sends it packed in a way that was not asked for.")
    unzip, unzipped = zlib.decompressobj(_UNZIPPABLE[encoding]), b""
    with suppress(zlib.error):
        unzipped = unzip.decompress(data, most_bytes + 1)
    if not unzip.eof and len(unzipped) <= most_bytes:
        raise NotFetched(f"{name} sends it packed, and broken.")
    return unzipped


def _named(url: httpx2.URL) -> str:
    """The host, as it may be shown."""
    return url.host[:100]


@cache
def certificates() -> ssl.SSLContext:
    """Whom to trust; read once, in a thread: a tenth of a second that would hold up the loop."""
    return ssl.create_default_context()
