"""A model's side of a conversation, over the SDK's own client."""

from collections.abc import Mapping
from typing import Any

from mcp import Client
from mcp.types import CallToolResult


class Agent:
    """A model's side of a conversation."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, tool: str, **arguments: Any) -> CallToolResult:
        return await self._client.call_tool(tool, arguments)

    async def get(self, tool: str, **arguments: Any) -> Mapping[str, Any]:
        """The structure of an answer that is no error."""
        answer = await self.ask(tool, **arguments)
        assert not answer.is_error, text_of(answer)
        assert answer.structured_content is not None
        return answer.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The sentence of a refusal, the same in text and in structure."""
        answer = await self.ask(tool, **arguments)
        assert answer.is_error
        assert answer.structured_content == {"error": text_of(answer)}
        return text_of(answer)


def text_of(answer: CallToolResult) -> str:
    return str(getattr(answer.content[0], "text", ""))
