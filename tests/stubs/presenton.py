"""A self-hosted Presenton as its releases are (profiles A, B and C), also on bad days.

`async with serving_presenton(profile="B") as presenton:` serves it on loopback. A deck goes a stage further with every look
at its task, or with `seconds_per_stage` by the clock. `calls` counts what was asked of it.
"""

import asyncio
import base64
import io
import secrets
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from functools import cache
from typing import Any, Literal
from urllib.parse import unquote

import httpx2
import typst
import uvicorn
from pptx import Presentation
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

USER, PASSWORD, KEY = "admin", "open sesame", "sk-presenton-0123456789abcdef.hush"
TEMPLATES = ("general", "modern", "standard", "swift", "template-v2-7")
STAGES = (
    "Starting presentation generation",
    "Generating presentation outlines",
    "Selecting layout for each slide",
    "Generating slides",
    "Fetching assets for slides",
    "Exporting presentation",
)
COMPLETED, FAILED = "presentation.generation.completed", "presentation.generation.failed"
_TAKEN = (".pdf", ".txt", ".md", ".doc", ".docx", ".pptx", ".xlsx", ".csv", ".png", ".jpg", ".jpeg", ".webp")
_LENT = "/tmp/presenton/"

Bad = Callable[[Request], Awaitable[Response]]


class Asked(BaseModel):
    """The body of a generate call."""

    content: str
    slides_markdown: list[str] | None = None
    instructions: str | None = None
    tone: Literal["default", "casual", "professional", "funny", "educational", "sales_pitch"] = "default"
    verbosity: Literal["concise", "standard", "text-heavy"] = "standard"
    web_search: bool = False
    n_slides: int | None = None
    language: str | None = None
    template: str = "general"
    include_table_of_contents: bool = False
    include_title_slide: bool = True
    files: list[str] | None = None
    export_as: Literal["pptx", "pdf"] = "pptx"
    trigger_webhook: bool = False


@dataclass
class Generation:
    """A deck on its way."""

    id: str
    asked: Asked
    deck: str
    status: str = "pending"
    message: str = "Queued for generation"
    created: int = 0
    result: Mapping[str, str] | None = None
    error: Mapping[str, Any] | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def slides(self) -> int:
        return len(self.asked.slides_markdown or ()) or self.asked.n_slides or 8


@dataclass
class StubPresenton:
    """The server. `url` is for PRESENTON_URL; what else is set are the switches."""

    profile: Literal["A", "B", "C"] = "C"
    auth: Literal["none", "basic", "bearer"] = "none"
    seconds_per_stage: float | None = None
    slides_per_tick: int = 10
    fail_at: tuple[str, Mapping[str, Any]] | None = None
    fail_times: int = 1_000
    orphan_after: str = ""
    drop_submit_response: int = 0
    """How many decks are begun without an answer."""
    status_500_every: int = 0
    webhook: Literal["on", "off", "wrong_secret"] = "on"
    path_style: Literal["docker", "absolute_fs", "url", "nowhere"] = "docker"
    is_set_up: bool = True
    bad: dict[str, Bad] = field(default_factory=dict)
    """What answers instead, by the beginning of `METHOD /path`, in which `*` stands for anything."""

    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What is done once, when a call of this name was done and not answered yet."""

    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    asked: list[Asked] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    tasks: dict[str, Generation] = field(default_factory=dict)
    decks: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: list[tuple[str, int]] = field(default_factory=list)
    """Whom it has called, and what was answered."""
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    # ------------------------------------------------------------------------------------------------- generating

    async def generate(self, request: Request) -> Response:
        try:
            asked = Asked.model_validate_json(await request.body())
        except ValidationError as error:
            problems = [
                {key: each[key] for key in ("type", "msg", "input")} | {"loc": ["body", *each["loc"]]}
                for each in error.errors()
            ]
            return JSONResponse({"detail": problems}, 422)
        if wrong := _wrong(asked):
            return JSONResponse({"detail": wrong}, 400)
        self.asked.append(asked)
        task = self._begin(asked)
        if self.drop_submit_response:
            self.drop_submit_response -= 1
            cut(request)
        return JSONResponse(self._told_of(task))

    def _begin(self, asked: Asked) -> Generation:
        task = Generation(f"task-{secrets.token_hex(32)}", asked, str(uuid.uuid4()))
        self.tasks[task.id] = task
        running = asyncio.create_task(self._work(task))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return task

    def begin_for_others(self, content: str) -> None:
        """A deck that somebody else asks for."""
        self._begin(Asked(content=content, n_slides=2))

    async def _work(self, task: Generation) -> None:
        for stage in STAGES:
            if stage == "Generating presentation outlines" and task.asked.slides_markdown:
                continue
            await self._next(task)
            if self.fail_at and self.fail_at[0] == stage and self.fail_times:
                self.fail_times -= 1
                return await self._fail(task, self.fail_at[1])
            if any(each not in self.uploads for each in task.asked.files or ()):
                return await self._fail(
                    task, {"status_code": 400, "detail": "File path must stay within the temp directory"}
                )
            self._say(task, stage)
            if stage == "Selecting layout for each slide":
                self._keep_deck(task)
            if stage == "Generating slides":
                while task.created < task.slides:
                    await self._next(task)
                    task.created = min(task.created + self.slides_per_tick, task.slides)
                    self._write_slides(task)
                    self._say(task, stage)
            if self.orphan_after == stage:
                return None
        await self._next(task)
        task.result = self._exported(task.deck, task.asked.export_as)
        task.status = "completed"
        self._say(task, "Presentation generation completed", "completed")
        await self._tell(COMPLETED, task.result)
        return None

    async def _fail(self, task: Generation, error: Mapping[str, Any]) -> None:
        task.error = error
        self._say(task, "Presentation generation failed", "error")
        await self._tell(FAILED, error)

    def _say(self, task: Generation, message: str, status: str | None = None) -> None:
        task.message, task.updated_at = message, datetime.now(UTC)
        task.status = status or ("pending" if self.profile in "AC" else "processing")

    async def _next(self, task: Generation) -> None:
        if self.seconds_per_stage is not None:
            await asyncio.sleep(self.seconds_per_stage)
            return
        await task.looked.wait()
        task.looked.clear()

    def _keep_deck(self, task: Generation) -> None:
        self.decks[task.deck] = {
            "id": task.deck, "content": task.asked.content, "n_slides": task.slides, "language": task.asked.language,
            "title": "Why the Tides Rise", "created_at": _naive(datetime.now(UTC)), "slides": [],
        }  # fmt: skip

    def _write_slides(self, task: Generation) -> None:
        if deck := self.decks.get(task.deck):
            deck["slides"] = [
                {"id": str(n), "index": n, "content": {"title": f"Part {n}"}} for n in range(task.created)
            ]

    def _exported(self, deck: str, form: str) -> dict[str, str]:
        name = f"Why the Tides Rise {len(self.files) + 1}.{form}"
        many = len(self.decks[deck]["slides"]) if deck in self.decks else 1
        self.files[name] = _pptx(many) if form == "pptx" else _pdf(many)
        where = f"/app_data/exports/{name}"
        path = {
            "docker": where,
            "absolute_fs": f"/home/presenton{where}",
            "url": f"{self.url}{where}".replace(" ", "%20"),
            "nowhere": f"/home/presenton/exports/{name}",
        }[self.path_style]
        return {"presentation_id": deck, "path": path, "edit_path": f"/presentation?id={deck}"}

    def _told_of(self, task: Generation) -> dict[str, Any]:
        counters: dict[str, Any] = {"created_slides": task.created, "remaining_slides": task.slides - task.created}
        data = {
            "A": dict(task.result) if task.result else None,
            "B": counters,
            "C": counters | {"presentation_id": task.deck} | dict(task.result or {}),
        }[self.profile]
        return {
            "id": task.id, "type": "presentation.generate", "status": task.status, "message": task.message, "data": data,
            "error": task.error, "created_at": _naive(task.created_at),
            "updated_at": _naive(task.updated_at + timedelta(hours=2)),
        }  # fmt: skip

    # ----------------------------------------------------------------------------------------------------- looking

    async def status(self, request: Request) -> Response:
        task = self.tasks.get(request.path_params["task"])
        if task is None:
            return JSONResponse({"detail": "No presentation generation task found"}, 404)
        if self.status_500_every and self.calls["status"] % self.status_500_every == 0:
            return JSONResponse({"detail": "Internal Server Error"}, 500)
        told = self._told_of(task)
        task.looked.set()
        await asyncio.sleep(0)
        return JSONResponse(told)

    async def list_tasks(self, request: Request) -> Response:
        if self.profile == "A":
            return JSONResponse({"detail": "Not Found"}, 404)
        since = request.query_params.get("created_at_from", "")
        found = [self._told_of(task) for task in self.tasks.values() if _naive(task.created_at) >= since]
        found.append({"id": "task-of-a-template", "type": "template.create"})
        return JSONResponse(found[::-1][: int(request.query_params.get("limit", 50))])

    async def templates(self, request: Request) -> Response:
        """Profile A has no list, B keeps it elsewhere than C."""
        here = {"B": "/api/v1/ppt/templates", "C": "/api/v1/ppt/template/all"}.get(self.profile)
        if request.url.path != here:
            return JSONResponse({"detail": "Not Found"}, 404)
        items = [{"id": each, "name": each.capitalize(), "layout_count": 12} for each in TEMPLATES]
        return JSONResponse({"items": items, "total": len(items), "page": 1, "page_size": 50})

    async def all_decks(self, request: Request) -> Response:
        return JSONResponse([deck | {"slides": deck["slides"][:1]} for deck in reversed(self.decks.values())])

    async def one_deck(self, request: Request) -> Response:
        deck = self.decks.get(request.path_params["deck"])
        return JSONResponse(deck) if deck else JSONResponse({"detail": "Presentation not found"}, 404)

    async def edit(self, request: Request) -> Response:
        body = await request.json()
        return await self._export(body["presentation_id"], body["export_as"])

    async def export(self, request: Request) -> Response:
        if self.profile != "C":
            return JSONResponse({"detail": "Not Found"}, 404)
        return await self._export(request.path_params["deck"], (await request.json()).get("export_as", "pptx"))

    async def _export(self, deck: str, form: str) -> Response:
        if deck not in self.decks:
            return JSONResponse({"detail": "Presentation not found"}, 404)
        return JSONResponse(self._exported(deck, form))

    async def file(self, request: Request) -> Response:
        data = self.files.get(unquote(request.path_params["name"]))
        return Response(data) if data else JSONResponse({"detail": "Not Found"}, 404)

    async def other(self, request: Request) -> Response:
        return JSONResponse({"detail": "Not Found"}, 404)

    async def upload(self, request: Request) -> Response:
        async with request.form() as form:
            sent = [(str(each.filename), await each.read()) for each in form.getlist("files") if not isinstance(each, str)]  # fmt: skip
        if not sent:
            return JSONResponse(
                {"detail": [{"type": "missing", "loc": ["body", "files"], "msg": "Field required"}]}, 422
            )
        for name, _ in sent:
            if not name.lower().endswith(_TAKEN):
                detail = f"File '{name}' not accepted. Accepted types: [...]"
                return JSONResponse({"detail": detail}, 400)
        lent = {f"{_LENT}{uuid.uuid4()}/{name}": data for name, data in sent}
        self.uploads |= lent
        return JSONResponse(list(lent))

    # ---------------------------------------------------------------------------------------------------- webhooks

    async def subscribe(self, request: Request) -> Response:
        made = f"webhook-{secrets.token_hex(32)}"
        self.subscriptions[made] = await request.json()
        return JSONResponse({"id": made}, 201)

    async def unsubscribe(self, request: Request) -> Response:
        if self.subscriptions.pop((await request.json())["id"], None) is None:
            return JSONResponse({"detail": "Webhook subscription not found"}, 404)
        return Response(status_code=204)

    async def _tell(self, event: str, body: Mapping[str, Any] | None) -> None:
        if self.webhook == "off":
            return
        async with httpx2.AsyncClient() as client:
            for subscription in list(self.subscriptions.values()):
                if subscription["event"] != event:
                    continue
                secret = "nobody's" if self.webhook == "wrong_secret" else subscription.get("secret")
                headers = {"Authorization": f"Bearer {secret}"} if secret else {}
                with suppress(httpx2.RequestError):
                    answer = await client.post(subscription["url"], json=body, headers=headers)
                    self.told.append((subscription["url"], answer.status_code))

    async def auth_status(self, request: Request) -> Response:
        authenticated = self.auth == "none" or self._is_known(request)
        return JSONResponse({"configured": self.is_set_up, "authenticated": authenticated, "username": None})

    # ----------------------------------------------------------------------------------------------------- serving

    def _is_known(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return {"none": True, "basic": given == f"Basic {basic}", "bearer": given == f"Bearer {KEY}"}[self.auth]

    async def turned_away(self, request: Request) -> Response | None:
        """What is answered in place of the answer, where there is something."""
        asked = f"{request.method} {request.url.path}"
        if bad := next((answer for pattern, answer in self.bad.items() if fnmatch(asked, f"{pattern}*")), None):
            return await bad(request)
        if request.url.path.startswith("/api/v1/auth/"):
            return None
        if not self.is_set_up:
            return JSONResponse({"detail": "Login setup is required", "setup_required": True}, 428)
        return None if self._is_known(request) else JSONResponse({"detail": "Unauthorized"}, 401)

    def app(self) -> ASGIApp:
        ppt = "/api/v1/ppt/presentation"
        routes = {
            "auth": ("/api/v1/auth/status", "GET", self.auth_status),
            "generate": (f"{ppt}/generate/async", "POST", self.generate),
            "status": (f"{ppt}/status/{{task}}", "GET", self.status),
            "tasks": ("/api/v1/async-tasks", "GET", self.list_tasks),
            "all": (f"{ppt}/all", "GET", self.all_decks),
            "edit": (f"{ppt}/edit", "POST", self.edit),
            "export": (f"{ppt}/{{deck}}/export", "POST", self.export),
            "deck": (f"{ppt}/{{deck}}", "GET", self.one_deck),
            "templates": ("/api/v1/ppt/templates", "GET", self.templates),
            "all_templates": ("/api/v1/ppt/template/all", "GET", self.templates),
            "upload": ("/api/v1/ppt/files/upload", "POST", self.upload),
            "subscribe": ("/api/v1/webhook/subscribe", "POST", self.subscribe),
            "unsubscribe": ("/api/v1/webhook/unsubscribe", "DELETE", self.unsubscribe),
            "file": ("/app_data/exports/{name:path}", "GET", self.file),
            "other": ("/{path:path}", "GET", self.other),
        }

        def counted(name: str, answer: Callable[[Request], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
            async def call(request: Request) -> Response:
                self.calls[name] += 1
                answered = await self.turned_away(request) or await answer(request)
                if done := self.after.pop(name, None):
                    done()
                return answered

            return call

        return Starlette(
            routes=[
                Route(path, counted(name, answer), methods=[method]) for name, (path, method, answer) in routes.items()
            ]
        )

    async def restart(self) -> None:
        """As after kill -9: whatever was at work never goes on."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


# ------------------------------------------------------------------------------------------------------- bad days


def answering(status: int, body: Any = None, **headers: str) -> Bad:
    """This, whatever was asked; `content_type="text/html"` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: Request) -> Response:
        if isinstance(body, bytes):
            return Response(body, status, named)
        return JSONResponse(body if body is not None else {"detail": "no"}, status, named)

    return answer


async def cutting(request: Request) -> Response:
    """The connection is closed without an answer."""
    cut(request)
    return Response()


async def endless(request: Request) -> Response:
    """A body of which no end is seen by whoever takes less than 300 MB."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1_000_000
            await asyncio.sleep(0)

    return StreamingResponse(pieces())


async def hanging(request: Request) -> Response:
    """No answer, for as long as anybody waits."""
    await asyncio.sleep(3600)
    return Response()


def cut(request: Request) -> None:
    """Close the connection under the request; what is answered then goes nowhere."""
    request.receive.__self__.transport.abort()  # type: ignore[attr-defined]


# ----------------------------------------------------------------------------------------------------------- files


def _wrong(asked: Asked) -> str:
    if not (asked.content or asked.slides_markdown or asked.files):
        return "Either content or slides markdown or files is required to generate presentation"
    if asked.n_slides is not None and asked.n_slides <= 0:
        return "Number of slides must be greater than 0"
    if max(asked.n_slides or 0, len(asked.slides_markdown or ())) > 50:
        return "Number of slides cannot be greater than 50"
    if asked.include_table_of_contents and (asked.n_slides or 0) < 3:
        return "Number of slides cannot be less than 3 if table of contents is included"
    return "" if asked.template in TEMPLATES else "Template not found. Please use a valid template."


def _naive(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


@cache
def _pptx(slides: int) -> bytes:
    deck, file = Presentation(), io.BytesIO()
    for number in range(1, slides + 1):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = "Why the Tides Rise" if number == 1 else f"Part {number}"
        slide.placeholders[1].text = "The moon pulls\nThe Earth turns beneath"
        slide.notes_slide.notes_text_frame.text = f"Say it {number} times."
    deck.save(file)
    return file.getvalue()


@cache
def _pdf(slides: int) -> bytes:
    source = "#set page(width: 13.333in, height: 7.5in)\n" + "\n#pagebreak()\n".join(
        f"Part {number}" for number in range(1, slides + 1)
    )
    made: Any = typst.compile(source.encode(), format="pdf")
    return bytes(made)


@asynccontextmanager
async def serving_presenton(**switches: Any) -> AsyncIterator[StubPresenton]:
    """The stub, served on loopback for a while."""
    stub = StubPresenton(**switches)
    server = uvicorn.Server(
        uvicorn.Config(
            stub.app(), host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1, lifespan="off"
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    stub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        await stub.restart()
        server.should_exit = True
        await serving
