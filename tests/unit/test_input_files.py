"""Arguments that name files: what may be said, and what a rehearsed job gets of it."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from agent_tools import InputFile, JobContext, Result, job_kind
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.files import JobFile, Upload, named
from agent_tools.testing import perform

JOB = "0c3k9x2mq7f4w"


def _only_https(text: str) -> str:
    if not text.startswith("https://"):
        raise ValueError("is neither a file nor an https address.")
    return text


@job_kind("weigh")
async def weigh(
    job: JobContext,
    source: Annotated[str, InputFile(), Field(description="what to weigh")],
    more: list[Annotated[str, InputFile()]] = [],  # noqa: B006 - as authors write it
    cover: Annotated[str, InputFile()] | None = None,
    address: Annotated[str, InputFile(or_else=_only_https)] = "https://example.org",
    note: str = "",
) -> Result:
    """Weigh files."""
    paths = [await job.file(each) for each in (source, *more)]
    return Result(data={path.name: path.stat().st_size for path in paths})


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (f"upload:{JOB}", Upload(JOB)),
        (f" UPLOAD:{JOB.upper()}\n", Upload(JOB)),
        (f"job://{JOB}/artifacts/a.txt", JobFile(JOB, "a.txt")),
        (f"job://{JOB}/artifacts/a%20b%2Fc.txt", JobFile(JOB, "a b/c.txt")),
        (JOB, None),
        ("upload:", None),
        ("upload:../../etc/passwd", None),
        (f"upload:{JOB}0", None),
        (f"job://{JOB}", None),
        (f"job://{JOB}/artifacts/../x", None),
        ("", None),
    ],
)
def test_a_file_is_named_by_one_of_two_forms(text: str, file: Upload | JobFile | None) -> None:
    assert named(text) == file
    if file:
        assert named(str(file)) == file


def test_what_names_no_file_is_refused_with_how_to_upload() -> None:
    with pytest.raises(BadRequest, match=r"source: is no file: give upload:ID .* /api/v1/files"):
        weigh.parse({"source": "/etc/passwd"})


def test_what_else_it_may_be_is_judged_by_the_kind() -> None:
    parsed = weigh.parse({"source": f"upload:{JOB.upper()}", "address": "https://example.org/a"})

    assert (parsed["source"], parsed["address"], parsed["cover"]) == (f"upload:{JOB}", "https://example.org/a", None)
    with pytest.raises(BadRequest, match="address: is neither a file nor an https address"):
        weigh.parse({"source": f"upload:{JOB}", "address": "ftp://example.org"})


def test_in_the_schema_it_is_a_string_like_any_other() -> None:
    properties = weigh.schema["properties"]

    assert properties["source"] == {"type": "string", "title": "Source", "description": "what to weigh"}
    assert properties["more"]["items"] == {"type": "string"}


def test_a_kind_knows_which_of_its_arguments_take_files() -> None:
    args = weigh.parse({"source": f"upload:{JOB}", "more": [f"job://{JOB}/artifacts/a"], "note": f"upload:{JOB}"})

    assert weigh.takes_files == {"source", "more", "cover", "address"}
    assert sorted(weigh.files_in(args)) == [("more/0", JobFile(JOB, "a")), ("source", Upload(JOB))]


async def test_a_rehearsed_job_reads_the_file_under_the_name_that_it_had(tmp_path: Path) -> None:
    first, second = tmp_path / "a talk.mp3", tmp_path / "b.txt"
    first.write_bytes(b"x" * 10)
    second.write_bytes(b"y" * 20)

    done = await perform(weigh, source=first, more=[second])

    assert done.data == {"a talk.mp3": 10, "b.txt": 20}


async def test_a_file_that_is_gone_is_a_sentence_to_the_handler() -> None:
    with pytest.raises(LookupError, match=f"The upload {JOB} is not here any longer"):
        await perform(weigh, source=f"upload:{JOB}")
