"""Captions as files: written as SRT and VTT, and read from what sites offer."""

import html
import re
from collections.abc import Iterator, Sequence

from worker.kinds.episode.said import Line

_TIMES = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})")
_TAG = re.compile(r"<[^>]*>")
_WIDEST = 42


def srt(lines: Sequence[Line]) -> str:
    """SubRip: what most players and editors take."""
    return "".join(
        f"{number}\n{_stamp(line.start, ',')} --> {_stamp(line.end, ',')}\n{_in_rows(line.text)}\n\n"
        for number, line in enumerate(lines, 1)
    )


def vtt(lines: Sequence[Line]) -> str:
    """WebVTT: what browsers take."""
    cues = (
        f"{_stamp(line.start, '.')} --> {_stamp(line.end, '.')}\n{html.escape(_in_rows(line.text), quote=False)}\n\n"
        for line in lines
    )
    return "WEBVTT\n\n" + "".join(cues)


def read(text: str) -> list[Line]:
    """The lines of an SRT or VTT file, as far as it is one: in order, without tags, without what only repeats the line before."""
    lines = list[Line]()
    for line in sorted(_cues(text.lstrip("\ufeff")), key=lambda cue: cue.start):
        if not line.text or (lines and line.text == lines[-1].text and line.start <= lines[-1].end + 0.5):
            continue
        lines.append(line)
    return lines


def _cues(text: str) -> Iterator[Line]:
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        rows = block.strip().split("\n")
        at = next((number for number, row in enumerate(rows) if _TIMES.search(row)), None)
        if at is None or not (times := _TIMES.search(rows[at])):
            continue
        words = html.unescape(_TAG.sub("", " ".join(rows[at + 1 :])))
        start, end = _seconds(*times.groups()[:4]), _seconds(*times.groups()[4:])
        yield Line(start=start, end=max(start, end), text=" ".join(words.split()))


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _stamp(seconds: float, point: str) -> str:
    thousandths = round(seconds * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _in_rows(text: str) -> str:
    """In two rows where it is too wide for one, parted between words near the middle."""
    # An empty row would end the cue, and an arrow is what its times are known by.
    text = " ".join(text.split()).replace("-->", "→")
    if len(text) <= _WIDEST:
        return text
    gaps = [at for at, character in enumerate(text) if character == " "]
    if not gaps:
        return text
    middle = min(gaps, key=lambda at: abs(at - len(text) // 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"
