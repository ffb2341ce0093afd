"""The kind `presentation`: Markdown slides become a PowerPoint file, a PDF and a picture of each slide."""

import asyncio
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from agent_tools import Artifact, GiveUp, JobContext, Result, job_kind
from worker.kinds.presentation.split import MAX_SLIDES, check_slides, split_slides
from worker.kinds.presentation.theme import THEMES

MAX_PAGES = 300
"""How many slides a deck may have once those that were too long are parted."""
MAX_CHANGES = 100

Slides = Annotated[
    list[str],
    BeforeValidator(split_slides),
    AfterValidator(check_slides),
    Field(
        description="One Markdown string a slide. `# Title` opens the deck or a part of it, `## Title` a slide; then "
        "lists, `### Heading` for each of 2 to 4 columns, a table, a `> quote` with `> — name`, code, and last "
        "`Note:` with what the speaker says. Three to six short lines look best. A line of `---` parts slides, too.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_SLIDES},
    ),
]
Look = Annotated[Literal["light", "dark"], Field(description="The ground of the slides.")]


@job_kind(
    "presentation",
    timeout="5m",
    usually="a few seconds",
    example={
        "slides": ["# Tides\nWhy the sea comes and goes", "## Two bulges\n- The moon pulls\n- The Earth turns beneath"]
    },
)
async def presentation(job: JobContext, slides: Slides, theme: Look = "light") -> Result:
    """Make a slide deck of Markdown: an editable PowerPoint file, a PDF of it, and a picture of each slide.

    Takes a few seconds. Write the slides yourself and give one Markdown string for each. What is too long for a slide
    goes on on a further one; the result says so, and what else was changed, under `changes`.
    """
    from worker.kinds.presentation import layout, markdown, pdf, pptx  # noqa: PLC0415 - heavy, so only where decks are made

    job.progress("Reading slides", 0, 4)
    deck, changes = await asyncio.to_thread(markdown.read_deck, slides, job.title)
    if not deck.slides:
        raise GiveUp(f"Nothing on the slides can be shown. {' '.join(changes[:5])}")
    pages, parted = await asyncio.to_thread(layout.lay_out, deck)
    if len(pages) > MAX_PAGES:
        raise GiveUp(
            f"So much text needs {len(pages)} slides; at most {MAX_PAGES} are made. Shorten it, or part the deck."
        )

    job.progress("Writing PowerPoint", 1, 4)
    editable = job.folder / f"{_slug(deck.title)}.pptx"
    await asyncio.to_thread(pptx.write_pptx, editable, deck.title, pages, THEMES[theme])

    job.progress("Drawing PDF", 2, 4)
    fixed = editable.with_suffix(".pdf")
    prints = await asyncio.to_thread(pdf.Print, deck.title, pages, THEMES[theme])
    await asyncio.to_thread(prints.write_pdf, fixed)

    job.progress("Drawing previews", 3, 4)
    previews = await asyncio.to_thread(prints.write_previews, job.folder)
    titles = layout.titles(pages)
    return Result(
        data={"slides": len(pages), "titles": titles, "changes": _first([*changes, *parted])},
        artifacts=[
            Artifact.file(editable, title=deck.title),
            Artifact.file(fixed, title=f"{deck.title} (PDF)"),
            *(Artifact.file(path, title=title) for path, title in zip(previews, titles, strict=True)),
        ],
        line=f"{len(pages)} {'slide' if len(pages) == 1 else 'slides'}: {deck.title}",
    )


def _first(changes: list[str]) -> list[str]:
    more = len(changes) - MAX_CHANGES
    return changes if more <= 0 else [*changes[:MAX_CHANGES], f"And {more} more."]


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-_")[:60] or "presentation"
