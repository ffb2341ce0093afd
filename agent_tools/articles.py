"""Markdown to a sanitised article."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

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
_HEADING = re.compile(r"h([1-6])")
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


@dataclass(frozen=True)
class Article:
    """What the Markdown said: safe HTML, and what is worth knowing about it."""

    html: str
    title: str
    opens_with_title: bool
    words: int
    headings: int


Ours = Callable[[str, str], str | None]
"""An attribute (`href` or `src`) and an address → the one to use in its place; None: nothing that is ours."""


def read(content: str, *, top: int = 1, ours: Ours = lambda attribute, address: None) -> Article:
    """Markdown as an article without scripts, styles of its own, or anything that a reader's browser would fetch.

    Its first heading is of the level `top`, those below it follow. `ours` may let addresses of this installation through.
    """
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 50}).enable(["table", "strikethrough"])
    tokens = markdown.parse(content)
    opens_with_title = bool(tokens) and tokens[0].tag == "h1"
    headings = [_plain(text) for opening, text in pairwise(tokens) if opening.type == "heading_open"]
    for item, _, text in zip(tokens, tokens[1:], tokens[2:], strict=False):
        _tick(item, text)
    for token in tokens:
        _align(token)
        _lower(token, top - 1)
        _unhook(token.children or (), ours)

    def safe(tag: str, attribute: str, value: str) -> str | None:
        allowed = _ADDRESSES.get(attribute)
        return value if allowed is None or allowed.match(value) else ours(attribute, value)

    return Article(
        html=nh3.clean(
            markdown.renderer.render(tokens, markdown.options, {}),
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            allowed_classes=_CLASSES,
            attribute_filter=safe,
            url_schemes={"http", "https", "mailto", "data"},
            link_rel="noopener nofollow",
        ),
        title=next(filter(None, headings), ""),
        opens_with_title=opens_with_title,
        words=sum(len(_WORD.findall(_plain(token))) for token in tokens),
        headings=len(headings),
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


def _lower(token: Token, by: int) -> None:
    if by and (heading := _HEADING.fullmatch(token.tag)):
        token.tag = f"h{min(int(heading[1]) + by, 6)}"


def _unhook(children: Sequence[Token], ours: Ours) -> None:
    """A picture from elsewhere becomes its alternative text: opening the page must tell nobody."""
    for child in children:
        if child.type != "image":
            continue
        source = str(child.attrs.get("src", ""))
        if here := ours("src", source):
            child.attrs["src"] = here
        elif not _ADDRESSES["src"].match(source):
            child.type, child.content = "text", f"[{child.content or 'picture'}]"
