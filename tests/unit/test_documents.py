"""What the documents name is there."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], key=lambda path: path.name)


def _named(document: Path, pattern: str) -> set[Any]:
    return set(re.findall(pattern, document.read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}

    assert _named(document, r"\b(test_\w+\.py)") <= files.keys()
    for file, test in _named(document, r"\b(test_\w+\.py)::(test_\w+)"):
        assert f"def {test}" in files[file].read_text(encoding="utf-8"), f"{file}::{test}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_links_is_there(document: Path) -> None:
    for link in _named(document, r"\]\((?!https?:|#|mailto:)([^)#\s]+)"):
        assert (document.parent / link).exists(), link
