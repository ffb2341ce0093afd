"""The beginning of a file, as text."""

from pathlib import Path


def beginning(path: Path, most: int) -> str:
    """At most so many bytes of it; empty where it is gone. Blocking: call it in a thread."""
    try:
        with path.open("rb") as file:
            return file.read(most).decode("utf-8", "replace").rstrip("\ufffd")
    except OSError:
        return ""
