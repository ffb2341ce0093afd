"""What a job leaves behind, as its handler returns it."""

import hashlib
import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20
_SAFE_NAME = re.compile(r"[^\w.\- ]+", re.UNICODE)
_MEDIA_TYPES = {
    ".md": "text/markdown",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
}


@dataclass(frozen=True)
class Artifact:
    """A file that a job made: on disk (`path`) or in memory (`data`), exactly one of them.

    `name` is made safe (see safe_name); it is the last part of the address under which the file is served.
    """

    name: str
    title: str
    media_type: str
    path: Path | None = None
    data: bytes | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.data is None):
            raise TypeError(f"The artifact '{self.name}' needs a path or data, exactly one of them.")
        object.__setattr__(self, "name", safe_name(self.name))

    @classmethod
    def file(
        cls, path: Path | str, *, title: str | None = None, name: str | None = None, media_type: str | None = None
    ) -> "Artifact":
        """A file on disk, usually in `job.folder`; `title` defaults to its name."""
        path = Path(path)
        name = safe_name(name or path.name)
        return cls(name, title or name, media_type or guess_media_type(name), path=path)

    @classmethod
    def text(cls, name: str, content: str, *, title: str | None = None, media_type: str | None = None) -> "Artifact":
        """A text file, written as UTF-8."""
        name = safe_name(name)
        return cls(name, title or name, media_type or guess_media_type(name), data=content.encode())


@dataclass(frozen=True)
class Result:
    """What a handler returns when files alone do not say it.

    `data` is a small JSON object for programs (64 KB at most), `line` one sentence for people and agents. The
    first artifact is the thing, the rest come with it.

    `redo` are arguments to change when the job is redone by path, in place of those it was created with: a deck written
    from a topic gives `{"slides": […], "topic": None}`, so that its third slide can be changed. It is kept in the same
    64 KB as `data`; what is too large with it is kept without it.
    """

    data: Mapping[str, Any] | None = None
    artifacts: Sequence[Artifact] = field(default=())
    line: str | None = None
    redo: Mapping[str, Any] | None = None


def safe_name(name: str) -> str:
    """A file name that no folder, shell or address can misread: at most 120 bytes, never empty."""
    cleaned = _SAFE_NAME.sub("-", name).strip(" .-")
    stem, dot, suffix = cleaned.rpartition(".")
    if not dot or len(suffix) > 10:
        return _cut(cleaned, 120) or "file"
    return f"{_cut(stem, 119 - len(suffix.encode())) or 'file'}.{suffix}"


def _cut(name: str, most: int) -> str:
    """The name in at most so many bytes, which is what folders count."""
    cut = name.encode()[:most].decode(errors="ignore")
    return cut if cut == name else cut.rstrip(" .-")


def guess_media_type(name: str) -> str:
    """The media type that a file's name promises; `application/octet-stream` when it promises none."""
    suffix = Path(name).suffix.lower()
    return _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def digest_of(artifact: Artifact) -> str:
    """SHA-256 of what is in the file, in hex. Raises OSError."""
    digest = hashlib.sha256()
    for block in blocks_in(artifact):
        digest.update(block)
    return digest.hexdigest()


def blocks_in(artifact: Artifact) -> Iterator[bytes]:
    """What is in an artifact. Raises OSError."""
    return iter((artifact.data or b"",)) if artifact.path is None else blocks_of(artifact.path)


def blocks_of(path: Path, start: int = 0) -> Iterator[bytes]:
    """What is in a file, from there on. Raises OSError."""
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(_BLOCK):
            yield block
