"""Draws `layouts.md`, a deck with every layout, in every theme: `python tests/decks/contact_sheets.py docs/decks`."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent


async def draw(target: Path) -> None:
    """One picture a theme."""
    os.environ["BACKBURNER_FILES"] = str(HERE)
    from worker.kinds.presentation.layout.pages import lay_out
    from worker.kinds.presentation.pdf.print import Print
    from worker.kinds.presentation.reading.images import load_images
    from worker.kinds.presentation.reading.markdown import read_deck
    from worker.kinds.presentation.reading.split import split_slides
    from worker.kinds.presentation.theme import THEMES

    async def no_artifact(job_id: str, name: str) -> Path:
        raise LookupError(f"There is no job {job_id} with {name}.")

    slides = split_slides((HERE / "layouts.md").read_text(encoding="utf-8"))
    assert isinstance(slides, list)
    with tempfile.TemporaryDirectory() as folder:
        deck, _ = await load_images(read_deck(slides)[0], Path(folder), no_artifact)
        for theme in THEMES.values():
            sheet = target / f"{theme.name}.png"
            Print(deck, lay_out(deck, theme)[0], theme).write_overview(sheet)
            with Image.open(sheet) as drawn:
                drawn.save(sheet, optimize=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(draw(target))
