"""A chat server that speaks OpenAI's protocol as servers do, also as they do on bad days.

`async with serving_llm() as llm:` serves it on loopback. It answers with what fits the schema it is asked for, from
nothing but the request. `llm.then(…)` says how the next requests go, one each; `llm.always = …` how all others do.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "stub-8b"
_WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "glade", "harbour", "inlet", "juniper", "kelp", "lagoon")
_ODD = (1, 7, 2, 310, 3, 64, 5000)


@dataclass(frozen=True)
class Asked:
    """One request: its body, who asked, and what a server gets out of it."""

    body: Mapping[str, Any]
    authorization: str

    @property
    def prompt(self) -> str:
        """All messages, one below the other."""
        return "\n".join(str(message["content"]) for message in self.body["messages"])

    @property
    def schema(self) -> Mapping[str, Any]:
        """What is asked for: in the request, else in the first message."""
        if wanted := self.body.get("response_format"):
            return wanted["json_schema"]["schema"]
        return json.loads(self.body["messages"][0]["content"].rpartition("JSON schema: ")[2])

    @property
    def shape(self) -> str:
        """The name of what is asked for; empty when the request does not say."""
        return str(self.body.get("response_format", {}).get("json_schema", {}).get("name", ""))


Behaviour = Callable[["StubLlm", Asked], Response]


@dataclass
class StubLlm:
    """The server. `url` is for LLM_BASE_URL; `key`, when set, is wanted; `asked` has every request."""

    url: str = ""
    key: str = ""
    answer: Callable[[Asked], Any] = lambda asked: fitting(asked)  # noqa: PLW0108 - it is defined below
    always: Behaviour = lambda stub, asked: stub.stream(asked, stub.text(asked))
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    _script: list[Behaviour] = field(default_factory=list)

    def then(self, *behaviours: Behaviour) -> None:
        """How the next requests go."""
        self._script += behaviours

    def text(self, asked: Asked) -> str:
        """What the model says."""
        return json.dumps(self.answer(asked), ensure_ascii=False)

    async def complete(self, request: Request) -> Response:
        asked = Asked(await request.json(), request.headers.get("authorization", ""))
        self.asked.append(asked)
        if self.key and asked.authorization != f"Bearer {self.key}":
            said = f"Incorrect API key provided: {asked.authorization.removeprefix('Bearer ')}."
            return JSONResponse({"error": {"message": said, "code": "invalid_api_key"}}, 401)
        if asked.body["model"] != MODEL:
            return JSONResponse({"error": {"message": f"model '{asked.body['model']}' not found"}}, 404)
        return (self._script.pop(0) if self._script else self.always)(self, asked)

    def stream(
        self, asked: Asked, text: str, *, finish: str | None = "stop", pause_s: float = 0, part: str = "content"
    ) -> Response:
        """The text as a stream of events: one a word, the bytes cut wherever the network likes to."""

        async def events() -> AsyncIterator[bytes]:
            yield b": keep-alive\n\n"
            yield _event({"delta": {"role": "assistant", "content": ""}})
            for word in re.findall(r"\s*\S+|\s+$", text):
                yield _event({"delta": {part: word}})
                await asyncio.sleep(pause_s)
            if finish:
                yield _event({"delta": {}, "finish_reason": finish})
                tokens = {"prompt_tokens": len(asked.prompt) // 4, "completion_tokens": len(text) // 4}
                yield b"data: " + json.dumps({"choices": [], "usage": tokens}).encode() + b"\n\ndata: [DONE]\n\n"

        return StreamingResponse(self._counted(_in_odd_pieces(events())), media_type="text/event-stream")

    async def _counted(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            async for piece in pieces:
                yield piece
        finally:
            self.at_once -= 1


# ------------------------------------------------------------------------------------------------------- bad days


def says(text: str) -> Behaviour:
    """This, whatever was asked."""
    return lambda stub, asked: stub.stream(asked, text)


def in_prose(stub: StubLlm, asked: Asked) -> Response:
    """The answer in a fence, with thoughts and words around it, as of a server that ignores response_format."""
    text = f"<think>{{maybe}} a list?</think>Sure! {{Here}} it is:\n```json\n{stub.text(asked)}\n```\nAnything else?"
    return stub.stream(asked, text)


def at_length(stub: StubLlm, asked: Asked) -> Response:
    """Cut off in the middle."""
    text = stub.text(asked)
    return stub.stream(asked, text[: len(text) // 2], finish="length")


def endlessly(stub: StubLlm, asked: Asked) -> Response:
    """Whitespace without end, which a grammar allows."""
    return stub.stream(asked, '{"' + " \n" * 5_000)


def unstreamed(stub: StubLlm, asked: Asked) -> Response:
    """The whole answer at once."""
    choice = {"message": {"role": "assistant", "content": stub.text(asked)}, "finish_reason": "stop"}
    return JSONResponse({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 7}})


def refused(stub: StubLlm, asked: Asked) -> Response:
    """The model does not want to."""
    return stub.stream(asked, "I'm sorry, I cannot help with that.", part="refusal")


def filtered(stub: StubLlm, asked: Asked) -> Response:
    """The server does not want to."""
    return stub.stream(asked, '{"head', finish="content_filter")


def breaking_off(stub: StubLlm, asked: Asked) -> Response:
    """The stream ends without an end."""
    return stub.stream(asked, stub.text(asked)[:20], finish=None)


def failing_midway(stub: StubLlm, asked: Asked) -> Response:
    """An error among the events."""
    body = _event({"delta": {"content": "{"}}) + b'data: {"error": {"message": "out of memory"}}\n\n'
    return Response(body, media_type="text/event-stream")


def status(code: int, body: Any = None, **headers: str) -> Behaviour:
    """A refusal; `retry_after="1"` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda stub, asked: JSONResponse(body if body is not None else {"error": {"message": "no"}}, code, named)


def slow(pause_s: float) -> Behaviour:
    """With a pause after each word."""
    return lambda stub, asked: stub.stream(asked, stub.text(asked), pause_s=pause_s)


def hanging(stub: StubLlm, asked: Asked) -> Response:
    """Not a word after the first event."""
    return stub.stream(asked, "{ }", pause_s=3600)


# ----------------------------------------------------------------------------------------------- fitting answers


def fitting(asked: Asked) -> Any:
    """What fits the schema: the same words for the same request, layouts in turn, numbers and quotes of the sources."""
    return _Filler(asked).fill(asked.schema)


class _Filler:
    def __init__(self, asked: Asked) -> None:
        self._definitions = asked.schema.get("$defs", {})
        sources = "\n".join(re.findall(r"<sources>\n(.*?)\n</sources>", asked.prompt, re.DOTALL))
        self._numbers = cycle(re.findall(r"(?<![\w.,\[])\d+(?![\w.,\]])", sources) or ["?"])
        self._sentence = next(iter(re.findall(r"[A-Z][^.\n]{12,}\.", sources)), "Nobody said this at all.")
        self._words, self._turns = cycle(_WORDS), dict[str, int]()

    def fill(self, schema: Mapping[str, Any], name: str = "") -> Any:
        if "$ref" in schema:
            return self.fill(self._definitions[schema["$ref"].rpartition("/")[2]], name)
        if "enum" in schema:
            turn = self._turns[name] = self._turns.get(name, -1) + 1
            return schema["enum"][turn % len(schema["enum"])]
        match schema.get("type"):
            case "object":
                return {key: self.fill(inner, key) for key, inner in schema["properties"].items()}
            case "array" if name == "rows":
                return [[self._word("row"), next(self._numbers), next(self._numbers)] for _ in range(3)]
            case "array":
                many = max(schema.get("minItems", 0), min(3, schema.get("maxItems", 3)))
                return [self.fill(schema["items"], name) for _ in range(many)]
            case "integer" | "number":
                return 1
            case "boolean":
                return True
            case "string" if name == "quote":
                return self._sentence
            case "string" if name == "number":
                return next(self._numbers)
            case "string" if name == "name":
                return ""
        return self._word(name)

    def _word(self, name: str) -> str:
        return f"{name.capitalize()} {next(self._words)}".strip()


# ----------------------------------------------------------------------------------------------------- serving it


@asynccontextmanager
async def serving_llm(**switches: Any) -> AsyncIterator[StubLlm]:
    """The stub, served on loopback for a while."""
    stub = StubLlm(**switches)

    async def models(request: Request) -> Response:
        if stub.key and request.headers.get("authorization") != f"Bearer {stub.key}":
            return JSONResponse({"error": {"message": "no such key"}}, 401)
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    app = Starlette(
        routes=[
            Route("/v1/chat/completions", stub.complete, methods=["POST"]),
            Route("/v1/models", models),
        ]
    )
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1, lifespan="off")
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    stub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    try:
        yield stub
    finally:
        server.should_exit = True
        await task


def _event(choice: Mapping[str, Any]) -> bytes:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


async def _in_odd_pieces(whole: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    sizes = cycle(_ODD)
    async for event in whole:
        begin = 0
        while begin < len(event):
            end = begin + next(sizes)
            yield event[begin:end]
            begin = end
