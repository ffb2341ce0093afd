"""What a job leaves behind, and where it lies."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_tools.jobs.artifact_store import ArtifactStore, Attempt
from agent_tools.jobs.artifacts import Artifact, guess_media_type, safe_name

HERE = Attempt(1, "0c3k9x2mq7f4w", 7)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


# ---------------------------------------------------------------------------------------------------------------- names


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


# ---------------------------------------------------------------------------------------------------------------- files


def test_files_are_kept_with_their_size_and_hash(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "made.bin").write_bytes(b"x" * 3_000_000)

    text, file = store.keep(HERE, [Artifact.text("a.txt", "ä"), Artifact.file(tmp_path / "made.bin", title="Made")])

    assert (text.name, text.bytes, text.sha256, text.fence) == ("a.txt", 2, hashlib.sha256("ä".encode()).hexdigest(), 7)
    assert (file.title, file.bytes) == ("Made", 3_000_000)
    assert store.path(1, HERE.job, text).read_text() == "ä"


def test_two_artifacts_of_one_name_are_both_kept(store: ArtifactStore) -> None:
    kept = store.keep(HERE, [Artifact.text("a.txt", content) for content in ("1", "2", "3")])

    assert [file.name for file in kept] == ["a.txt", "a-2.txt", "a-3.txt"]
    assert [store.path(1, HERE.job, file).read_text() for file in kept] == ["1", "2", "3"]


def test_no_two_attempts_jobs_or_tenants_ever_share_a_file(store: ArtifactStore) -> None:
    attempts = [
        Attempt(*each)
        for each in ((1, "0c3k9x2mq7f4w", 1), (1, "0c3k9x2mq7f4w", 2), (1, "0c3k9x2mq7f4v", 1), (2, "0c3k9x2mq7f4w", 1))
    ]

    kept = {attempt: store.keep(attempt, [Artifact.text("a.txt", "the same")])[0] for attempt in attempts}
    store.remove(1, "0c3k9x2mq7f4w", 1)

    there = [store.path(attempt.tenant, attempt.job, file).exists() for attempt, file in kept.items()]
    assert len({store.path(attempt.tenant, attempt.job, file) for attempt, file in kept.items()}) == 4
    assert there == [False, True, True, True]


def test_a_file_is_never_overwritten(store: ArtifactStore) -> None:
    (kept,) = store.keep(HERE, [Artifact.text("a.txt", "first")])

    with pytest.raises(FileExistsError):
        store.keep(HERE, [Artifact.text("a.txt", "second")])

    assert store.path(1, HERE.job, kept).read_text() == "first"


def test_an_attempt_without_files_leaves_no_folder(store: ArtifactStore) -> None:
    assert store.keep(HERE, []) == []
    assert list(store.folder.iterdir()) == []


def test_what_lies_in_the_store_already_is_linked_and_cannot_be_written_to(store: ArtifactStore) -> None:
    (first,) = store.keep(HERE, [Artifact.text("a.txt", "a")])
    path = store.path(1, HERE.job, first)

    (second,) = store.keep(HERE._replace(fence=8), [Artifact.file(path)])

    assert (second.bytes, second.sha256) == (first.bytes, first.sha256)
    assert store.path(1, HERE.job, second).samefile(path)
    assert path.stat().st_mode & 0o222 == 0


def test_what_somebody_may_still_write_to_is_copied_wherever_it_lies(store: ArtifactStore) -> None:
    made = store.folder / "made.txt"
    made.write_text("made")

    (kept,) = store.keep(HERE, [Artifact.file(made)])
    made.write_text("other")

    assert store.path(1, HERE.job, kept).read_text() == "made"


def test_what_cannot_be_linked_is_copied(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = store.keep(HERE, [Artifact.text("a.txt", "a")])
    monkeypatch.setattr(Path, "hardlink_to", _refuse)

    (second,) = store.keep(HERE._replace(fence=8), [Artifact.file(store.path(1, HERE.job, first))])

    assert second.sha256 == first.sha256
    assert not store.path(1, HERE.job, second).samefile(store.path(1, HERE.job, first))


def test_what_a_step_made_is_kept_once_and_outlives_its_attempt(store: ArtifactStore) -> None:
    made = [
        store.keep_step(attempt, Artifact.text("a.txt", "a", title="A")) for attempt in (HERE, HERE._replace(fence=8))
    ]
    again = store.keep_step(HERE, Artifact.file(store.step_path(1, made[0]), title="A"))
    store.remove(1, HERE.job, HERE.fence)
    store.remove(1, HERE.job, 8)

    assert made[0] == made[1] == again
    assert (made[0].job, made[0].title, made[0].bytes) == (HERE.job, "A", 1)
    assert store.step_path(1, made[0]).read_text() == "a"
    assert [path for path in store.folder.rglob("*") if path.is_file()] == [store.step_path(1, made[0])]


def test_what_steps_made_goes_with_the_job(store: ArtifactStore) -> None:
    made = store.keep_step(HERE, Artifact.text("a.txt", "a"))

    store.remove(1, HERE.job)

    assert not store.step_path(1, made).exists()


def test_what_was_left_is_found_attempts_and_steps_apart(store: ArtifactStore) -> None:
    store.keep_step(HERE, Artifact.text("a.txt", "a"))

    assert set(store.left(older_than_s=-1)) == {(1, HERE.job, 7), (1, HERE.job, None)}


def test_what_does_not_look_like_an_attempt_is_passed_over(store: ArtifactStore) -> None:
    store.keep(HERE, [Artifact.text("a.txt", "a")])
    for foreign in ("1/0c3k9x2mq7f4w/notes", "lost+found/x/1"):
        (store.folder / foreign).mkdir(parents=True)

    assert list(store.left(older_than_s=-1)) == [HERE]
    assert list(store.left(older_than_s=60)) == []


def _refuse(*_: object) -> None:
    raise OSError(18, "Invalid cross-device link")
