"""What a question is about → how a page shows it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from markupsafe import Markup

from agent_tools.articles import read
from agent_tools.jobs.artifact_store import StepFile
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.job import StoredArtifact
from web import fields
from web.job_view import pretty
from web.words import artifact_href, kind_name, size, sort_of, type_word

_OURS = re.compile(
    r"(?:job://(?P<a>\w{13})/artifacts/|artifact:/*(?P<b>\w{13})/|/artifacts/(?P<c>\w{13})/)(?P<name>[^/?#]+)", re.ASCII
)
_OUR_JOB = re.compile(r"(?:job://|/jobs/)(?P<job>[0-9a-z]{13})/?")
_ELSEWHERE = re.compile(r"https?://\S+", re.IGNORECASE)
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg")
_SHORT = 80
_MANY = 60


@dataclass(frozen=True)
class Thing:
    """Something shown. `sort`: article, picture, pictures, page, text, audio, video, file, link, word, or data."""

    sort: str
    label: str = ""
    html: Markup | str = ""
    text: str = ""
    href: str = ""
    size: str = ""
    word: str = ""
    is_cut: bool = False
    pictures: Sequence[str] = ()


def things(ask: Ask, file_text: str = "") -> list[Thing]:
    """What the question is about."""
    shown = ask.shown or {}
    found: list[Thing] = []
    if isinstance(text := shown.get("text"), str):
        found.append(article(text))
    if isinstance(file := shown.get("file"), Mapping):
        found.append(_file(ask.id, StepFile(**file), file_text))
    if isinstance(data := shown.get("data"), Mapping):
        found += [replace(_value(data[name]), label=_name(name)) for name in fields.in_order(data, shown.get("order"))]
    return found


def article(text: str) -> Thing:
    """Markdown as the kind `page` shows it: nothing in it acts, nothing is fetched from elsewhere."""
    return Thing("article", html=Markup(read(text, top=3, ours=_ours).html))  # noqa: S704 - nh3 has cleaned it


def file_href(ask: int, name: str) -> str:
    """Where the file that a question shows is served."""
    return f"/waiting/{ask}/files/{quote(name, safe='')}"


def _file(ask: int, file: StepFile, text: str) -> Thing:
    stored = StoredArtifact(file.name, file.title, file.media_type, file.bytes, file.sha256, 0)
    sort = sort_of(stored)
    about = Thing(
        sort, file.title, href=file_href(ask, file.name), size=size(file.bytes), word=type_word(stored), text=text
    )
    if sort == "text" and file.media_type.startswith("text/markdown"):
        return replace(about, sort="article", html=article(text).html)
    return about


def _value(value: Any) -> Thing:
    match value:
        case bool():
            return Thing("word", text="Yes" if value else "No")
        case None | "":
            return Thing("word", text="–")
        case int() | float():
            return Thing("word", text=f"{value:,}")
        case str():
            return _text(value)
        case [str(), *_] if all(isinstance(each, str) for each in value):
            if all(_is_picture(each) for each in value):
                return Thing("pictures", pictures=[str(_ours("src", each)) for each in value[:_MANY]])
            if all(len(each) <= _SHORT for each in value):
                return Thing("word", text=", ".join(value))
    return Thing("data", text=pretty(value))


def _text(value: str) -> Thing:
    if _is_picture(value):
        return Thing("pictures", pictures=[str(_ours("src", value))])
    href = _ours("href", value) or (value if _ELSEWHERE.fullmatch(value) else None)
    if href:
        return Thing("link", text=value, href=href)
    return Thing("word", text=value) if "\n" not in value and len(value) <= _SHORT else article(value)


def _ours(attribute: str, address: str) -> str | None:
    """An address of one of our files, or (as a link) of one of our jobs, however it is written."""
    if found := _OURS.fullmatch(address):
        return artifact_href((found["a"] or found["b"] or found["c"]).lower(), unquote(found["name"]))
    if attribute == "href" and (job := _OUR_JOB.fullmatch(address)):
        return f"/jobs/{job['job']}"
    return None


def _is_picture(value: str) -> bool:
    return value.lower().endswith(_PICTURES) and _ours("src", value) is not None


def _name(name: str) -> str:
    return kind_name(name) if name.islower() else name
