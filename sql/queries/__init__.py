"""Named reads: SQL kept as SQL, by the name in the comment above it."""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def queries() -> dict[str, str]:
    """Every named query of the .sql files in this folder. Raises ValueError where two have one name."""
    named: dict[str, str] = {}
    for file in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
            for name, text in zip(parts[::2], parts[1::2], strict=True):
                if name in named:
                    raise ValueError(f"Two queries are named '{name}'.")
                named[name] = text.strip()
    return named
