"""Pages made by hand, one for each thing that can stand on a page."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from worker.kinds.presentation.deck import Chart, Run, Series, Table
from worker.kinds.presentation.layout.grounds import setting
from worker.kinds.presentation.layout.sheet import (
    BODY,
    TITLE,
    Box,
    Disc,
    Grid,
    Ground,
    Line,
    Page,
    Panel,
    Picture,
    Plot,
    Shape,
    Words,
)
from worker.kinds.presentation.theme import MONO, Theme

NO_TABLE = Table((), (), ())
SEVEN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def said(text: str) -> tuple[Run, ...]:
    return (Run(text),)


def page(theme: Theme, title: str, *shapes: Shape, ground: Ground = "content", **more: str) -> Page:
    under = setting(theme, ground)
    line = Line(said(title), 34 if ground == "content" else 50, theme.head, under.ink, bold=True, align=under.align)
    line = replace(line, leading=1.15)
    box, anchor = (TITLE, "top") if ground == "content" else (under.title, under.anchor)
    return Page(Words(box, (line,), anchor), shapes, ground=ground, **more)  # type: ignore[arg-type]


def opening(theme: Theme, title: str, below: str, ground: Ground, **more: str) -> Page:
    under = setting(theme, ground)
    line = Line(said(below), 22, theme.body, under.ink, align=under.align)
    return page(theme, title, Words(under.body, (line,), is_body=True), ground=ground, **more)


def listed(theme: Theme) -> Page:
    """A list in which everything is that a line can have."""
    outer = Line((), 24, theme.body, indent=28, hang=28, marker="•", before=10)
    inner = replace(outer, size=21, color="muted", level=1, indent=56, marker="–", before=6)
    texts = (
        replace(outer, text=said("An entry that says something"), before=0),
        replace(
            inner, text=(Run("With "), Run("bold", bold=True), Run(" and "), Run("slanted", italic=True), Run(" words"))
        ),
        replace(inner, text=(Run("With "), Run("code()", code=True), Run(" and words "), Run("gone", strike=True))),
        replace(
            outer, text=(Run("A "), Run("link", link="https://x.example/?a=1&b=2"), Run(" and the rest\nof the line"))
        ),
        replace(outer, text=said("Third"), marker="3."),
        replace(inner, text=said("Inner"), marker="1."),
        replace(outer, text=said("Fourth"), marker="4."),
    )
    return page(
        theme, "A list & more", Words(BODY, texts, is_body=True), notes="Say *this*\nand that", footer="Ours · May"
    )


def drawn(theme: Theme) -> Page:
    shapes = [
        Panel(Box(60, 140, 260, 150), "card", theme.radius),
        Panel(Box(350, 140, 260, 150), None, theme.radius, border="accent"),
        Panel(Box(640, 140, 260, 150), "accent", opacity=0.4),
        Disc(Box(60, 320, 160, 160), "accent2"),
        Disc(Box(260, 320, 160, 160), None, border="accent3", width=6),
        Disc(Box(460, 340, 200, 120), "accent4", opacity=0.5),
    ]
    places = (("top", 140), ("middle", 140), ("bottom", 140))
    aligns = ("left", "center", "right")
    for n, (anchor, y) in enumerate(places):
        line = Line(said(anchor), 20, theme.body, align=aligns[n])  # type: ignore[arg-type]
        shapes.append(Words(Box(80 + 290 * n, y + 10, 220, 130), (line,), anchor))  # type: ignore[arg-type]
    shapes.append(Words(Box(700, 340, 200, 100), (Line(said("42 %"), 60, theme.head, "accent", bold=True),)))
    return page(theme, "Shapes", *shapes)


def table(theme: Theme) -> Page:
    aligns = ("left", "center", "right")
    rows = tuple(
        tuple(
            Line(said(text), 18, theme.body, bold=n == 0, align=align, leading=1.25)  # type: ignore[arg-type]
            for text, align in zip(row, aligns, strict=True)
        )
        for n, row in enumerate(
            (("Place", "Unit", "Height"), ("Fundy", "m", "16.3"), ("Severn", "m", "15.0"), ("Rance", "m", "13.5"))
        )
    )
    return page(theme, "A table", Grid(Box(60, 140, 840, 160), (400, 200, 240), (40.0,) * 4, rows, 12))


def code(theme: Theme) -> Page:
    lines = (
        (Run("def ", code=True, tone="keyword"), Run("high", code=True, tone="name"), Run("(hours):", code=True)),
        (Run("    ", code=True), Run("# twice a day", code=True, tone="comment"),),
        (Run("    return ", code=True, tone="keyword"), Run("12.42", code=True, tone="number"), Run(" * hours", code=True)),
        (Run("print", code=True, tone="name"), Run("(", code=True), Run('"high"', code=True, tone="string"), Run(")", code=True)),
    )  # fmt: skip
    words = Words(Box(80, 156, 800, 120), tuple(Line(line, 20, MONO, leading=1.35) for line in lines))
    return page(theme, "Code", Panel(Box(60, 140, 840, 140), "card", 8), words)


def picture(theme: Theme, folder: Path) -> Page:
    path = folder / "picture.png"
    image = Image.linear_gradient("L").resize((640, 320)).convert("RGB")
    image.paste((200, 40, 40), (40, 40, 200, 200))
    image.save(path)
    return page(theme, "A picture", Picture(Box(160, 140, 640, 320), str(path), 'A "red" square'))


def chart(theme: Theme, title: str, made: Chart, *, is_horizontal: bool = False) -> Page:
    return page(theme, title, Plot(BODY, made, theme.body, 14, is_horizontal=is_horizontal))


def bars(unit: str = "") -> Chart:
    return Chart(
        "bar", ("North", "East", "South"), (Series("Height", (12.5, 7.0, 9.25)),), NO_TABLE, said("How high"), unit
    )


def charts(theme: Theme) -> list[Page]:
    two = (Series("2024", (1200.0, 900.0, 1500.0, None)), Series("2025", (1350.0, -300.0, 1700.0, 800.0)))
    many = tuple(Series(f"S{n}", tuple(float(n + m) for m in range(3))) for n in range(6))
    lines = (Series("High", (1.0, 2.0, None, 4.0, 3.5, 3.0, 5.0)), Series("Low", (0.5, 1.0, 1.5, 1.0, 2.0, 2.5, 2.0)))
    return [
        chart(theme, "Bars", bars(" m")),
        chart(theme, "Bars that lie", Chart("bar", ("A first one", "A second", "Third", "Fourth"), two, NO_TABLE, unit="$", unit_first=True), is_horizontal=True),
        chart(theme, "Six series", Chart("bar", ("a", "b", "c"), many, NO_TABLE)),
        chart(theme, "Lines", Chart("line", SEVEN, lines, NO_TABLE, said("A week"))),
        chart(theme, "A pie", Chart("pie", ("Moon", "Sun", "Rest"), (Series("Pull", (68.0, 30.0, 2.0)),), NO_TABLE, unit="%")),
    ]  # fmt: skip


def pages(theme: Theme, folder: Path) -> list[Page]:
    """Every ground and every shape."""
    first = [
        opening(theme, "Tides", "Why the sea comes and goes", "hero"),
        listed(theme),
        opening(theme, "What can be drawn", "All of it, one after the other", "section", section="Drawn"),
    ]
    rest = [drawn(theme), table(theme), code(theme), picture(theme, folder), *charts(theme)]
    last = opening(theme, "Thank you", "Questions, and answers to them", "closing", section="Drawn")
    return [*first, *(replace(page, section="Drawn") for page in rest), last]
