"""A tool that does nothing, on the same SDK and server: what a call over MCP costs without us."""

import sys
from typing import Any

import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent, Tool


async def list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
    """The one tool."""
    return ListToolsResult(tools=[Tool(name="bare", description="Does nothing.", input_schema={"type": "object"})])


async def call_tool(_: ServerRequestContext[Any], __: CallToolRequestParams) -> CallToolResult:
    """Nothing."""
    return CallToolResult(content=[TextContent(type="text", text="done")], structured_content={"done": True})


def main(port: str) -> None:
    """Serve until ended."""
    server = Server("bare", on_list_tools=list_tools, on_call_tool=call_tool)
    app = server.streamable_http_app(json_response=True, stateless_http=True)
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1])
