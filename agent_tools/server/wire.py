"""Replies and refusals as the protocol sends them."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolResult,
    ImageContent,
    PaginatedRequestParams,
    TextContent,
)

from agent_tools.auth import NotAllowed
from agent_tools.jobs.errors import BackburnerError, BookUnavailable
from agent_tools.server.replies import Reply


def answer(reply: Reply, *, is_error: bool = False) -> CallToolResult:
    """What a tool answers."""
    pictures = [
        ImageContent(type="image", data=base64.b64encode(each.data).decode(), mime_type=each.artifact.media_type)
        for each in reply.pictures
    ]
    structure = json.loads(json.dumps(dict(reply.structure), default=str))
    return CallToolResult(
        content=[TextContent(type="text", text=reply.text), *pictures],
        structured_content=structure,
        is_error=is_error,
    )


def refusal(sentence: str) -> CallToolResult:
    """A tool's answer to what it does not do."""
    return answer(Reply(sentence, {"error": sentence}), is_error=True)


@contextmanager
def protocol_errors(**data: Any) -> Iterator[None]:
    """What is refused inside becomes an error of the protocol with the same sentence; `data` goes with it."""
    try:
        yield
    except BackburnerError as error:
        raise MCPError(_code(error), str(error), data or None) from error


def refuse_cursor(asked: PaginatedRequestParams) -> None:
    """Raise MCPError for a cursor: all that is listed comes on one page."""
    if asked.cursor is not None:
        raise MCPError(INVALID_PARAMS, "cursor: was not made here; all that is listed comes on one page.")


def _code(error: BackburnerError) -> int:
    if isinstance(error, BookUnavailable):
        return INTERNAL_ERROR
    return INVALID_REQUEST if isinstance(error, NotAllowed) else INVALID_PARAMS
