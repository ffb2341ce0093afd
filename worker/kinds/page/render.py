"""Markdown to a sanitised article, and the article to a page."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import nh3
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_HERE = Path(__file__).parent
_TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "pre", "hr"),
    *("table", "thead", "tbody", "tr", "th", "td", "code", "em", "strong", "s", "a", "img", "br"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
_CLASSES = {"th": {"left", "center", "right"}, "td": {"left", "center", "right"}, "li": {"todo", "done"}}
_ADDRESSES = {
    "href": re.compile(r"https?://|mailto:", re.IGNORECASE),
    "src": re.compile(r"data:image/(png|jpeg|gif|webp);base64,", re.IGNORECASE),
}
_TASK = re.compile(r"\[([ xX])\] ")
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


@dataclass(frozen=True)
class Article:
    """What the Markdown said: safe HTML, and what is worth knowing about it."""

    html: str
    title: str
    opens_with_title: bool
    words: int
    headings: int


def read(content: str) -> Article:
    """Markdown as an article without scripts, styles of its own, or anything that a reader's browser would fetch."""
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 50}).enable(["table", "strikethrough"])
    tokens = markdown.parse(content)
    headings = [_plain(text) for opening, text in pairwise(tokens) if opening.type == "heading_open"]
    for item, _, text in zip(tokens, tokens[1:], tokens[2:], strict=False):
        _tick(item, text)
    for token in tokens:
        _align(token)
        _unhook(token.children or ())
    return Article(
        html=nh3.clean(
            markdown.renderer.render(tokens, markdown.options, {}),
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            allowed_classes=_CLASSES,
            attribute_filter=_safe,
            url_schemes={"http", "https", "mailto", "data"},
            link_rel="noopener nofollow",
        ),
        title=next(filter(None, headings), ""),
        opens_with_title=bool(tokens) and tokens[0].tag == "h1",
        words=sum(len(_WORD.findall(_plain(token))) for token in tokens),
        headings=len(headings),
    )


def lay_out(article: Article, title: str, theme: str) -> str:
    """The whole page. Its policy lets a browser use this style sheet, pictures inside the page, and nothing else."""
    style = (_HERE / "page.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = Environment(loader=FileSystemLoader(_HERE), autoescape=True).get_template("page.html")
    return template.render(
        article=Markup(article.html),  # noqa: S704 - nh3 has cleaned it
        heading="" if article.opens_with_title else title,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        theme=theme,
        title=title,
    )


def _plain(token: Token) -> str:
    if token.children is None:
        return token.content
    return "".join(" " if child.type.endswith("break") else child.content for child in token.children).strip()


def _tick(item: Token, text: Token) -> None:
    """`- [x] done` gets a ticked box for its bullet. A real checkbox would promise that it can be ticked."""
    if item.type == "list_item_open" and text.children and (task := _TASK.match(text.children[0].content)):
        item.attrSet("class", "todo" if task[1] == " " else "done")
        text.children[0].content = text.children[0].content[task.end() :]


def _align(token: Token) -> None:
    """Tables align by class, as the page's policy allows no style attribute."""
    if style := token.attrs.pop("style", None):
        token.attrSet("class", str(style).removeprefix("text-align:"))


def _unhook(children: Sequence[Token]) -> None:
    """A picture from elsewhere becomes its alternative text: opening the page must tell nobody."""
    for child in children:
        if child.type == "image" and not _ADDRESSES["src"].match(str(child.attrs.get("src", ""))):
            child.type, child.content = "text", f"[{child.content or 'picture'}]"


def _safe(tag: str, attribute: str, value: str) -> str | None:
    allowed = _ADDRESSES.get(attribute)
    return value if allowed is None or allowed.match(value) else None
