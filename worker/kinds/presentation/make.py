"""From Markdown slides to the files of a deck."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from agent_tools import Artifact, GiveUp, JobContext, Result
from agent_tools.llm import Llm, usage
from agent_tools.settings import Settings
from worker.kinds.presentation.author.author import Brief, write_slides
from worker.kinds.presentation.deck import Deck, plain, slug, texts
from worker.kinds.presentation.layout.faces import other_faces
from worker.kinds.presentation.layout.pages import lay_out, titles
from worker.kinds.presentation.layout.sheet import Page
from worker.kinds.presentation.outline import outline
from worker.kinds.presentation.pdf.print import Print, fingerprint, page_picture
from worker.kinds.presentation.pptx.file import write_pptx
from worker.kinds.presentation.reading.images import load_images
from worker.kinds.presentation.reading.markdown import read_deck
from worker.kinds.presentation.theme import THEMES, Theme

MAX_PAGES = 300
"""How many slides a deck may have once those that were too long are parted."""
MAX_CHANGES = 100
DEFAULT = "clean"
"""The theme where none is asked for."""


async def written_deck(job: JobContext, brief: Brief, look: str | None) -> Result:
    """As `make_deck`, of slides that a model writes first. A redo may change them one by one, as if they had been given."""
    settings = Settings.read()
    async with Llm(settings) as llm:
        written = await write_slides(job, llm, brief)
    made = await make_deck(job, written.slides, look, written.changes)
    data = {**(made.data or {}), **usage(written.answers, settings)}
    return replace(made, data=data, redo={"slides": list(written.slides), "topic": None, "sources": []})


async def make_deck(
    job: JobContext, slides: Sequence[str], look: str | None, changed_before: Sequence[str] = ()
) -> Result:
    """Read, lay out and write the deck; pictures of slides that an earlier version has alike are taken over."""
    job.progress("Reading slides")
    deck, changes = await asyncio.to_thread(read_deck, slides, job.title)
    deck, unseen = await load_images(deck, job.folder, job.artifact)
    if not deck.slides:
        raise GiveUp(f"Nothing on the slides can be shown. {' '.join(changes[:5])}")
    theme, wished = _theme(look, deck)
    pages, parted = await asyncio.to_thread(lay_out, deck, theme)
    if len(pages) > MAX_PAGES:
        raise GiveUp(
            f"So much text needs {len(pages)} slides; at most {MAX_PAGES} are made. Shorten it, or part the deck."
        )
    changes = _first([*changed_before, *changes, *unseen, *wished, *parted, *_undrawn(deck, theme)])

    editable = job.folder / f"{slug(deck.title)}.pptx"
    _, (fixed, overview, pictures) = await asyncio.gather(
        asyncio.to_thread(write_pptx, editable, deck, pages, theme), _print(job, deck, pages, theme)
    )
    return Result(
        data={"slides": len(pages), "titles": titles(pages), "theme": theme.name, "changes": changes},
        artifacts=[
            Artifact.file(editable, title=deck.title),
            Artifact.file(fixed, name=f"{editable.stem}.pdf", title=f"{deck.title} (PDF)"),
            *pictures,
            Artifact.file(overview, title="All slides"),
            Artifact.text("outline.md", outline(deck, pages, changes), title="Outline"),
        ],
        line=f"{len(pages)} {'slide' if len(pages) == 1 else 'slides'}: {deck.title}",
    )


async def _print(job: JobContext, deck: Deck, pages: Sequence[Page], theme: Theme) -> tuple[Path, Path, list[Artifact]]:
    """The PDF, the overview, and a picture of each page."""
    prints = await asyncio.to_thread(Print, deck, pages, theme)
    fixed, overview = job.folder / "deck.pdf", job.folder / "overview.png"
    await asyncio.to_thread(prints.write_pdf, fixed)
    await asyncio.to_thread(prints.write_overview, overview)
    pictures = list[Artifact]()
    for number, (page, title) in enumerate(zip(pages, titles(pages), strict=True), 1):
        job.progress(f"Drawing slide {number}", number - 1, len(pages))
        drawn = await job.step(*_drawing(job.folder, page, number, theme))
        pictures.append(replace(drawn, name=f"slide-{number:02}.png", title=title))
    return fixed, overview, pictures


def _drawing(
    folder: Path, page: Page, number: int, theme: Theme
) -> tuple[str, Callable[[str], Awaitable[Artifact]], str]:
    """The step that draws one page: pages of one fingerprint look alike, in whatever deck they stand."""

    async def draw(shape: str) -> Artifact:
        path = folder / f"{shape[:16]}.png"
        await asyncio.to_thread(lambda: path.write_bytes(page_picture(page, number, theme)))
        return Artifact.file(path)

    return "Draw slide", draw, fingerprint(page, number, theme)


def _theme(look: str | None, deck: Deck) -> tuple[Theme, list[str]]:
    """The theme that was asked for, in the arguments or in the front matter; and a sentence where it is none of ours."""
    if look:
        return THEMES[look], []
    name = deck.theme.strip().lower()
    if name in THEMES or not name:
        return THEMES[name or DEFAULT], []
    return THEMES[DEFAULT], [
        f"The front matter's theme '{name[:40]}' is none of {', '.join(THEMES)}: {DEFAULT} was taken."
    ]


def _undrawn(deck: Deck, theme: Theme) -> Iterator[str]:
    """A sentence for each slide with characters that no face here has."""
    said = {slide.number: plain((*slide.title, *chain.from_iterable(texts(slide.blocks)))) for slide in deck.slides}
    if not other_faces("".join(said.values()), theme).missing:
        return
    for number, text in said.items():
        if missing := other_faces(text, theme).missing:
            yield (
                f"Slide {number} has characters that no font on this machine can draw in the PDF and the pictures: "
                f"{missing[:20]} Install one for them; PowerPoint brings its own."
            )


def _first(changes: list[str]) -> list[str]:
    more = len(changes) - MAX_CHANGES
    return changes if more <= 0 else [*changes[:MAX_CHANGES], f"And {more} more."]
