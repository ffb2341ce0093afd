"""The card of a job: an MCP App, which a chat client shows in place of a receipt and which says how far the job is."""

from functools import cache
from importlib.resources import files
from typing import Any

from mcp.types import TextResourceContents

EXTENSION = "io.modelcontextprotocol/ui"
URI = "ui://backburner/job.html"
MEDIA_TYPE = "text/html;profile=mcp-app"
TOOL_META: dict[str, Any] = {"ui": {"resourceUri": URI}}
"""What the list of tools says of one whose answer is shown as a card."""


@cache
def contents() -> TextResourceContents:
    """The card itself. It reaches no network: all it knows it asks its host for."""
    html = (files(__package__) / "card.html").read_text(encoding="utf-8")
    return TextResourceContents(uri=URI, mime_type=MEDIA_TYPE, text=html, _meta={"ui": {"prefersBorder": True}})
