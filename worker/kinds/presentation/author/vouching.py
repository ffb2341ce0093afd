"""What the sources vouch for: which numbers and words stand in them."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_NUMBER = re.compile(r"(?<![^\W\d_])(?:\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?!\d)")
_BETWEEN = re.compile(r"['’ \u00a0\u202f]")
_ELLIPSIS = re.compile(r"\[?(?:…|\.\.\.)\]?")
SHORTEST_QUOTE = 12
"""Fewer letters than these are found anywhere."""


@dataclass(frozen=True)
class Sources:
    """The texts that were given to write from."""

    texts: Sequence[str]

    def read(self) -> "Sources":
        """Read them through, which takes a second for a megabyte: no thread that others wait for should."""
        _ = self._paragraphs, self._numbers, self._words
        return self

    def unfounded(self, texts: Iterable[str]) -> list[str]:
        """The numbers in these texts that stand in no source, each once."""
        numbers = [number for text in texts for number in numbers_in(text)]
        return list(dict.fromkeys(number for number in numbers if not _readings(number) & self._numbers))

    def hold(self, words: str) -> bool:
        """Whether somebody wrote these words; each part of them, where something is left out between."""
        parts = [_folded(part) for part in _ELLIPSIS.split(words)]
        return any(parts) and all(part in self._words for part in parts)

    def names(self, most: int) -> list[str]:
        """Each source's first line, in at most so many characters."""
        return [_cut(_first_line(text), most) for text in self.texts]

    def about(self, subject: str, most: int) -> str:
        """The sources in at most so many characters: what shares most words with the subject, in its order."""
        wanted = set(_folded(subject).split())
        by_worth = sorted(enumerate(self._paragraphs), key=lambda each: -len(wanted & each[1].words))
        kept, room = dict[int, str](), most
        for at, paragraph in by_worth:
            text = f"[{paragraph.source}] {_cut(paragraph.text, most // 4)}"
            room -= len(text) + 2
            if room < 0:
                break
            kept[at] = text
        return "\n\n".join(kept[at] for at in sorted(kept))

    @cached_property
    def _paragraphs(self) -> list["_Paragraph"]:
        return [
            _Paragraph(number, part.strip(), frozenset(_folded(part).split()))
            for number, text in enumerate(self.texts, 1)
            for part in re.split(r"\n\s*\n", text)
            if part.strip()
        ]

    @cached_property
    def _numbers(self) -> frozenset[float]:
        return frozenset(value for text in self.texts for number in numbers_in(text) for value in _readings(number))

    @cached_property
    def _words(self) -> str:
        return " ".join(_folded(text) for text in self.texts)


class _Paragraph(NamedTuple):
    source: int
    text: str
    words: frozenset[str]


def numbers_in(text: str) -> list[str]:
    """The numbers as they are written; digits in a name such as H2O are none."""
    return [match[0] for match in _NUMBER.finditer(unicodedata.normalize("NFKC", text))]


def _readings(number: str) -> set[float]:
    """What a number may mean: 1,234 is one thing in London and another in Lisbon, and 12 300 may be two numbers."""
    plain = _BETWEEN.sub("", number)
    head, mark, tail = plain.replace(",", ".").rpartition(".")
    values = {float(part.replace(",", ".").replace(".", "")) for part in _BETWEEN.split(number)}
    if not mark:
        return values | {float(plain)}
    as_decimal = float(f"{head.replace('.', '')}.{tail}")
    return {as_decimal, float(plain.replace(",", "").replace(".", ""))} if len(tail) == 3 else {as_decimal}


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def _first_line(text: str) -> str:
    return next((line.strip(" \t#*_>-") for line in text.splitlines() if line.strip(" \t#*_>-")), "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rsplit(' ', 1)[0]}…"
