"""Draws `layouts.md`, a deck with every layout, in every theme, and an Arabic deck: `python tests/decks/contact_sheets.py docs/decks`."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent


async def draw(target: Path) -> None:
    """One picture each."""
    os.environ["BACKBURNER_FILES"] = str(HERE)
    from worker.kinds.presentation.layout.pages import lay_out
    from worker.kinds.presentation.pdf.print import Print
    from worker.kinds.presentation.reading.images import load_images
    from worker.kinds.presentation.reading.markdown import read_deck
    from worker.kinds.presentation.reading.split import split_slides
    from worker.kinds.presentation.theme import THEMES, Theme

    async def no_artifact(job_id: str, name: str) -> Path:
        raise LookupError(f"There is no job {job_id} with {name}.")

    async def sheet(name: str, theme: Theme, folder: Path) -> Path:
        slides = split_slides((HERE / f"{name}.md").read_text(encoding="utf-8"))
        assert isinstance(slides, list)
        deck, _ = await load_images(read_deck(slides)[0], folder, no_artifact)
        drawn = folder / "sheet.png"
        Print(deck, lay_out(deck, theme)[0], theme).write_overview(drawn)
        return drawn

    wanted = {theme.name: ("layouts", theme) for theme in THEMES.values()} | {"arabic": ("arabic", THEMES["fresh"])}
    with tempfile.TemporaryDirectory() as folder:
        for file, (name, theme) in wanted.items():
            with Image.open(await sheet(name, theme, Path(folder))) as drawn:
                drawn.save(target / f"{file}.png", optimize=True)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(draw(target))
