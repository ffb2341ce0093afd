"""Where one slide's Markdown ends and the next one's begins."""

import re
from collections.abc import Sequence

MAX_SLIDES = 200
MAX_CHARACTERS = 20_000

_RULE = re.compile(r"---[ \t]*")
_FENCE = re.compile(r"[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*(?P<run>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_NOTE = re.compile(r"Notes?:[ \t]*")


def split_slides(slides: object) -> object:
    """Slides apart at lines of `---`, in one string or in each of a list's; anything else is left to validation."""
    if isinstance(slides, str):
        return _split(slides)
    if isinstance(slides, list) and all(isinstance(slide, str) for slide in slides):
        return [part for slide in slides for part in _split(slide)]
    return slides


def check_slides(slides: list[str]) -> list[str]:
    """The slides as they are. Raises ValueError saying what is allowed when there are none, too many or too long."""
    if not any(slide.strip() for slide in slides):
        raise ValueError(f"has nothing on it. Give 1 to {MAX_SLIDES} Markdown strings, one a slide.")
    if len(slides) > MAX_SLIDES:
        raise ValueError(f"has {len(slides)} slides; 1 to {MAX_SLIDES} are allowed. Make several decks of it.")
    for number, slide in enumerate(slides, 1):
        if len(slide) > MAX_CHARACTERS:
            raise ValueError(
                f"has {len(slide):,} characters on slide {number}; at most {MAX_CHARACTERS:,} are allowed on one."
            )
    return slides


def split_notes(slide: str) -> tuple[str, str]:
    """A slide's Markdown, and its speaker notes: all from a line that begins with `Note:`."""
    lines = slide.split("\n")
    for index, in_code in enumerate(code_lines(lines)):
        if not in_code and (note := _NOTE.match(lines[index])):
            notes = [lines[index][note.end() :], *lines[index + 1 :]]
            return "\n".join(lines[:index]), "\n".join(notes).strip()
    return slide, ""


def code_lines(lines: Sequence[str]) -> list[bool]:
    """Which lines belong to a fenced code block. A fence that is never closed is no fence: it must not eat the deck."""
    fences = [_FENCE.match(line) for line in lines]
    longest_below, closable = {"`": 0, "~": 0}, [False] * len(lines)
    for index in reversed(range(len(lines))):
        if fence := fences[index]:
            run = fence["run"]
            closable[index] = longest_below[run[0]] >= len(run)
            if not fence["info"].strip():
                longest_below[run[0]] = max(longest_below[run[0]], len(run))
    marks, opened = list[bool](), ""
    for fence, can_close in zip(fences, closable, strict=True):
        run = fence["run"] if fence else ""
        marks.append(bool(opened) or can_close)
        if not opened:
            opened = run if can_close else ""
        elif fence and run.startswith(opened) and not fence["info"].strip():
            opened = ""
    return marks


def _split(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    slides, begin = list[str](), 0
    for index, in_code in enumerate(code_lines(lines)):
        if not in_code and _RULE.fullmatch(lines[index]):
            slides.append("\n".join(lines[begin:index]))
            begin = index + 1
    slides.append("\n".join(lines[begin:]))
    return [slide for slide in slides if slide.strip()] or slides[:1]
