"""From templates to an archive with a README and a list of what is in it."""

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent_tools import Artifact, JobContext, Result

STACKS = Path(__file__).parent / "stacks"
_SUFFIX = ".jinja"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip knows: when a file was rendered says nothing."""


@dataclass(frozen=True)
class Variables:
    """What templates may use."""

    name: str
    package: str
    description: str
    author: str
    python: str
    port: int
    postgres: str


async def make_stack(job: JobContext, stack: str, variables: Variables) -> Result:
    """Render the stack's files and pack them."""

    async def render(stack: str, variables: dict[str, Any]) -> dict[str, str]:
        return await asyncio.to_thread(_rendered, job, stack, variables)

    async def pack(name: str, files: dict[str, str]) -> Artifact:
        job.progress("Packing", len(files), len(files) + 1)
        data = await asyncio.to_thread(archive, name, files)
        return Artifact(f"{name}.zip", name, "application/zip", data=data)

    files = await job.step("Render files", render, stack, vars(variables))
    packed = await job.step("Pack", pack, variables.name, files)
    return Result(
        data={"stack": stack, "name": variables.name, "files": sorted(files), "python": variables.python},
        artifacts=[
            packed,
            Artifact.text("tree.txt", tree(variables.name, files), title="What is in it"),
            Artifact.text("README.md", files["README.md"], title="README"),
        ],
        line=f"{variables.name}: {len(files)} files of {stack}",
    )


def rendered(stack: str, variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and text of each file of the stack, in order."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(STACKS / stack),
        undefined=StrictUndefined,
        autoescape=False,  # of a dozen languages; each template escapes for its own
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"quoted": _quoted, "markdown": _markdown}
    for template in sorted(environment.list_templates(extensions=[_SUFFIX.removeprefix(".")])):
        path = _path(template.removesuffix(_SUFFIX), str(variables["package"]))
        yield path, environment.get_template(template).render(variables)


def archive(name: str, files: Mapping[str, str]) -> bytes:
    """A zip with one folder in it. Not compressed: what deflate makes of the same bytes differs by its version."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{name}/{path}", _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            packed.writestr(entry, files[path])
    return written.getvalue()


def tree(name: str, paths: Mapping[str, str]) -> str:
    """The files as a drawing of their folders."""
    folders: dict[str, Any] = {}
    for path in sorted(paths):
        inside = folders
        for part in path.split("/"):
            inside = inside.setdefault(part, {})
    return "\n".join([f"{name}/", *_branches(folders, "")]) + "\n"


def _branches(folder: Mapping[str, Any], indent: str) -> Iterator[str]:
    names = sorted(folder, key=lambda each: (not folder[each], each))
    for each in names:
        is_last = each == names[-1]
        yield f"{indent}{'└── ' if is_last else '├── '}{each}{'/' if folder[each] else ''}"
        yield from _branches(folder[each], indent + ("    " if is_last else "│   "))


def _rendered(job: JobContext, stack: str, variables: Mapping[str, Any]) -> dict[str, str]:
    many = sum(1 for _ in (STACKS / stack).rglob(f"*{_SUFFIX}"))
    files = dict[str, str]()
    for path, text in rendered(stack, variables):
        job.progress(f"Rendering {path}", len(files), many + 1)
        files[path] = text
    return files


def _path(template: str, package: str) -> str:
    """`dot_` for what begins with a dot, `__package__` for the project's own."""
    parts = [f".{part.removeprefix('dot_')}" if part.startswith("dot_") else part for part in template.split("/")]
    return "/".join(parts).replace("__package__", package)


def _quoted(text: str) -> str:
    """A string as JSON, TOML, YAML and Python all read it."""
    return json.dumps(text, ensure_ascii=False)


def _markdown(text: str) -> str:
    return re.sub(r"[\\\[\]<>*_#|`~]", r"\\\g<0>", text)
