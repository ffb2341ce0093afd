"""What the fields of a model's answer are held to: printable, cut where too long, and refused where there is nothing."""

import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")


def one_line(text: str) -> str:
    """The text as one line of what can be printed."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def cut(line: str, most: int) -> str:
    """The line, cut after a word where it has more than `most` characters."""
    return line if len(line) <= most else f"{line[: most - 1].rsplit(' ', 1)[0].rstrip(' ,;:–—-')}…"


def not_empty(text: str) -> str:
    """The text. Raises ValueError where there is none."""
    if not text:
        raise ValueError("is empty.")
    return text


def some(least: int, most: int) -> Callable[[list[T]], list[T]]:
    """Keeps at most so many entries that are not empty. What it gives raises ValueError where they are fewer than `least`."""

    def kept(entries: list[T]) -> list[T]:
        entries = [each for each in entries if each]
        if len(entries) < least:
            raise ValueError(f"has {len(entries)} entries; it needs {least} to {most}.")
        return entries[:most]

    return kept
