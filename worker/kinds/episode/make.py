"""From a source to an episode's page: stage by stage, each of them a step."""

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_tools import Artifact, GiveUp, JobContext, Result
from agent_tools.llm import Counted, usage
from agent_tools.settings import Settings
from worker.kinds.episode import fetch, listing, sound, source, speech, subtitles
from worker.kinds.episode.extract import extractive
from worker.kinds.episode.listing import Found
from worker.kinds.episode.page import Episode, cover, lay_out
from worker.kinds.episode.parts import Part, parts
from worker.kinds.episode.said import Enriched, Line, Stage, Transcript, clock
from worker.kinds.episode.text import as_markdown
from worker.kinds.episode.written import written

PAGE_TYPE = "text/html; script=listen-1"
"""A page, and which of our scripts it may run where it is served."""
MOST_PLAYED_BYTES = 32_000_000
"""How much sound a page carries; of more it says where that lies."""


@dataclass(frozen=True)
class Wish:
    """What is asked for. `fresh`: without what earlier jobs did."""

    source: str
    target: Stage
    language: str | None
    quality: str
    fresh: bool


@dataclass(frozen=True)
class Recording:
    """A file to listen to. `known_as`: what is in it; `title`: what its page calls it, empty where none does."""

    path: Path
    known_as: str
    name: str
    title: str = ""
    captions: Artifact | None = None
    language: str = ""


async def make_episode(job: JobContext, wish: Wish) -> Result:
    """Go from stage to stage, as far as is wished."""
    here = await source.local(job, wish.source)
    if wish.target == "discover":
        return await _discover(job, wish, here)
    recording = await _recording(job, wish, here)
    # What is done anew is done anew in a redo as well, but not after a crash: so it is another step in every job.
    fresh = job.id if wish.fresh else ""

    async def take(known_as: str, _: str) -> dict[str, Any]:
        job.progress("Taking out the sound")
        path = job.folder / "audio.mp3"
        heard = await sound.take_sound(
            recording.path, path, lambda done, of: job.progress("Taking out the sound", done, of or None)
        )
        return {"audio": Artifact.file(path, title="Sound"), "heard": heard.model_dump()}

    taken = await job.step("audio", take, recording.known_as, fresh, reuse=_address(fresh, recording, "audio-2"))
    audio, heard = taken["audio"], sound.Heard.model_validate(taken["heard"])
    title = job.title or recording.title or heard.title or listing.title_of(recording.name)
    transcript = await _transcript(job, wish, recording, audio, heard, fresh)
    about = Episode(
        title=title, source=wish.source, duration_s=heard.duration_s, transcript=transcript, peaks=heard.peaks
    )
    took: Sequence[Counted] = ()
    if wish.target != "transcribe":
        enriched, took = await _enriched(job, transcript, heard.duration_s, fresh)
        about = about.enriched_by(enriched)

    files = [*await _page(job, wish, about, audio), _mp3(audio, title), *_texts(about)]
    if wish.quality != "audio" and heard.has_picture:
        files.append(
            Artifact.file(recording.path, name=f"{_slug(title)}{recording.path.suffix}", title=f"{title} (video)")
        )
    return Result(data={**_data(wish, about), **usage(took, Settings.read())}, artifacts=files, line=_line(about))


# ----------------------------------------------------------------------------------------------------------- discover


async def _discover(job: JobContext, wish: Wish, here: Path | None) -> Result:
    """What the source holds, each to become an episode of its own."""
    job.progress("Looking what is there")
    if here is None:
        found = await fetch.discovered(job, wish.source, job.folder)
    elif await asyncio.to_thread(here.is_dir):
        found = await asyncio.to_thread(listing.in_folder, here, wish.source)
    else:
        duration_s, title = await sound.length_of(here)
        found = [
            Found(
                source=wish.source,
                title=title or listing.title_of(here.name),
                bytes=(await asyncio.to_thread(here.stat)).st_size,
                duration_s=duration_s or None,
            )
        ]
    sources = listing.told(found)
    text = "\n".join(f"- {each.title}: `{each.source}`" for each in found) or "There is no recording here."
    many = f"{len(found)} recording{'' if len(found) == 1 else 's'}"
    if len(sources) < len(found):
        many = f"{len(sources)} of {many}"
    return Result(
        data={"stage": "discover", "source": wish.source, "sources": sources},
        artifacts=[
            Artifact.text("sources.md", f"# {job.title or 'Recordings'}\n\n{text}\n", title=job.title or "Recordings")
        ],
        line=f"{many} found; create an episode for each source" if found else "No recording found",
    )


async def _recording(job: JobContext, wish: Wish, here: Path | None) -> Recording:
    if here is not None:
        if await asyncio.to_thread(here.is_dir):
            raise GiveUp(
                f"{wish.source} is a folder. Call it with target_stage='discover' to have its recordings listed, then create an "
                "episode for each."
            )
        return Recording(here, await source.digest(here), here.name)

    async def get(url: str, quality: str, language: str | None, _: str) -> dict[str, Any]:
        return dict(await fetch.fetched(job, url, quality, language))

    fresh = job.id if wish.fresh else ""
    got = await job.step("fetch", get, wish.source, wish.quality, wish.language, fresh)
    media = got["media"]
    known_as = await source.digest(_path(media))
    return Recording(_path(media), known_as, media.name, got["title"], got["captions"], got["language"])


# --------------------------------------------------------------------------------------------------------- transcribe


async def _transcript(
    job: JobContext, wish: Wish, recording: Recording, audio: Artifact, heard: sound.Heard, fresh: str
) -> Transcript:
    """What people wrote as captions, where there are some; else what a model hears."""
    if recording.captions is not None:

        async def read(captions: Artifact, language: str) -> Transcript:
            lines = await asyncio.to_thread(_captions, captions)
            return Transcript(language=language, engine="captions", lines=lines)

        captioned = await job.step("transcribe", read, recording.captions, wish.language or recording.language)
        if captioned.lines:
            return captioned
    return await _listened(job, wish, recording, _path(audio), heard, fresh)


async def _listened(
    job: JobContext, wish: Wish, recording: Recording, audio: Path, heard: sound.Heard, fresh: str
) -> Transcript:
    """What a model hears: of a long recording part by part, each of them a step. All in the language of the first words."""
    ears, language, lines = speech.model(), wish.language, list[Line]()

    async def listen(known_as: str, model: str, language: str | None, _: str, *where: float) -> Transcript:
        part, log = Part(*where) if where else Part(0, heard.duration_s), job.folder / "listener.log"
        return await speech.listen(audio, part, heard.duration_s, language, ears, log, job.progress)

    for part in parts(heard.cuts, heard.duration_s):
        # What is heard in one go goes by the name that it always had.
        where = part if heard.cuts else ()
        given = (recording.known_as, ears.name, language, fresh, *where)
        address = _address(fresh, recording, "transcribe-1", ears.name, language or "", *map(str, where))
        told = await job.step("transcribe", listen, *given, reuse=address)
        lines += told.lines
        language = language or (told.language if told.lines else None)
    if not lines:
        raise GiveUp(f"Nobody speaks in this recording of {clock(heard.duration_s)}, or nothing of it can be made out.")
    return Transcript(language=language or "", engine=f"whisper {ears.name}", lines=lines)


def _captions(captions: Artifact) -> list[Line]:
    return subtitles.read(_path(captions).read_text(encoding="utf-8", errors="replace"))


async def _enriched(
    job: JobContext, transcript: Transcript, duration_s: float, fresh: str
) -> tuple[Enriched, Sequence[Counted]]:
    """By the model of the settings, with what it was asked; where there is none, picked from what was said."""
    settings = Settings.read()
    if settings.llm_base_url and settings.llm_model:
        return await written(job, transcript, duration_s, fresh)

    async def pick(known_as: str, _: str) -> Enriched:
        job.progress("Looking for what tells most")
        return await asyncio.to_thread(extractive, transcript, duration_s)

    text = hashlib.sha256(transcript.model_dump_json().encode()).hexdigest()
    return await job.step("enrich", pick, text, fresh, reuse=None if fresh else f"sha256:{text}"), ()


# ------------------------------------------------------------------------------------------------------------- render


async def _page(job: JobContext, wish: Wish, about: Episode, audio: Artifact) -> list[Artifact]:
    if wish.target != "render":
        return []

    async def render(known_as: str, title: str) -> list[Artifact]:
        job.progress("Laying out the page")
        data = await asyncio.to_thread(_path(audio).read_bytes)
        html = await asyncio.to_thread(lay_out, about, data if len(data) <= MOST_PLAYED_BYTES else None)
        return [
            Artifact.text(f"{_slug(title)}.html", html, title=title, media_type=PAGE_TYPE),
            Artifact.text("cover.svg", cover(about), title=f"{title}: {clock(about.duration_s)}"),
        ]

    return await job.step("render", render, _known(about.model_dump()), about.title)


def _texts(about: Episode) -> list[Artifact]:
    """The episode as text, in the forms that others read."""
    name, title, lines = _slug(about.title), about.title, about.transcript.lines
    return [
        Artifact.text(f"{name}.md", as_markdown(about), title=f"{title} (text)"),
        Artifact.text(f"{name}.srt", subtitles.srt(lines), title=f"{title} (captions, SRT)"),
        Artifact.text(f"{name}.vtt", subtitles.vtt(lines), title=f"{title} (captions, VTT)"),
        Artifact.text(
            f"{name}.json",
            json.dumps(about.model_dump(exclude={"peaks"}), ensure_ascii=False, indent=1),
            title=f"{title} (data)",
        ),
    ]


def _mp3(audio: Artifact, title: str) -> Artifact:
    return Artifact.file(_path(audio), name=f"{_slug(title)}.mp3", title=f"{title} (sound)")


def _data(wish: Wish, about: Episode) -> dict[str, Any]:
    """What programs are told; the whole of it is in the JSON file."""
    enriched = about.enriched
    told: dict[str, Any] = {
        "stage": wish.target,
        "source": wish.source,
        "title": about.title,
        "duration_s": round(about.duration_s, 1),
        "language": about.transcript.language,
        "words": about.transcript.words,
        "transcribed_by": about.transcript.engine,
    }
    if enriched:
        told |= {
            "engine": enriched.engine,
            "summary": [point.text for point in enriched.summary][:8],
            "chapters": [{"start_s": round(each.start, 1), "title": each.title} for each in enriched.chapters][:60],
            "phrases": enriched.phrases,
        }
        if enriched.notes:
            told["notes"] = enriched.notes
    return told


def _line(about: Episode) -> str:
    said = [clock(about.duration_s), f"{about.transcript.words:,} words"]
    if about.enriched and about.enriched.chapters:
        said.append(f"{len(about.enriched.chapters)} chapters")
    return f"{about.title}: {', '.join(said)}"


def _address(fresh: str, recording: Recording, *what: str) -> str | None:
    """Where an equal stage of another job is found; None where it is to be done anew."""
    return None if fresh else f"sha256:{_known([recording.known_as, *what])}"


def _known(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _path(artifact: Artifact) -> Path:
    assert artifact.path is not None  # noqa: S101 - what a step gave lies on disk
    return artifact.path


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-_")[:60] or "episode"
