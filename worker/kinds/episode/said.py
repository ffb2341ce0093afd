"""What was said when: the words of this package."""

from itertools import pairwise
from typing import Literal

from pydantic import BaseModel

Stage = Literal["discover", "transcribe", "enrich", "render"]
STAGES: tuple[Stage, ...] = ("discover", "transcribe", "enrich", "render")

LONGEST_PARAGRAPH_S = 60.0
PAUSE_S = 1.5


class Line(BaseModel):
    """A few words that were said in one go; times in seconds from the beginning."""

    start: float
    end: float
    text: str


class Transcript(BaseModel):
    """Everything that was said. `engine`: the model that heard it, or `captions` where the site had them."""

    language: str
    engine: str
    lines: list[Line]

    @property
    def words(self) -> int:
        """How many words were said."""
        return sum(len(line.text.split()) for line in self.lines)


class Point(BaseModel):
    """Something worth knowing, and where it is said."""

    start: float
    text: str


class Chapter(BaseModel):
    """A part of the episode about one thing."""

    start: float
    title: str


class Enriched(BaseModel):
    """What an episode is about. `engine`: `extractive` where it is picked from what was said, else the model that wrote it."""

    engine: str
    summary: list[Point]
    chapters: list[Chapter]
    phrases: list[str]
    notes: list[str] = []


def clock(seconds: float) -> str:
    """`1:02:03`, `2:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def paragraphs(lines: list[Line], breaks: list[float]) -> list[list[Line]]:
    """The lines in paragraphs: a new one at each of `breaks`, after a pause, and where a sentence ends after long enough."""
    found: list[list[Line]] = [lines[:1]] if lines else []
    for before, line in pairwise(lines):
        is_chapter = any(before.start < at <= line.start for at in breaks)
        is_pause = line.start - before.end > PAUSE_S
        is_long = line.start - found[-1][0].start > LONGEST_PARAGRAPH_S / 2 and before.text.endswith(
            (".", "!", "?", "。")
        )
        if is_chapter or is_pause or is_long or line.start - found[-1][0].start > LONGEST_PARAGRAPH_S:
            found.append([])
        found[-1].append(line)
    return found
