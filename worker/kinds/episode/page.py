"""An episode as a page that stands alone, and as the picture that stands for it on the shelf."""

import base64
import hashlib
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from pydantic import BaseModel

from agent_tools import page_scripts
from worker.kinds.episode.said import Enriched, Line, Transcript, clock, paragraphs

SCRIPT = "listen-1"
_HERE = Path(__file__).parent
_LANGUAGES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "fi": "Finnish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_RIGHT_TO_LEFT = frozenset({"ar", "he", "fa", "ur", "yi"})
_BAR = 10.0
"""How far the bars of a wave stand apart, and how high they may be: ten times that."""


class Episode(BaseModel):
    """What is known of an episode, as far as it got."""

    title: str
    source: str
    duration_s: float
    transcript: Transcript
    peaks: list[int]
    enriched: Enriched | None = None

    def enriched_by(self, enriched: Enriched) -> Self:
        """The same, and what it is about."""
        return self.model_copy(update={"enriched": enriched})

    @property
    def facts(self) -> list[str]:
        """What one would like to know before listening."""
        language = self.transcript.language
        named = _LANGUAGES.get(language, language.upper())
        by = {"captions": "with the captions of its page"}.get(
            self.transcript.engine, f"heard by {self.transcript.engine}"
        )
        about = []
        if self.enriched:
            is_picked = self.enriched.engine == "extractive"
            about = ["summary picked from what was said" if is_picked else f"summary by {self.enriched.engine}"]
        return [
            each for each in (clock(self.duration_s), f"{self.transcript.words:,} words", named, by, *about) if each
        ]


class _Paragraph(NamedTuple):
    start: float
    clock: str
    lines: Sequence[Line]


class _Part(NamedTuple):
    """A chapter as the page shows it; `title` is empty where there are none."""

    start: float
    clock: str
    title: str
    paragraphs: Sequence[_Paragraph]


def lay_out(about: Episode, audio: bytes | None) -> str:
    """The whole page, with the sound in it. Its policy lets a browser use this style, this script, this sound, and nothing else."""
    style, code = (_HERE / "page.css").read_text(encoding="utf-8"), page_scripts.script(SCRIPT)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {page_scripts.source_of(SCRIPT)}; media-src data:; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return _template("page.html").render(
        about=about,
        bars=_bars(about.peaks),
        clock=clock,
        direction="rtl" if about.transcript.language in _RIGHT_TO_LEFT else "ltr",
        enriched=about.enriched,
        parts=_parts(about),
        policy=policy,
        script=Markup(code),  # noqa: S704 - our own file
        sound=f"data:audio/mpeg;base64,{base64.b64encode(audio).decode()}" if audio else "",
        style=Markup(style),  # noqa: S704 - our own file
        wide=len(about.peaks) * _BAR,
    )


def cover(about: Episode) -> str:
    """A picture with the title and the sound's shape."""
    titles = textwrap.wrap(about.title, 30, max_lines=3, placeholder=" …") or ["Episode"]
    bars = _bars(_fewer(about.peaks, 72))
    return _template("cover.svg").render(titles=titles, bars=bars, clock=clock(about.duration_s), wide=72 * _BAR)


class _Bar(NamedTuple):
    x: float
    y: float
    height: float


def _bars(peaks: Sequence[int]) -> list[_Bar]:
    return [
        _Bar(number * _BAR + 2, 50 - height / 2, height)
        for number, peak in enumerate(peaks)
        for height in [max(peak, 3)]
    ]


def _fewer(peaks: Sequence[int], many: int) -> list[int]:
    if len(peaks) <= many:
        return list(peaks)
    return [max(peaks[len(peaks) * n // many : len(peaks) * (n + 1) // many]) for n in range(many)]


def _parts(about: Episode) -> list[_Part]:
    """The transcript by chapters, each in paragraphs."""
    chapters = about.enriched.chapters if about.enriched else []
    starts = [each.start for each in chapters]
    found = [_Part(each.start, clock(each.start), each.title, []) for each in chapters] or [_Part(0, clock(0), "", [])]
    for lines in paragraphs(about.transcript.lines, starts):
        here = max((number for number, part in enumerate(found) if part.start <= lines[0].start + 0.05), default=0)
        paragraph = _Paragraph(lines[0].start, clock(lines[0].start), lines)
        found[here] = found[here]._replace(paragraphs=[*found[here].paragraphs, paragraph])
    return found


@cache
def _template(name: str) -> Template:
    made = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.get_template(name)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
