"""Files that jobs are given: how arguments name them, and what is known of an upload."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, get_args
from urllib.parse import quote, unquote

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID = r"[0-9a-hjkmnp-tv-z]{13}"
_UPLOAD = re.compile(rf"upload:({_ID})", re.IGNORECASE)
_MADE = re.compile(rf"job://({_ID})/artifacts/([^/\s]+)", re.IGNORECASE)
HOW_TO_UPLOAD = "POST it to /api/v1/files, or name it on the command line as name=@path."


class Upload(NamedTuple):
    """A file that somebody uploaded."""

    id: str

    def __str__(self) -> str:
        return f"upload:{self.id}"


class JobFile(NamedTuple):
    """A file that a job made."""

    job: str
    name: str

    def __str__(self) -> str:
        return f"job://{self.job}/artifacts/{quote(self.name, safe='')}"


@dataclass(frozen=True)
class UploadedFile:
    """An upload as it is kept. It lies in the upload store under tenant/id/name."""

    id: str
    name: str
    media_type: str
    bytes: int
    sha256: str
    created_at: datetime
    keep_until: datetime | None

    @property
    def value(self) -> str:
        """What an argument says to mean it."""
        return str(Upload(self.id))


class InputFile:
    """Marks a parameter that takes a file: `source: Annotated[str, InputFile()]`; `await job.file(source)` is its path.

    It is `upload:ID` or `job://ID/artifacts/NAME`, and is there when the job is created. What else the text may be, such as
    an address, `or_else` judges: it gives it back as it is to be kept, or raises ValueError with a sentence.
    """

    def __init__(self, or_else: Callable[[str], str] | None = None) -> None:
        self._or_else = or_else

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A string like any other in the schema, judged after it is known to be one."""
        return core_schema.no_info_after_validator_function(self._judge, handler(source))

    def _judge(self, text: str | None) -> str | None:
        if text is None:
            return None
        if file := named(text):
            return str(file)
        if self._or_else:
            return self._or_else(text)
        raise ValueError(f"is no file: give upload:ID or job://ID/artifacts/NAME. For an upload, {HOW_TO_UPLOAD}")


def named(text: str) -> Upload | JobFile | None:
    """The file that a text means; None where it means none."""
    text = text.strip()
    if upload := _UPLOAD.fullmatch(text):
        return Upload(upload[1].lower())
    if made := _MADE.fullmatch(text):
        return JobFile(made[1].lower(), unquote(made[2]))
    return None


def takes_file(annotation: Any) -> bool:
    """Whether an InputFile is somewhere in this type."""
    marks = getattr(annotation, "__metadata__", ())
    return any(isinstance(mark, InputFile) for mark in marks) or any(map(takes_file, get_args(annotation)))


def files_in(value: Any, path: str) -> Iterator[tuple[str, Upload | JobFile]]:
    """Every file that is named in this argument, each with where."""
    match value:
        case str() if file := named(value):
            yield path, file
        case Mapping():
            for key, inner in value.items():
                yield from files_in(inner, f"{path}/{key}")
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from files_in(inner, f"{path}/{index}")


def new_id() -> str:
    """An id like a job's, but for the time in it."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(13))
