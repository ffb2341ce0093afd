"""Where one slide's Markdown ends and the next one's begins."""

import re
from collections.abc import Sequence

MAX_SLIDES = 200
MAX_CHARACTERS = 20_000

_RULE = re.compile(r"---[ \t]*")
_FENCE = re.compile(r"[ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*(?P<run>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_NOTE = re.compile(r"Notes?:[ \t]*")
_FRONT = re.compile(r"\ufeff?\s*---[ \t]*\n(?P<inside>(?:(?!---[ \t]*$).*\n)+?)---[ \t]*(?:\n|\Z)", re.MULTILINE)
_KEY = re.compile(r"(?P<key>[A-Za-z][\w-]*):(?P<value>\s.*|)")
_GOES_ON = re.compile(r"\s*$|\s+\S|- |#")
_FOLDED = re.compile(r"[>|][-+]?")
FRONT_KEYS = frozenset({"title", "author", "date", "footer", "theme"})
"""What front matter may say of a deck."""
_PAYLOAD = re.compile(r"(?P<head>data:image/[\w.+-]{1,40};base64,)(?P<payload>[\w+/=%-]{64,})", re.IGNORECASE)


def split_slides(slides: object) -> object:
    """Slides apart at lines of `---`, in one string or in each of a list's; anything else is left to validation.

    Front matter stays where it is, at the front of the first slide, so that doing it again changes nothing.
    """
    written = [slides] if isinstance(slides, str) else slides
    if not written or not isinstance(written, list) or not all(isinstance(slide, str) for slide in written):
        return slides
    first, *others = (slide.replace("\r\n", "\n").replace("\r", "\n") for slide in written)
    front, first = cut_front_matter(first)
    parts = [part for slide in (first, *others) for part in _split(slide)]
    if front and len(parts) > 1 and not parts[0].strip():
        del parts[0]
    return [front + parts[0], *parts[1:]]


def cut_front_matter(text: str) -> tuple[str, str]:
    """The front matter that a deck begins with, its lines of `---` included, and the rest. Empty when there is none."""
    front = _FRONT.match(text)
    if not front or not _says_things(front["inside"]):
        return "", text
    block = front[0].lstrip("\ufeff \t\n")
    return block if block.endswith("\n") else f"{block}\n", text[front.end() :]


def front_matter(block: str) -> dict[str, str]:
    """What front matter says by key, ours in small letters. An entry of several lines is one text."""
    said, values = dict[str, list[str]](), list[str]()
    for line in block.split("\n")[1:-2]:
        if entry := _KEY.fullmatch(line):
            key = entry["key"].lower()
            values = said.setdefault(key if key in FRONT_KEYS else entry["key"], [])
        value = (entry["value"] if entry else "" if line.startswith("#") else line).strip()
        if value.startswith("- "):
            value = f"{', ' * bool(values)}{_unquoted(value[2:].strip())}"
        if value and not _FOLDED.fullmatch(value):
            values.append(_unquoted(value))
    return {key: " ".join(values).replace(" , ", ", ") for key, values in said.items()}


def cut_pictures(text: str) -> tuple[str, list[str]]:
    """The text with the long insides of its `data:` pictures taken out and counted (`…;base64,...0`), and these."""
    payloads = list[str]()

    def cut(found: re.Match[str]) -> str:
        payloads.append(found["payload"])
        return f"{found['head']}...{len(payloads) - 1}"

    return _PAYLOAD.sub(cut, text), payloads


def check_slides(slides: list[str]) -> list[str]:
    """The slides as they are. Raises ValueError saying what is allowed when there are none, too many or too long."""
    if not any(slide.strip() for slide in (cut_front_matter("".join(slides[:1]))[1], *slides[1:])):
        raise ValueError(f"has nothing on it. Give 1 to {MAX_SLIDES} Markdown strings, one a slide.")
    if len(slides) > MAX_SLIDES:
        raise ValueError(f"has {len(slides)} slides; 1 to {MAX_SLIDES} are allowed. Make several decks of it.")
    for number, slide in enumerate(slides, 1):
        if (length := len(cut_pictures(slide)[0])) > MAX_CHARACTERS:
            raise ValueError(
                f"has {length:,} characters on slide {number}; at most {MAX_CHARACTERS:,} are allowed on one."
            )
    return slides


def split_notes(slide: str) -> tuple[str, str]:
    """A slide's Markdown, and its speaker notes: all from a line that begins with `Note:`."""
    lines = slide.split("\n")
    in_comments = _comment_lines(slide)
    for index, in_code in enumerate(code_lines(lines)):
        if not in_code and index not in in_comments and (note := _NOTE.match(lines[index])):
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


def _comment_lines(text: str) -> set[int]:
    """The lines that begin inside an HTML comment. One that is never closed is none."""
    inside, line, at = set[int](), 0, 0
    while (end := text.find("-->", at)) >= 0:
        begin = text.rfind("<!--", at, end)
        begin = end if begin < 0 else begin
        first = line + text.count("\n", at, begin)
        line = first + text.count("\n", begin, end)
        inside.update(range(first + 1, line + 1))
        at = end + 3
    return inside


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    slides, begin = list[str](), 0
    for index, in_code in enumerate(code_lines(lines)):
        if not in_code and _RULE.fullmatch(lines[index]):
            slides.append("\n".join(lines[begin:index]))
            begin = index + 1
    slides.append("\n".join(lines[begin:]))
    return [slide for slide in slides if slide.strip()] or slides[:1]


def _says_things(inside: str) -> bool:
    """Whether these lines are front matter, and no slide: keys of ours, or none but keys as settings are written."""
    first, *others = inside.strip("\n").split("\n")
    keys = [key["key"] for line in (first, *others) if (key := _KEY.fullmatch(line))]
    return (
        _KEY.fullmatch(first) is not None
        and all(_KEY.fullmatch(line) or _GOES_ON.match(line) for line in others)
        and (any(key.lower() in FRONT_KEYS for key in keys) or all(key[0].islower() for key in keys))
    )


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    return value[1:-1].replace("''", "'") if value[0] == "'" else value[1:-1].replace('\\"', '"')
