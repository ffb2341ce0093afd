"""A deck as a page of text: what each slide is called, and under which path it can be changed."""

from collections.abc import Sequence

from worker.kinds.presentation.deck import Deck
from worker.kinds.presentation.layout.pages import titles
from worker.kinds.presentation.layout.sheet import Page


def outline(deck: Deck, pages: Sequence[Page], changes: Sequence[str]) -> str:
    """The pages in order, each with its picture's name and its path for redo; then what was changed."""
    lines = [f"# {deck.title}", ""]
    for number, (page, title) in enumerate(zip(pages, titles(pages), strict=True), 1):
        lines.append(f"{number}. {title} (slide-{number:02}.png, slides/{page.slide - 1})")
    if changes:
        lines += ["", "Changed on the way:", "", *(f"- {change}" for change in changes)]
    return "\n".join(lines) + "\n"
