"""What a job leaves behind."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_tools.jobs.artifacts import Artifact, guess_media_type, safe_name


@given(st.text())
@example("../../etc/passwd")
@example("..\\..\\boot.ini")
@example("a" * 300 + ".tar.gz")
@example("字" * 200 + ".pdf")
@example("." * 5)
@example("\0")
def test_a_name_is_made_one_that_no_folder_can_misread(name: str) -> None:
    safe = safe_name(name)

    assert safe
    assert not set(safe) & set('/\\\0:*?"<>|\n')
    assert not safe.startswith(".")
    assert len(safe) <= 120
    assert len(safe.encode()) <= 120
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("Über uns (2).docx", "Über uns -2-.docx"),
        ("../secret.txt", "secret.txt"),
        ("", "file"),
        (".pdf", "pdf"),
        ("a" * 200 + ".pdf", "a" * 116 + ".pdf"),
    ],
)
def test_a_good_name_stays_as_it_is(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_an_artifact_made_by_hand_has_a_safe_name_too() -> None:
    assert Artifact("../../x.txt", "X", "text/plain", data=b"").name == "x.txt"


@pytest.mark.parametrize("parts", [{}, {"path": Path("x"), "data": b""}])
def test_an_artifact_is_a_file_or_bytes_and_never_both_or_neither(parts: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="exactly one of them"):
        Artifact("x.txt", "X", "text/plain", **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.md", "text/markdown"), ("A.PDF", "application/pdf"), ("a.vtt", "text/vtt"), ("a", "application/octet-stream")],
)
def test_a_name_promises_a_media_type(name: str, media_type: str) -> None:
    assert guess_media_type(name) == media_type
