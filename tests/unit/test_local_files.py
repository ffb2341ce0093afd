"""Which files of this machine an argument may name."""

from pathlib import Path

import pytest

from agent_tools.local_files import NotAllowed, local_path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    allowed = tmp_path / "allowed"
    (allowed / "shows").mkdir(parents=True)
    (allowed / "shows" / "a talk.mp3").write_bytes(b"talk")
    (allowed / "100%25.mp3").write_bytes(b"all")
    monkeypatch.setenv("BACKBURNER_FILES", str(allowed))
    return allowed


@pytest.mark.parametrize(
    "address",
    [
        "file:shows/a talk.mp3",
        "file:shows/a%20talk.mp3",
        "file:/shows/a talk.mp3",
        "FILE:///shows/a%20talk.mp3",
        "file://localhost{folder}/shows/a talk.mp3",
        "file:{folder}/shows/a%20talk.mp3",
    ],
)
def test_a_file_is_found_however_its_name_is_written(folder: Path, address: str) -> None:
    assert local_path(address.format(folder=folder)).read_bytes() == b"talk"


def test_a_name_is_taken_as_it_is_written_first(folder: Path) -> None:
    assert local_path("file:100%25.mp3").read_bytes() == b"all"


def test_what_is_not_there_is_told_by_whoever_looks(folder: Path) -> None:
    assert local_path("file:none.mp3") == folder / "none.mp3"


@pytest.mark.parametrize("address", ["file:../secret", "file:%2e%2e/secret", "file:/etc/passwd", "file:link"])
def test_nothing_beside_the_folder_is_named(folder: Path, address: str) -> None:
    (folder.parent / "secret").write_text("hush")
    (folder / "link").symlink_to(folder.parent / "secret")

    with pytest.raises(NotAllowed, match=r"^It is not below the folder that BACKBURNER_FILES names\.$"):
        local_path(address)


def test_without_a_folder_it_is_said_who_can_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKBURNER_FILES", raising=False)

    with pytest.raises(NotAllowed, match="Whoever runs this can allow it: BACKBURNER_FILES names the folder"):
        local_path("file:a.mp3")
