"""The blocks of one slide's Markdown, as a deck knows them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, takewhile

from markdown_it import MarkdownIt
from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from worker.kinds.presentation.deck import (
    Align,
    Block,
    Bullets,
    Chart,
    ChartKind,
    Code,
    Image,
    Item,
    Paragraph,
    Quote,
    Run,
    Table,
    Text,
    plain,
    texts,
)
from worker.kinds.presentation.reading import charts, rawhtml
from worker.kinds.presentation.reading.runs import credited, description, lines, merged, shown_source, trimmed
from worker.kinds.presentation.reading.split import code_lines

LONGEST_CREDIT = 110
"""A longer last line of a quote is part of it, and nobody's name."""
DEEPEST = 40
"""Past so many levels of lists, quotes or emphasis a slide is shown as plain lines."""
PICTURES = "https://…, data:image/…;base64,…, file:… or job://ID/artifacts/NAME"
_LINK = re.compile(r"https?://[\w\[%]|mailto:[^\s@]+@\w", re.IGNORECASE)
_PICTURE = re.compile(
    r"https://[\w\[%]|http://(?:localhost|127\.[\d.]+|\[::1\])[:/]|data:image/[\w.+-]+;base64,|file:.|job://[^/]+/artifacts/."
    r"|artifact:/*[^/]+/.",
    re.IGNORECASE,
)
"""Where pictures may be from. On this machine itself they are only fetched where the settings allow it."""
_CUT_PICTURE = re.compile(r"(data:image/[^,]*,)\.\.\.(\d{1,6})", re.IGNORECASE)
_CHART_LINE = re.compile(r" {0,3}!chart(?=[\s:]|$)", re.IGNORECASE)
_CHART = re.compile(r"!chart:?[ \t]*(?P<kind>\w*):?[ \t]*(?P<title>.*)", re.IGNORECASE)
_TASK = re.compile(r"\[([ xX])\] ")
_SPACES = re.compile(" {2,}")
_PLAIN = Run("")


@dataclass(frozen=True)
class Heading:
    """A heading of the slide, which may become its title or a column's."""

    level: int
    text: Text


def charts_apart(lines: Sequence[str]) -> Iterator[str]:
    """The lines, those that ask for a chart in paragraphs of their own."""
    for line, in_code in zip(lines, code_lines(lines), strict=True):
        yield from ("", line, "") if not in_code and _CHART_LINE.match(line) else (line,)


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - as markdown-it calls it
        """Any, for we judge them: links in `_link`, pictures in `_picture`."""
        return True


@dataclass(frozen=True)
class Reader:
    """The Markdown of one slide being read. `pictures` are the insides of its `data:` pictures, in order."""

    number: int
    lines: list[str]
    changes: list[str]
    pictures: list[str]
    spoken: list[str] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    markdown: MarkdownIt = field(
        default_factory=lambda: (
            _Markdown("commonmark", {"maxNesting": DEEPEST + 10})
            .enable(["table", "strikethrough"])
            .disable("reference")
        )
    )

    def note(self, what: str) -> None:
        """Keep a sentence about this slide, once."""
        sentence = f"Slide {self.number} {what}."
        if sentence not in self.changes:
            self.changes.append(sentence)

    def note_unused_pictures(self) -> None:
        """Say so when the data of a picture stood where no picture can."""
        if len(self.used) < len(self.pictures):
            self.note("has a picture's data in its text, where it is shortened")

    def blocks(self) -> Iterator[Block | Heading]:
        """What the Markdown says, in its order."""
        tokens = self.markdown.parse("\n".join(self.lines))
        if any(inner.level > DEEPEST for token in tokens for inner in (token, *(token.children or ()))):
            self.note("is nested too deeply and is shown as plain lines")
            yield from (Paragraph((Run(line.strip()),)) for line in self.lines if line.strip())
            return
        yield from self._blocks(SyntaxTreeNode(tokens).children)

    def _blocks(self, nodes: Iterable[SyntaxTreeNode]) -> Iterator[Block | Heading]:
        asked = ""
        for node in nodes:
            if asked and node.type == "table":
                yield from self._chart(asked, node)
                asked = ""
                continue
            self._no_chart(asked)
            asked = _chart_line(node)
            if not asked:
                yield from self._block(node)
        self._no_chart(asked)

    def _block(self, node: SyntaxTreeNode) -> Iterator[Block | Heading]:
        match node.type:
            case "heading":
                if text := self._text(node):
                    yield Heading(int(node.tag[1]), text)
            case "paragraph":
                ahead, text, behind = self._said(node)
                yield from ahead
                if text:
                    yield Paragraph(text)
                yield from behind
            case "bullet_list" | "ordered_list":
                yield from _gathered(self._list(node, 0))
            case "blockquote":
                yield from self._quote(node)
            case "table":
                table, below = self._table(node)
                yield table
                yield from below
            case "fence" | "code_block":
                yield Code(tuple(node.content.rstrip("\n").expandtabs(4).split("\n")), node.info.strip())
            case "html_block":
                yield from self._html(node.content)
            case "hr":
                pass
            case _:
                yield from lines(node.content)

    def _list(self, node: SyntaxTreeNode, level: int) -> Iterator[Block | Heading | Item]:
        first = int(node.attrs.get("start", 1))
        for number, entry in enumerate(node.children, first):
            marker = f"{number}." if node.type == "ordered_list" else "•" if level == 0 else "–"
            for child in entry.children:
                if child.type in ("bullet_list", "ordered_list"):
                    yield from self._list(child, level + 1)
                elif child.type not in ("paragraph", "heading"):
                    yield from self._blocks([child])
                else:
                    ahead, text, behind = self._said(child)
                    yield from ahead
                    if text:
                        if not text[0].code and (task := _TASK.match(text[0].text)):
                            marker = "☐" if task[1] == " " else "☑"
                            text = trimmed((replace(text[0], text=text[0].text[task.end() :]), *text[1:]))
                        yield Item(text, level, marker)
                        marker = ""
                    yield from behind

    def _quote(self, node: SyntaxTreeNode) -> Iterator[Quote | Image | Chart]:
        paragraphs, behind = list[Text](), list[Image | Chart]()
        for block in self._blocks(node.children):
            match block:
                case Image() | Chart():
                    behind.append(block)
                case Bullets():
                    paragraphs += ((Run(f"{item.marker} ".lstrip()), *item.text) for item in block.items)
                case Heading():
                    paragraphs.append(block.text)
                case _:
                    paragraphs += filter(None, texts([block]))
        if paragraphs:
            *paragraphs, last = paragraphs
            words, source = credited(last)
            if len(plain(source)) > LONGEST_CREDIT or not (paragraphs or words):
                words, source = last, ()
            yield Quote((*paragraphs, *filter(None, [words])), source)
        yield from behind

    def _html(self, content: str) -> Iterator[Block]:
        html = rawhtml.read_html(content)
        self._comments(html.comments)
        if html.unseen:
            self.note(f"has a <{html.unseen[0]}>, which changes nothing here")
        if words := list(lines(html.words)):
            self.note("has HTML: only its text is shown")
        yield from words
        for picture in html.pictures:
            image = self._picture(picture.source, picture.alt, picture.title)
            if isinstance(image, Image):
                yield image
            elif image.text:
                yield Paragraph((image,))

    def _comments(self, comments: Iterable[str]) -> None:
        for comment in comments:
            if said := rawhtml.spoken(comment):
                self.spoken.append(said)
            else:
                self.note(f"has '{' '.join(comment.split())[:200]}' for another program: it changes nothing here")

    def _chart(self, asked: str, node: SyntaxTreeNode) -> Iterator[Block]:
        """The chart that is asked for of a table; the table where it makes none."""
        (table, below), line = self._table(node), _CHART.fullmatch(asked)
        kind = charts.KINDS.get(line["kind"].lower()) if line else None
        if not line or not kind:
            self.note(f"has '{asked[:200]}', but charts are bar, line or pie: its table is shown")
            yield table
        else:
            title = self._title(line["title"].strip().strip("\"'“”„").strip())
            try:
                yield self._drawn(kind, title, table, node)
            except charts.Uncharted as why:
                self.note(f"has a table that cannot be drawn as a {kind} chart, as {why}: the table is shown")
                yield from (Paragraph(text, strong=True) for text in [title] if text)
                yield table
        yield from below

    def _drawn(self, kind: ChartKind, title: Text, table: Table, node: SyntaxTreeNode) -> Chart:
        if any(self._beyond(row, len(table.head)) for part in node.children for row in part.children):
            raise charts.Uncharted("a row has more cells than the head")
        chart, aside = charts.read_chart(kind, title, table)
        if aside:
            self.note(f"has a {kind} chart: {aside}")
        return chart

    def _no_chart(self, asked: str) -> None:
        if asked:
            self.note(f"has '{asked[:200]}' without a table right below: it is not shown")

    def _title(self, written: str) -> Text:
        (inline,) = self.markdown.parseInline(written)
        return trimmed(merged(self._described(self._runs(inline.children or []))))

    def _table(self, node: SyntaxTreeNode) -> tuple[Table, list[Paragraph]]:
        """The table, and the lines right below it: Markdown takes them for rows, and those who write them do not."""
        head, *rows = (row for part in node.children for row in part.children)
        aligns = tuple(_align(cell) for cell in head.children)
        below = list(takewhile(lambda row: len(aligns) > 1 and "|" not in self._line(row), reversed(rows)))
        rows = rows[: len(rows) - len(below)]
        table = Table(
            head=tuple(self._text(cell) for cell in head.children),
            rows=tuple(self._row(row, len(aligns)) for row in rows),
            aligns=aligns,
        )
        texts_below = (self._text(row.children[0]) for row in reversed(below))
        return table, [Paragraph(text) for text in texts_below if text]

    def _row(self, row: SyntaxTreeNode, width: int) -> tuple[Text, ...]:
        cells = [self._text(cell) for cell in row.children]
        if beyond := self._beyond(row, width):
            cells[-1] = (*cells[-1], Run(f" {beyond}" if cells[-1] else beyond))
        return tuple(cells)

    def _beyond(self, row: SyntaxTreeNode, width: int) -> str:
        """What Markdown drops, the cells beyond the head: we keep their words."""
        written = escapedSplit(self._line(row).lstrip("> \t").rstrip().removeprefix("|").removesuffix("|"))
        return " ".join(cell.strip() for cell in written[width:]).strip()

    def _line(self, row: SyntaxTreeNode) -> str:
        return self.lines[row.map[0]] if row.map else ""

    def _text(self, node: SyntaxTreeNode) -> Text:
        """The node's text, with each picture in it as its description."""
        return trimmed(merged(self._described(self._inline(node))))

    def _said(self, node: SyntaxTreeNode) -> tuple[list[Image], Text, list[Image]]:
        """The node's text, the pictures that no word of it precedes, and the others."""
        parts = list(self._inline(node))
        opening = list(takewhile(lambda part: isinstance(part, Image) or not part.text.strip(), parts))
        ahead = [part for part in opening if isinstance(part, Image)]
        behind = [part for part in parts[len(opening) :] if isinstance(part, Image)]
        text = merged(part for part in parts if isinstance(part, Run))
        if behind:
            text = tuple(run if run.code else replace(run, text=_SPACES.sub(" ", run.text)) for run in text)
        return ahead, trimmed(text), behind

    def _described(self, parts: Iterable[Run | Image]) -> Iterator[Run]:
        for part in parts:
            if isinstance(part, Run):
                yield part
                continue
            words = description(part.alt, plain(part.caption))
            self.note(
                f"has the picture {shown_source(part.source)} where only text can stand: "
                + ("its description is shown" if words else "it is left out")
            )
            yield Run(words)

    def _inline(self, node: SyntaxTreeNode) -> Iterator[Run | Image]:
        for inline in node.children:
            yield from self._runs(inline.token.children or []) if inline.token else ()

    def _runs(self, tokens: Sequence[Token]) -> Iterator[Run | Image]:
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
                    said = " ".join(_alt(token.children or []).split())
                    source, caption = str(token.attrs.get("src", "")), str(token.attrs.get("title", ""))
                    yield self._picture(source, said, caption, style)
                case "html_inline":
                    yield from self._tag(token.content, style)
                case _:
                    yield replace(style, text=token.content)

    def _tag(self, tag: str, style: Run) -> Iterator[Run | Image]:
        html = rawhtml.read_html(tag)
        self._comments(html.comments)
        if rawhtml.BREAK.match(tag):
            yield replace(style, text="\n")
        elif not (html.comments or html.pictures):
            self.note("has HTML: only its text is shown")
        yield from (self._picture(picture.source, picture.alt, picture.title, style) for picture in html.pictures)

    def _picture(self, source: str, alt: str, caption: str, style: Run = _PLAIN) -> Run | Image:
        """The picture, or its description when it is from where none is taken."""
        caption = " ".join(caption.split())
        if not _PICTURE.match(source):
            words = description(alt, caption)
            self.note(
                f"has a picture from '{shown_source(source)}', and pictures are taken from {PICTURES}: "
                + ("its description is shown" if words else "it is left out")
            )
            return replace(style, text=words)
        if style.link:
            self.note(f"links a picture to {style.link[:80]}: a picture carries no link here")
        cut = _CUT_PICTURE.fullmatch(source)
        if cut and (index := int(cut[2])) < len(self.pictures):
            self.used.add(index)
            source = cut[1] + self.pictures[index]
        return Image(source, alt, (Run(caption),) if caption else ())

    def _link(self, address: str) -> str | None:
        if _LINK.match(address):
            return address
        self.note(f"links to '{address[:60]}', which is no web or mail address: only its text is shown")
        return None


def _chart_line(node: SyntaxTreeNode) -> str:
    """The line that asks for a chart, if this paragraph is one; else empty."""
    written = node.children[0].content if node.type == "paragraph" and node.children else ""
    return written if _CHART_LINE.match(written) and "\n" not in written else ""


def _alt(tokens: Sequence[Token]) -> str:
    """The words of a picture's description without their style."""
    return "".join(_alt(token.children) if token.children else token.content or " " for token in tokens)


def _gathered(entries: Iterable[Block | Heading | Item]) -> Iterator[Block | Heading]:
    for are_items, group in groupby(entries, key=lambda entry: isinstance(entry, Item)):
        if are_items:
            yield Bullets(tuple(entry for entry in group if isinstance(entry, Item)))
        else:
            yield from (entry for entry in group if not isinstance(entry, Item))


def _align(cell: SyntaxTreeNode) -> Align:
    style = str(cell.attrs.get("style", ""))
    return "right" if "right" in style else "center" if "center" in style else "left"
