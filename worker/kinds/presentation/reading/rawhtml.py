"""What HTML inside Markdown says: its words, its pictures, its comments."""

import html
import re
from dataclasses import dataclass

BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_COMMENT = re.compile(r"<!--((?:(?!<!--).)*?)-->", re.DOTALL)
"""One that is never closed ends where another begins, so that it does not eat the slide."""
_PICTURE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")
_UNSEEN = re.compile(r"<(style|script)\b[^<>]*>(?:(?!<\1\b).)*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<!--|</?[A-Za-z][\w:-]*(?:\s[^<>]*)?/?>|<[!?][^<>]*>")
_NOTE = re.compile(r"\A(?:speaker\s+)?notes?\s*:", re.IGNORECASE)
_DIRECTIVE = re.compile(
    r"fit$|\.slide:|\.element:|_?(?:theme|style|headingDivider|size|math|paginate|header|footer|class|color|transition"
    r"|background(?:Color|Image|Position|Repeat|Size)|marp)\s*:"
)


@dataclass(frozen=True)
class Picture:
    """An `<img>`: where it is from, what it shows, what it says when pointed at."""

    source: str
    alt: str
    title: str


@dataclass(frozen=True)
class Html:
    """A stretch of HTML, taken apart. `unseen` are the names of its elements that are no text, such as `style`."""

    words: str
    pictures: tuple[Picture, ...]
    comments: tuple[str, ...]
    unseen: tuple[str, ...]


def read_html(written: str) -> Html:
    """The HTML's parts; `words` still has its line breaks."""
    comments = [text for comment in _COMMENT.findall(written) if (text := comment.strip())]
    seen = _UNSEEN.sub(" ", _COMMENT.sub("", written))
    return Html(
        words=html.unescape(_TAG.sub(" ", BREAK.sub("\n", seen))),
        pictures=tuple(map(_picture, _PICTURE.findall(seen))),
        comments=tuple(comments),
        unseen=tuple(name.lower() for name in _UNSEEN.findall(written)),
    )


def spoken(comment: str) -> str:
    """What a comment gives the speaker to say; empty when it tells another program how to show the slide."""
    return "" if _DIRECTIVE.match(comment) else _NOTE.sub("", comment).strip()


def _picture(tag: str) -> Picture:
    """The `<img>` by its attributes."""
    said = {name.lower(): html.unescape(value.strip("\"'")) for name, value in _ATTRIBUTE.findall(tag)}
    return Picture(said.get("src", ""), said.get("alt", ""), said.get("title", ""))
