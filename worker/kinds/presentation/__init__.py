"""The kind `presentation`: Markdown slides become a PowerPoint file, a PDF and a picture of each slide."""

import asyncio
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from agent_tools import Artifact, GiveUp, JobContext, Result, job_kind
from worker.kinds.presentation.split import MAX_SLIDES, check_slides, split_slides

Slides = Annotated[
    list[str],
    BeforeValidator(split_slides),
    AfterValidator(check_slides),
    Field(
        description="One Markdown string a slide: `# Title` opens the deck or a part, `## Title` a slide; then lists, "
        "`### Heading` for each of 2 to 4 columns, a table, a `> quote` with `> — name`, code; last `Note:` and what "
        "the speaker says. Best are 3 to 6 short lines a slide. Of one long string, lines of `---` part the slides.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_SLIDES},
    ),
]
Look = Annotated[Literal["light", "dark"], Field(description="The ground of the slides.")]


@job_kind("presentation", timeout="5m", usually="a few seconds")
async def presentation(job: JobContext, slides: Slides, theme: Look = "light") -> Result:
    """Make a slide deck of Markdown: an editable PowerPoint file, a PDF of it, and a picture of each slide.

    Takes a few seconds. Write the slides yourself and give one Markdown string for each; text that is too long for a
    slide goes on on a further one, and the result says so under `changes`.
    """
    # The libraries for Markdown, PowerPoint and PDF: only where a deck is made, not wherever its schema is read.
    from worker.kinds.presentation import layout, markdown, pdf, pptx
    from worker.kinds.presentation.theme import THEMES

    job.progress("Reading slides", 0, 4)
    deck, changes = await asyncio.to_thread(markdown.read_deck, slides, job.title)
    if not deck.slides:
        raise GiveUp(f"Nothing on the slides can be shown. {' '.join(changes[:5])}")
    pages, parted = await asyncio.to_thread(layout.lay_out, deck)
    name, look = _slug(deck.title), THEMES[theme]

    job.progress("Writing PowerPoint", 1, 4)
    editable = job.folder / f"{name}.pptx"
    await asyncio.to_thread(pptx.write_pptx, editable, deck.title, pages, look)

    job.progress("Drawing PDF", 2, 4)
    printed, prints = job.folder / f"{name}.pdf", pdf.Print(deck.title, pages, look)
    await asyncio.to_thread(prints.write_pdf, printed)

    job.progress("Drawing previews", 3, 4)
    previews = await asyncio.to_thread(prints.write_previews, job.folder)

    titles = layout.titles(pages)
    return Result(
        data={"slides": len(pages), "titles": titles, "changes": [*changes, *parted]},
        artifacts=[
            Artifact.file(editable, title=deck.title),
            Artifact.file(printed, title=f"{deck.title} (PDF)"),
            *(Artifact.file(path, title=title) for path, title in zip(previews, titles, strict=True)),
        ],
        line=f"{len(pages)} {'slide' if len(pages) == 1 else 'slides'}: {deck.title}",
    )


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-_")[:60] or "presentation"
