"""An episode as Markdown: what it is about first, then everything that was said."""

import re

from worker.kinds.episode.page import Episode
from worker.kinds.episode.said import clock, paragraphs

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|])")


def as_markdown(about: Episode) -> str:
    """The summary, the chapters, and the transcript by chapters."""
    parts = [f"# {_plain(about.title)}", " · ".join(about.facts)]
    if enriched := about.enriched:
        if enriched.summary:
            parts += [
                "## Summary",
                _listed([f"{_plain(each.text)} ({clock(each.start)})" for each in enriched.summary]),
            ]
        if enriched.chapters:
            parts += [
                "## Chapters",
                _listed([f"{clock(each.start)} {_plain(each.title)}" for each in enriched.chapters]),
            ]
        if enriched.phrases:
            parts += [f"Spoken of: {', '.join(map(_plain, enriched.phrases))}."]
        parts += [_plain(note) for note in enriched.notes]
    parts.append("## Transcript")
    chapters = {each.start: each.title for each in enriched.chapters} if enriched else {}
    waiting = sorted(chapters)
    for lines in paragraphs(about.transcript.lines, waiting):
        while waiting and waiting[0] <= lines[0].start + 0.05:
            parts.append(f"### {clock(waiting[0])} {_plain(chapters[waiting.pop(0)])}")
        parts.append(f"**{clock(lines[0].start)}** {_plain(' '.join(line.text for line in lines))}")
    return "\n\n".join(parts) + "\n"


def _listed(rows: list[str]) -> str:
    return "\n".join(f"- {row}" for row in rows)


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
