"""The protocol as servers really speak it: what is sent, what comes, what they complain of."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
from pydantic import BaseModel, ValidationError

from agent_tools.llm.answers import strict_schema
from agent_tools.llm.errors import LlmUnavailable

MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Dialect:
    """What this server understands, as far as it has complained; they differ most in these two."""

    limit: str = "max_tokens"
    format: str = "strict"

    def response_format(self, shape: type[BaseModel]) -> dict[str, Any]:
        """What asks this server for answers of the shape."""
        if self.format == "none":
            return {}
        schema = strict_schema(shape, lengths=self.format == "strict")
        wanted = {"name": shape.__name__.strip("_"), "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": wanted}}

    def simpler(self, status: int, complaint: str) -> "Dialect | None":
        """What to try after this complaint; None when it is about something else."""
        if status not in (400, 422):
            return None
        if self.limit == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, limit="max_completion_tokens")
        if self.format != "none" and re.search("response_format|schema|grammar", complaint, re.IGNORECASE):
            return replace(self, format="plain" if self.format == "strict" else "none")
        return None


class Part(BaseModel):
    """A piece of what the model says."""

    content: str | None = None
    refusal: str | None = None


class Choice(BaseModel):
    """The answer: we ask for one. `delta` when it is streamed, else `message`."""

    delta: Part | None = None
    message: Part | None = None
    finish_reason: str | None = None


class Usage(BaseModel):
    """Tokens, as the server counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Chunk(BaseModel):
    """One event of a stream."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None


async def chunks(response: httpx2.Response) -> AsyncIterator[Chunk]:
    """What is streamed; from a server that does not stream, its whole answer as one chunk."""
    try:
        if "text/event-stream" not in response.headers.get("content-type", ""):
            yield Chunk.model_validate_json(await body_of(response, MOST_BYTES))
            return
        async for event in httpx2.EventSource(response):
            if event.data.strip() == "[DONE]":
                yield Chunk(choices=[Choice(finish_reason="stop")])
                return
            if event.data.strip():
                yield Chunk.model_validate_json(event.data)
    except ValidationError:
        raise LlmUnavailable(because="The LLM server answered with something that is no chat completion.") from None


async def body_of(response: httpx2.Response, most_bytes: int) -> bytes:
    """The body, or as much of it as anybody wants to read."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > most_bytes:
            break
    return body[:most_bytes]


def complaint_in(body: bytes) -> str:
    """What a server says is wrong."""
    try:
        return complaint_of(json.loads(body))
    except ValueError:
        return body.decode(errors="replace")


def complaint_of(error: Any) -> str:
    """The same of an error that was read already, wherever servers put it."""
    while isinstance(error, Mapping):
        error = next((error[key] for key in ("error", "message", "detail") if error.get(key)), "")
    return str(error)


def retry_after(response: httpx2.Response) -> float | None:
    """For how many seconds the server wants to be left alone, at most an hour; None when it does not say."""
    said = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", said):
        return min(float(said), 3600)
    try:
        moment = parsedate_to_datetime(said)
        return min(max((moment - datetime.now(UTC)).total_seconds(), 0), 3600)
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


def short(text: str, most: int = 500) -> str:
    """What fits into a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"
