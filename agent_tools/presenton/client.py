"""Asking a self-hosted Presenton over HTTP: with one way to sign in, within a time, and never more than is taken."""

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
from pydantic import BaseModel, ValidationError

from agent_tools import GiveUp, TryAgain
from agent_tools.fetch import NotFetched, fetch
from agent_tools.presenton.wire import (
    Deck,
    Format,
    Made,
    Task,
    complaint,
    moment,
    served,
    short,
    tasks_in,
    templates_in,
)
from agent_tools.settings import Settings

log = logging.getLogger("backburner.presenton")

Model = TypeVar("Model", bound=BaseModel)

MOST_BYTES = 20_000_000
"""The longest reply that is read: all decks of a server are one."""
MOST_FILE_BYTES = 200_000_000
MOST_TASKS = 200
WITHIN_S, EXPORT_WITHIN_S, FILES_WITHIN_S = 60.0, 360.0, 600.0
"""Presenton itself lets an export take 300 s."""
_API = "/api/v1"
_DECKS = f"{_API}/ppt/presentation"
_NOT_THERE = (404, 405)
_FILES: Mapping[Format, tuple[bytes, str]] = {"pptx": (b"PK\x03\x04", "PowerPoint file"), "pdf": (b"%PDF", "PDF")}


class PresentonUnavailable(TryAgain):
    """It cannot be reached, is busy or broken, or says what nobody understands. It may have done what it was asked."""

    def __init__(self, because: str) -> None:
        super().__init__(because=because)


class PresentonRefused(GiveUp):
    """It does not take what it is sent, and `status` is its answer."""

    def __init__(self, because: str, status: int = 0) -> None:
        super().__init__(because)
        self.status = status

    @property
    def is_locked(self) -> bool:
        """Whether it is only about signing in, which can be put right while a deck is made."""
        return self.status in (401, 403)


class Presenton:
    """The server that the settings name. An address that it gives out is made one that people can open."""

    def __init__(self, settings: Settings) -> None:
        """Raises PresentonRefused where the settings do not say how to sign in."""
        if not settings.presenton_url:
            raise PresentonRefused("No Presenton is set up here: PRESENTON_URL says where one is.")
        self._url, self._headers, self._auth = settings.presenton_url, _headers(settings), _basic(settings)
        self._public_url = settings.presenton_public_url or settings.presenton_url
        self.has_identity = bool(self._headers or self._auth)

    async def __aenter__(self) -> Self:
        self._http = httpx2.AsyncClient(
            headers=self._headers,
            auth=self._auth,
            timeout=httpx2.Timeout(WITHIN_S, connect=10),
            verify=await asyncio.to_thread(ssl.create_default_context),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._http.aclose()

    # -------------------------------------------------------------------------------------------------------- decks

    async def begin(self, body: Mapping[str, Any]) -> Task:
        """Begin a deck. There is nothing that keeps two equal calls from being two decks."""
        return _read(Task, await self._ask("POST", f"{_DECKS}/generate/async", json=body))

    async def task(self, task: str) -> Task | None:
        """How far a deck is; None where Presenton knows nothing of it."""
        said = await self._ask("GET", f"{_DECKS}/status/{quote(task, safe='')}", or_none=_NOT_THERE)
        return None if said is None else _read(Task, said)

    async def tasks(self, since: datetime | None = None, most: int = MOST_TASKS) -> list[Task] | None:
        """The decks begun last, newest first; None where this release keeps no list."""
        asked = {"type": "presentation.generate", "order_by": "created_at", "order": "desc", "limit": most}
        if since is not None:
            asked["created_at_from"] = since.astimezone(UTC).replace(tzinfo=None).isoformat()
        said = await self._ask("GET", f"{_API}/async-tasks", params=asked, or_none=_NOT_THERE)
        return None if said is None else sorted(tasks_in(said), key=lambda task: moment(task.created_at), reverse=True)

    async def decks(self) -> list[Deck]:
        """All decks there."""
        said = await self._ask("GET", f"{_DECKS}/all")
        return [_read(Deck, each) for each in said] if isinstance(said, list) else []

    async def deck(self, deck: str) -> Deck | None:
        """One of them, with all its slides."""
        said = await self._ask("GET", f"{_DECKS}/{quote(deck, safe='')}", or_none=_NOT_THERE)
        return None if said is None else _read(Deck, said)

    async def export(self, deck: str, form: Format) -> Made:
        """Have a finished deck written to a file again."""
        path, asked = f"{_DECKS}/{quote(deck, safe='')}/export", {"export_as": form}
        said = await self._ask("POST", path, json=asked, or_none=_NOT_THERE, within_s=EXPORT_WITHIN_S)
        if said is None:  # releases before 0.9: an edit that changes nothing
            asked_of_older = {"presentation_id": deck, "slides": [], "export_as": form}
            said = await self._ask("POST", f"{_DECKS}/edit", json=asked_of_older, within_s=EXPORT_WITHIN_S)
        return _read(Made, said)

    async def templates(self) -> list[str]:
        """By what names and ids looks are asked for; empty where this release has no list of them."""
        said = await self._ask("GET", f"{_API}/ppt/template/all", or_none=_NOT_THERE)
        if said is None:  # releases before 0.9
            said = await self._ask("GET", f"{_API}/ppt/templates", or_none=_NOT_THERE)
        return templates_in(said)

    # -------------------------------------------------------------------------------------------------------- files

    async def upload(self, files: Sequence[tuple[str, Path]]) -> list[str]:
        """Lend it files, and get the names by which it knows them."""
        opened = [(name, await asyncio.to_thread(path.open, "rb")) for name, path in files]
        try:
            told = [("files", each) for each in opened]
            said = await self._ask("POST", f"{_API}/ppt/files/upload", files=told, within_s=FILES_WITHIN_S)
        finally:
            for _, file in opened:
                file.close()
        if not isinstance(said, list) or len(said) != len(files):
            raise PresentonUnavailable("Presenton did not say where it put the files that it was sent.")
        return [str(each) for each in said]

    async def download(self, path: str, form: Format, to: Path) -> None:
        """Write one of its files to disk. Raises PresentonRefused where it cannot be fetched."""
        where = served(path)
        if where is None:
            raise PresentonRefused(f"Presenton wrote the deck where nobody can fetch it from: {path[:200]}", 404)
        address = self._url + quote(where) if where.startswith("/") else self._as_we_reach_it(where)
        # Nobody else is told how we sign in.
        is_ours = urlsplit(address)[:2] == urlsplit(self._url)[:2]
        await (self._from_here(address, to) if is_ours else self._from_elsewhere(address, to))
        begins, name = _FILES[form]
        if not (await asyncio.to_thread(_beginning, to)).startswith(begins):
            raise PresentonUnavailable(f"What Presenton sent as the deck is no {name}.")

    def _as_we_reach_it(self, address: str) -> str:
        is_for_people = address.startswith(f"{self._public_url}/")
        return self._url + address.removeprefix(self._public_url) if is_for_people else address

    async def _from_here(self, address: str, to: Path) -> None:
        try:
            async with asyncio.timeout(FILES_WITHIN_S), self._http.stream("GET", address) as answer:
                if answer.status_code != 200:
                    raise self._refusal(answer, await _body(answer, MOST_BYTES))
                await _write(answer, to)
        except (TimeoutError, httpx2.RequestError) as error:
            raise _unreachable(error, FILES_WITHIN_S) from error

    async def _from_elsewhere(self, where: str, to: Path) -> None:
        try:
            got = await fetch(where, most_bytes=MOST_FILE_BYTES, within_s=FILES_WITHIN_S)
        except NotFetched as error:
            raise PresentonRefused(f"Presenton's file of the deck cannot be fetched: {error}", 404) from error
        await asyncio.to_thread(to.write_bytes, got.data)

    # -------------------------------------------------------------------------------------------- calls back, links

    async def subscribe(self, event: str, url: str) -> str:
        """Have an address called whenever any deck has ended so; gives what to end that with."""
        said = await self._ask("POST", f"{_API}/webhook/subscribe", json={"url": url, "event": event, "secret": None})
        return str(said["id"]) if isinstance(said, dict) and "id" in said else ""

    async def unsubscribe(self, subscription: str) -> None:
        """End that. What is not there is fine."""
        await self._ask("DELETE", f"{_API}/webhook/unsubscribe", json={"id": subscription}, or_none=_NOT_THERE)

    def edit_url(self, deck: str, edit_path: str | None = None) -> str:
        """Where people go on with a deck."""
        if edit_path and edit_path.startswith(("http://", "https://")):
            return edit_path
        path = edit_path if edit_path and edit_path.startswith("/") else f"/presentation?id={quote(deck, safe='')}"
        return f"{self._public_url}{path}"

    # ------------------------------------------------------------------------------------------------------ asking

    async def _ask(
        self, method: str, path: str, *, or_none: Sequence[int] = (), within_s: float = WITHIN_S, **more: Any
    ) -> Any:
        """The JSON that it answers; None for one of the statuses `or_none`."""
        try:
            async with (
                asyncio.timeout(within_s),
                self._http.stream(method, f"{self._url}{path}", timeout=httpx2.Timeout(within_s, connect=10), **more) as answer,
            ):  # fmt: skip
                body = await _body(answer, MOST_BYTES)
        except (TimeoutError, httpx2.RequestError) as error:
            raise _unreachable(error, within_s) from error
        if answer.status_code in or_none:
            return None
        if not answer.is_success:
            raise self._refusal(answer, body)
        if len(body) > MOST_BYTES:
            raise PresentonUnavailable(f"Presenton answers with more than {MOST_BYTES // 1_000_000} MB.")
        try:
            return json.loads(body) if body else None
        except ValueError:
            raise PresentonUnavailable("Presenton answers with something that is no JSON.") from None

    def _refusal(self, answer: httpx2.Response, body: bytes) -> PresentonRefused | PresentonUnavailable:
        status, said = answer.status_code, _complaint_in(body)
        log.warning("Presenton answered %s %s with %d: %s", answer.request.method, answer.url.path, status, said)
        if status in (408, 425, 429) or status >= 500:
            return PresentonUnavailable(f"Presenton is busy or broken (HTTP {status}).")
        if answer.is_redirect:
            where = short(answer.headers.get("location", "somewhere else"))
            because = (
                f"PRESENTON_URL leads on to {where}, and that is not followed: set it to where Presenton itself is."
            )
            return PresentonRefused(because, status)
        if status == 428:
            return PresentonRefused("Presenton has no administrator yet: open it in a browser and set one up.", status)
        if status in (401, 403):
            lack = "does not take how we sign in" if self.has_identity else "wants us to sign in"
            how = "PRESENTON_USERNAME and PRESENTON_PASSWORD, from release 0.9.2 on PRESENTON_API_KEY"
            return PresentonRefused(f"Presenton {lack} (HTTP {status}): set {how}.", status)
        if status in _NOT_THERE:
            return PresentonRefused(
                f"Presenton has no {answer.url.path} (HTTP {status}): PRESENTON_URL must be where its pages begin. "
                f"It said: {said}",
                status,
            )
        return PresentonRefused(f"Presenton does not take this (HTTP {status}). {said}", status)


def _headers(settings: Settings) -> dict[str, str]:
    key = settings.presenton_api_key.get_secret_value().strip()
    if not (key.isascii() and key.isprintable()):
        raise PresentonRefused("PRESENTON_API_KEY has characters that no key has.")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _basic(settings: Settings) -> httpx2.BasicAuth | None:
    name, password = settings.presenton_username, settings.presenton_password.get_secret_value()
    if bool(name) != bool(password):
        raise PresentonRefused("Of PRESENTON_USERNAME and PRESENTON_PASSWORD only one is set: it takes both.")
    if name and settings.presenton_api_key.get_secret_value():
        raise PresentonRefused(
            "PRESENTON_API_KEY and PRESENTON_USERNAME are both set: unset the one that is not meant."
        )
    return httpx2.BasicAuth(name, password) if name else None


def _read(model: type[Model], said: Any) -> Model:
    try:
        return model.model_validate(said)
    except ValidationError:
        raise PresentonUnavailable("Presenton answers with something that is not its own.") from None


def _unreachable(error: Exception, within_s: float) -> PresentonUnavailable:
    if isinstance(error, TimeoutError):
        return PresentonUnavailable(f"Presenton did not answer within {within_s:g} s.")
    how = "cannot be reached" if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout) else "broke off"
    return PresentonUnavailable(f"Presenton {how} ({type(error).__name__}).")


async def _body(answer: httpx2.Response, most_bytes: int) -> bytes:
    """The body, or a little more than is taken."""
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > most_bytes:
            break
    return bytes(body)


async def _write(answer: httpx2.Response, to: Path) -> None:
    """The body into a file, never more of it than is taken."""
    size = 0
    with await asyncio.to_thread(to.open, "wb") as file:
        async for part in answer.aiter_bytes(1 << 20):
            size += len(part)
            if size > MOST_FILE_BYTES:
                raise PresentonRefused(f"Presenton's file has more than {MOST_FILE_BYTES // 1_000_000} MB.")
            await asyncio.to_thread(file.write, part)


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _complaint_in(body: bytes) -> str:
    try:
        return complaint(json.loads(body))
    except ValueError:
        return short(body[:2000].decode(errors="replace"))
