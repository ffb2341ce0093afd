"""What a person changed before they answered: fields that were filled in beforehand, and the text that was shown."""

import difflib
from collections.abc import Mapping
from typing import Any

MOST_DIFF = 2000
"""Characters of a difference that a model is shown."""


def of_form(form: Mapping[str, Any] | None, values: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Field → what it was (`was`, its default) and what it is (`is`), for those that the person changed."""
    fields = (form or {}).get("properties", {})
    return {
        name: {"was": fields[name]["default"], "is": value}
        for name, value in (values or {}).items()
        if "default" in fields.get(name, {}) and fields[name]["default"] != value
    }


def of_text(before: str, after: str, most: int = MOST_DIFF) -> str:
    """A unified difference, a line around each change; where it is long, its beginning."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[2:]
    diff = "\n".join(lines)
    return diff if len(diff) <= most else f"{diff[:most].rstrip()}\n…"
