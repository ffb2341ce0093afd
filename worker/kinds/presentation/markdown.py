"""Markdown slides to a deck, saying what could not be shown as it was written."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from markdown_it import MarkdownIt
from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from worker.kinds.presentation.deck import (
    Align,
    Block,
    Bullets,
    Code,
    Column,
    Columns,
    Deck,
    Item,
    Paragraph,
    Quote,
    Run,
    Slide,
    Table,
    Text,
    plain,
    texts,
)
from worker.kinds.presentation.split import split_notes

LONGEST_TITLE = 110
SHORT_TITLE = 60
DEEPEST = 40
"""Past so many levels of lists, quotes or emphasis a slide is shown as plain lines."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_TAG = re.compile(r"<!--.*?-->|<[^<>]*>", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_LINK = re.compile(r"https?://[\w\[%]|mailto:[^\s@]+@\w", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\] ")
_DASH = re.compile(r"(—|–|―|--)\s*(?=\S)")


@dataclass(frozen=True)
class _Heading:
    level: int
    text: Text


def read_deck(slides: Sequence[str], title: str = "") -> tuple[Deck, list[str]]:
    """The deck that these slides mean, and a sentence for each thing that was changed or left out."""
    changes: list[str] = []
    read = [slide for number, markdown in enumerate(slides, 1) if (slide := read_slide(number, markdown, changes))]
    name = _printable(title).strip() or next((plain(slide.title) for slide in read), "Presentation")
    return Deck(name, tuple(read)), changes


def read_slide(number: int, markdown: str, changes: list[str]) -> Slide | None:
    """One slide, or None when there is nothing on it; what was changed is added to `changes`."""
    body, notes = split_notes(_printable(markdown))
    reader = _Reader(number, body.split("\n"), changes)
    heading, blocks = _take_title(list(reader.blocks()))
    slide = Slide(
        number,
        title=heading.text if heading else (),
        blocks=tuple(_in_columns(blocks)),
        notes=notes,
        opens=bool(heading and heading.level == 1),
    )
    if not (heading or slide.blocks or notes):
        reader.note("is empty and was left out")
        return None
    if not heading:
        return _with_made_title(slide)
    if len(plain(heading.text)) > LONGEST_TITLE:
        reader.note("has a title too long for its place: it is shortened there, and stands whole below it")
        short = (Run(_shortened(plain(heading.text), LONGEST_TITLE)),)
        return replace(slide, title=short, blocks=(Paragraph(heading.text), *slide.blocks))
    return slide


@dataclass(frozen=True)
class _Reader:
    """The Markdown of one slide being read."""

    number: int
    lines: list[str]
    changes: list[str]
    markdown: MarkdownIt = field(
        default_factory=lambda: (
            MarkdownIt("commonmark", {"maxNesting": DEEPEST + 10})
            .enable(["table", "strikethrough"])
            .disable("reference")
        )
    )

    def note(self, what: str) -> None:
        """Keep a sentence about this slide, once."""
        sentence = f"Slide {self.number} {what}."
        if sentence not in self.changes:
            self.changes.append(sentence)

    def blocks(self) -> Iterator[Block | _Heading]:
        tokens = self.markdown.parse("\n".join(self.lines))
        if any(inner.level > DEEPEST for token in tokens for inner in (token, *(token.children or ()))):
            self.note("is nested too deeply and is shown as plain lines")
            yield from (Paragraph((Run(line.strip()),)) for line in self.lines if line.strip())
            return
        yield from self._blocks(SyntaxTreeNode(tokens).children)

    def _blocks(self, nodes: Iterable[SyntaxTreeNode]) -> Iterator[Block | _Heading]:
        for node in nodes:
            match node.type:
                case "heading":
                    if text := self._text(node):
                        yield _Heading(int(node.tag[1]), text)
                case "paragraph":
                    if text := self._text(node):
                        yield Paragraph(text)
                case "bullet_list" | "ordered_list":
                    yield from _gathered(self._list(node, 0))
                case "blockquote":
                    yield from self._quote(node)
                case "table":
                    yield self._table(node)
                case "fence" | "code_block":
                    lines = node.content.rstrip("\n").expandtabs(4).split("\n")
                    yield Code(tuple(lines), node.info.strip())
                case "html_block":
                    self.note("has HTML: only its text is shown")
                    yield from _lines(html.unescape(_TAG.sub(" ", _BREAK.sub("\n", node.content))))
                case "hr":
                    pass
                case _:
                    yield from _lines(node.content)

    def _list(self, node: SyntaxTreeNode, level: int) -> Iterator[Block | _Heading | Item]:
        first = int(node.attrs.get("start", 1))
        for number, entry in enumerate(node.children, first):
            marker = f"{number}." if node.type == "ordered_list" else "•" if level == 0 else "–"
            for child in entry.children:
                if child.type in ("bullet_list", "ordered_list"):
                    yield from self._list(child, level + 1)
                elif child.type not in ("paragraph", "heading"):
                    yield from self._blocks([child])
                elif text := self._text(child):
                    if task := _TASK.match(text[0].text):
                        marker = "☐" if task[1] == " " else "☑"
                        text = (replace(text[0], text=text[0].text[task.end() :]), *text[1:])
                    yield Item(text, level, marker)
                    marker = ""

    def _quote(self, node: SyntaxTreeNode) -> Iterator[Quote]:
        paragraphs = list[Text]()
        for block in self._blocks(node.children):
            match block:
                case Bullets():
                    paragraphs += ((Run(f"{item.marker} ".lstrip()), *item.text) for item in block.items)
                case _Heading():
                    paragraphs.append(block.text)
                case _:
                    paragraphs += filter(None, texts([block]))
        if paragraphs:
            *paragraphs, last = paragraphs
            words, source = _credited(last)
            if len(plain(source)) > LONGEST_TITLE or not (paragraphs or words):
                words, source = last, ()
            yield Quote((*paragraphs, *filter(None, [words])), source)

    def _table(self, node: SyntaxTreeNode) -> Table:
        rows = [row for part in node.children for row in part.children]
        head = rows[0]
        aligns = tuple(_align(cell) for cell in head.children)
        return Table(
            head=tuple(self._text(cell) for cell in head.children),
            rows=tuple(self._row(row, len(aligns), at_top=node.level == 0) for row in rows[1:]),
            aligns=aligns,
        )

    def _row(self, row: SyntaxTreeNode, width: int, *, at_top: bool) -> tuple[Text, ...]:
        cells = [self._text(cell) for cell in row.children]
        if at_top and row.map:
            written = escapedSplit(self.lines[row.map[0]].strip().removeprefix("|").removesuffix("|"))
            # Markdown drops the cells beyond the head; we keep their words in the last one.
            if beyond := " ".join(cell.strip() for cell in written[width:]).strip():
                cells[-1] = (*cells[-1], Run(f" {beyond}" if cells[-1] else beyond))
        return tuple(cells)

    def _text(self, node: SyntaxTreeNode) -> Text:
        runs = list[Run]()
        for inline in node.children:
            runs += self._runs(inline.token.children or []) if inline.token else ()
        return _trimmed(_merged(runs))

    def _runs(self, tokens: Sequence[Token]) -> Iterator[Run]:
        style, depth = Run(""), {"strong": 0, "em": 0, "s": 0}
        for token in tokens:
            name = token.type.rpartition("_")[0]
            if name in depth:
                depth[name] += token.nesting
                style = replace(style, bold=depth["strong"] > 0, italic=depth["em"] > 0, strike=depth["s"] > 0)
                continue
            match token.type:
                case "link_open":
                    style = replace(style, link=self._link(str(token.attrs.get("href", ""))))
                case "link_close":
                    style = replace(style, link=None)
                case "code_inline":
                    yield replace(style, text=token.content, code=True)
                case "hardbreak":
                    yield replace(style, text="\n")
                case "softbreak":
                    yield replace(style, text="\v")
                case "image":
                    self.note(
                        "has an image, shown as its text" if token.content else "has an image without text, left out"
                    )
                    yield replace(style, text=token.content)
                case "html_inline":
                    self.note("has HTML: only its text is shown")
                    yield replace(style, text="\n" if _BREAK.match(token.content) else "")
                case _:
                    yield replace(style, text=token.content)

    def _link(self, address: str) -> str | None:
        if _LINK.match(address):
            return address
        self.note(f"links to '{address[:60]}', which is no web or mail address: only its text is shown")
        return None


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


def _gathered(entries: Iterable[Block | _Heading | Item]) -> Iterator[Block | _Heading]:
    for are_items, group in groupby(entries, key=lambda entry: isinstance(entry, Item)):
        if are_items:
            yield Bullets(tuple(entry for entry in group if isinstance(entry, Item)))
        else:
            yield from (entry for entry in group if not isinstance(entry, Item))


def _lines(content: str) -> Iterator[Paragraph]:
    for line in content.split("\n"):
        if words := " ".join(line.split()):
            yield Paragraph((Run(words),))


def _align(cell: SyntaxTreeNode) -> Align:
    style = str(cell.attrs.get("style", ""))
    return "right" if "right" in style else "center" if "center" in style else "left"


def _merged(runs: Iterable[Run]) -> Text:
    """Neighbours of one style become one run. A soft break is a space, but before a dash, where a name follows."""
    merged = list[Run]()
    for run in runs:
        if merged and replace(merged[-1], text="") == replace(run, text=""):
            merged[-1] = replace(run, text=merged[-1].text + run.text)
        elif run.text:
            merged.append(run)
    soft = [re.sub(r"\v(?=[—–―])", "\n", run.text) for run in merged]
    return tuple(replace(run, text=text.replace("\v", " ")) for run, text in zip(merged, soft, strict=True))


def _trimmed(text: Text) -> Text:
    if not plain(text):
        return ()
    first, *rest = text
    first = replace(first, text=first.text.lstrip())
    *rest, last = [first, *rest]
    return tuple(run for run in (*rest, replace(last, text=last.text.rstrip())) if run.text)


def _credited(text: Text) -> tuple[Text, Text]:
    """A quote's last paragraph as its words and its source: what follows a dash at the beginning of a line."""
    for index, run in enumerate(text):
        before, newline, after = run.text.rpartition("\n")
        begins_line = bool(newline) or index == 0
        if begins_line and (dash := _DASH.match(after)):
            words = _trimmed((*text[:index], replace(run, text=before)))
            return words, _trimmed((replace(run, text=after[dash.end() :]), *text[index + 1 :]))
    return text, ()


def _take_title(blocks: list[Block | _Heading]) -> tuple[_Heading | None, list[Block | _Heading]]:
    """The heading that is the slide's title, and the rest. A lone `###` in front is one, too."""
    headings = [block for block in blocks if isinstance(block, _Heading)]
    title = next((heading for heading in headings if heading.level <= 2), None)
    if not title and len(headings) == 1 and blocks[0] is headings[0]:
        title = headings[0]
    return title, [block for block in blocks if block is not title]


def _in_columns(blocks: list[Block | _Heading]) -> Iterator[Block]:
    """The blocks, with what stands below two or more `###` headings put side by side, up to a larger heading."""
    side_by_side = sum(isinstance(block, _Heading) and block.level == 3 for block in blocks) > 1
    columns = list[Column]()
    for block in blocks:
        if isinstance(block, _Heading) and block.level == 3 and side_by_side:
            columns.append(Column(block.text))
            continue
        if isinstance(block, _Heading) and block.level < 3 and columns:
            yield Columns(tuple(columns))
            columns, side_by_side = [], False
        shown = Paragraph(block.text, strong=True) if isinstance(block, _Heading) else block
        if columns:
            columns[-1] = replace(columns[-1], blocks=(*columns[-1].blocks, shown))
        else:
            yield shown
    if columns:
        yield Columns(tuple(columns))


def _with_made_title(slide: Slide) -> Slide:
    """A slide without a heading: a short first paragraph becomes its title, else one is made of its first words."""
    match slide.blocks:
        case (Paragraph(text=text), *rest) if len(plain(text)) <= SHORT_TITLE:
            return replace(slide, title=text, blocks=tuple(rest))
    words = " ".join(filter(None, map(plain, texts(slide.blocks[:1])))) or f"Slide {slide.number}"
    return replace(slide, title=(Run(_shortened(words, SHORT_TITLE)),), made_title=True)


def _shortened(words: str, length: int) -> str:
    if len(words) <= length:
        return words
    return words[:length].rsplit(" ", 1)[0].rstrip(" ,;:.–—-") + "…"
