"""Ten slides as a deck, made anew and with one slide changed, beside python-pptx and LibreOffice: `python -m bench.decks`.

The contestant python-pptx writes the same words as titles and lists, and soffice makes a PDF of that file: an editable
deck and a PDF, as people script it today, without layouts, pictures or an overview.
"""

import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from pptx import Presentation
from rich.console import Console
from rich.table import Table

ROUNDS = 5
_DECK = Path(__file__).parent.parent / "tests" / "decks" / "layouts.md"
SLIDES = 10


@dataclass
class Desk:
    """A job to a handler, without a book: steps are remembered in `done`."""

    folder: Path
    done: dict[tuple[str, str], Any] = field(default_factory=dict)
    title: str = ""
    id: str = "bench"
    tenant: int = 1
    attempt: int = 1
    fence: int = 1

    def progress(self, message: str, done: float | None = None, of: float | None = None) -> None:
        pass

    async def step(self, name: str, fn: Callable[..., Awaitable[Any]], *args: Any, reuse: str | None = None) -> Any:
        known = (name, json.dumps(args))
        if known not in self.done:
            self.done[known] = await fn(*args)
        return self.done[known]

    def key(self, name: str) -> str:
        return name

    async def artifact(self, job_id: str, name: str) -> Path:
        raise LookupError(name)


def slides() -> list[str]:
    """Ten of every layout that needs no picture."""
    from worker.kinds.presentation.reading.split import split_slides  # noqa: PLC0415 - the child measures its imports

    every = split_slides(_DECK.read_text(encoding="utf-8"))
    assert isinstance(every, list)
    return [slide for slide in every if "![" not in slide][:SLIDES]


async def child() -> None:
    """In a process of its own, so that imports and memory count: prints seconds and megabytes as JSON."""
    began = time.perf_counter()
    from worker.kinds.presentation.make import make_deck  # noqa: PLC0415 - what it costs is the point

    took = {"imports": time.perf_counter() - began}
    with tempfile.TemporaryDirectory() as folder:
        desk, deck = Desk(Path(folder)), slides()
        took["first deck"] = await _timed(make_deck(desk, deck, "clean"))  # type: ignore[arg-type]
        anew, changed = list[float](), list[float]()
        for turn in range(ROUNDS):
            fresh = Desk(Path(folder))
            anew.append(await _timed(make_deck(fresh, deck, "clean")))  # type: ignore[arg-type]
            deck[2] = f"## Another title, number {turn}\n- and other words"
            changed.append(await _timed(make_deck(fresh, deck, "clean")))  # type: ignore[arg-type]
    took |= {"anew": median(anew), "changed": median(changed)}
    took["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(took))


async def _timed(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def bare(folder: Path) -> Path:
    """The same words, as titles and lists of python-pptx's own template."""
    presentation = Presentation()
    for slide in slides():
        head, *rest = [line.lstrip("#-*>! ") for line in slide.splitlines() if line.strip()]
        made = presentation.slides.add_slide(presentation.slide_layouts[1])
        made.shapes.title.text, made.placeholders[1].text = head, "\n".join(rest)
    presentation.save(str(folder / "bare.pptx"))
    return folder / "bare.pptx"


def main() -> None:
    """Measure and show."""
    ours = [json.loads(_run(sys.executable, "-m", "bench.decks", "child")) for _ in range(3)]
    mine = {name: median(each[name] for each in ours) for name in ours[0]}
    rows = {
        "first deck of a process, with imports": mine["imports"] + mine["first deck"],
        "ten slides, warm": mine["anew"],
        "one of ten changed": mine["changed"],
    }
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        deck = bare(Path(folder))
        rows["bare python-pptx, warm"] = time.perf_counter() - began
        if shutil.which("soffice"):
            began = time.perf_counter()
            profile = f"-env:UserInstallation=file://{folder}/profile"
            _run("soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", folder, str(deck))
            rows["the same, and soffice to PDF"] = rows["bare python-pptx, warm"] + time.perf_counter() - began
    table = Table("", "seconds", "x ten slides")
    for name, seconds in rows.items():
        table.add_row(name, f"{seconds:.2f}", f"{seconds / rows['ten slides, warm']:.2f}")
    Console().print(table)
    print(f"peak memory of the process: {max(each['peak MB'] for each in ours):.0f} MB")


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        asyncio.run(child())
    else:
        main()
