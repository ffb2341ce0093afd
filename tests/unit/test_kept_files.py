"""Where files lie: what a folder and a bucket both promise, and what only one of them does."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from stubs.s3 import S3, serving_s3

from agent_tools.jobs.artifact_store import ArtifactStore, Attempt
from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.bucket import PART, Bucket
from agent_tools.jobs.errors import Misconfigured, StoreRefused, StoreUnavailable
from agent_tools.jobs.folder import Folder
from agent_tools.jobs.places import KeptFile, Place
from agent_tools.jobs.upload_store import UploadStore

HERE = Attempt(1, "0c3k9x2mq7f4w", 7)
NEXT = HERE._replace(fence=8)


@pytest.fixture(scope="module")
def _serving() -> Iterator[S3]:
    with serving_s3() as s3:
        yield s3


@pytest.fixture
def s3(_serving: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name, value in _serving.environment.items():
        monkeypatch.setenv(name, value)
    _serving.objects.clear()
    _serving.parts.clear()
    _serving.asked.clear()
    yield _serving
    _serving.good()
    _serving.has_bucket = True


@pytest.fixture
def bucket(s3: S3, tmp_path: Path) -> Bucket:
    return Bucket("s3://shelf/ours", tmp_path / "spool")


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Folder(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def store(place: Place) -> ArtifactStore:
    return ArtifactStore(place)


@pytest.fixture
def folder_store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(Folder(tmp_path / "store"))


@pytest.fixture
def near(tmp_path: Path) -> Path:
    return tmp_path / "near"


@pytest.fixture
def keys(place: Place, request: pytest.FixtureRequest) -> Callable[[], list[str]]:
    """Everything that lies there."""

    def listed() -> list[str]:
        if isinstance(place, Folder):
            files = [path for path in place.root.rglob("*") if path.is_file()]
            return sorted(str(path.relative_to(place.root)) for path in files)
        s3: S3 = request.getfixturevalue("s3")
        return [key.removeprefix("ours/") for key in s3.listed()]

    return listed


# ------------------------------------------------------------------------------------------------------- both of them


def test_files_are_kept_with_their_size_and_hash(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "made.bin").write_bytes(b"x" * 3_000_000)

    text, empty, file = store.keep(
        HERE,
        [
            Artifact.text("Über uns.txt", "ä"),
            Artifact.text("empty.txt", ""),
            Artifact.file(tmp_path / "made.bin", title="Made"),
        ],
    )

    assert (text.name, text.bytes, text.sha256) == ("Über uns.txt", 2, hashlib.sha256("ä".encode()).hexdigest())
    assert (file.title, file.bytes, file.fence) == ("Made", 3_000_000, 7)
    assert [store.file(1, HERE.job, each).read() for each in (text, empty)] == ["ä".encode(), b""]
    assert store.file(1, HERE.job, file).facts().bytes == 3_000_000
    assert b"".join(store.file(1, HERE.job, file).blocks(2_999_990)) == b"x" * 10


def test_two_artifacts_of_one_name_are_both_kept(store: ArtifactStore) -> None:
    kept = store.keep(HERE, [Artifact.text("a.txt", content) for content in ("1", "2", "3")])

    assert [file.name for file in kept] == ["a.txt", "a-2.txt", "a-3.txt"]
    assert [store.file(1, HERE.job, file).read() for file in kept] == [b"1", b"2", b"3"]


def test_no_two_attempts_jobs_or_tenants_ever_share_a_file(store: ArtifactStore) -> None:
    attempts = [HERE, HERE._replace(fence=70), HERE._replace(job="0c3k9x2mq7f4v"), HERE._replace(tenant=2)]
    kept = {attempt: store.keep(attempt, [Artifact.text("a.txt", str(attempt))])[0] for attempt in attempts}

    store.remove(1, HERE.job, 7)

    with pytest.raises(FileNotFoundError):
        store.file(1, HERE.job, kept[HERE]).read()
    for attempt in attempts[1:]:
        assert store.file(attempt.tenant, attempt.job, kept[attempt]).read() == str(attempt).encode()


def test_a_file_is_never_overwritten(store: ArtifactStore) -> None:
    (kept,) = store.keep(HERE, [Artifact.text("a.txt", "first")])

    with pytest.raises(FileExistsError):
        store.keep(HERE, [Artifact.text("a.txt", "second")])

    assert store.file(1, HERE.job, kept).read() == b"first"


def test_an_attempt_without_files_leaves_nothing(store: ArtifactStore, keys: Callable[[], list[str]]) -> None:
    assert store.keep(HERE, []) == []
    assert keys() == []


def test_what_a_step_made_is_kept_once_and_outlives_its_attempt(
    store: ArtifactStore, near: Path, keys: Callable[[], list[str]]
) -> None:
    made = [store.keep_step(attempt, Artifact.text("a.txt", "a", title="A"), near) for attempt in (HERE, NEXT)]
    again = store.keep_step(HERE, Artifact.file(store.step_file(1, made[0]).local(near), title="A"), near)
    store.remove(1, HERE.job, 7)
    store.remove(1, HERE.job, 8)

    assert made[0] == made[1] == again
    assert (made[0].job, made[0].title, made[0].bytes) == (HERE.job, "A", 1)
    assert store.step_file(1, made[0]).read() == b"a"
    assert keys() == [store.step_file(1, made[0]).key]


def test_what_steps_made_goes_with_the_job(store: ArtifactStore, near: Path) -> None:
    made = store.keep_step(HERE, Artifact.text("a.txt", "a"), near)

    store.remove(1, HERE.job)

    with pytest.raises(FileNotFoundError):
        store.step_file(1, made).facts()


def test_a_local_path_holds_what_was_kept_and_cannot_be_written_to(store: ArtifactStore, near: Path) -> None:
    (kept,) = store.keep(HERE, [Artifact.text("a.txt", "a")])

    path = store.file(1, HERE.job, kept).local(near)

    assert (path.name, path.read_text()) == ("a.txt", "a")
    assert path.stat().st_mode & 0o222 == 0
    with pytest.raises(FileNotFoundError):
        store.file(1, HERE.job, replace(kept, fence=9)).local(near)


def test_the_beginnings_of_many_files_come_together(store: ArtifactStore) -> None:
    kept = store.keep(HERE, [Artifact.text("a.txt", "abc"), Artifact.text("b.txt", ""), Artifact.text("c.txt", "c")])
    keys_of = [store.file(1, HERE.job, each).key for each in kept]

    assert store.place.beginnings([*keys_of, "1/gone/7/a.txt"], 2) == [b"ab", b"", b"c", b""]


def test_what_was_left_is_found_attempts_and_steps_apart(store: ArtifactStore, near: Path) -> None:
    store.keep(HERE, [Artifact.text("a.txt", "a")])
    store.keep_step(HERE, Artifact.text("a.txt", "a"), near)
    uploads = UploadStore(store.place)
    arriving = uploads.begin(1, "0c3k9x2mq7f4u")
    arriving.write(b"a")
    arriving.finish("a.txt")

    assert set(store.left(older_than_s=-5)) == {(1, HERE.job, 7), (1, HERE.job, None)}
    assert list(uploads.left(older_than_s=-5)) == [(1, "0c3k9x2mq7f4u")]
    assert [list(each.left(older_than_s=60)) for each in (store, uploads)] == [[], []]


def test_an_upload_is_there_whole_or_not_at_all(
    store: ArtifactStore, tmp_path: Path, keys: Callable[[], list[str]]
) -> None:
    uploads = UploadStore(store.place)
    whole, broken = uploads.begin(1, "0c3k9x2mq7f4u"), uploads.begin(1, "0c3k9x2mq7f4t")
    for arriving in (whole, broken):
        arriving.write(b"ab")
        arriving.write(b"c")
    kept = whole.finish("tides.txt")
    broken.give_up()

    assert kept == ("tides.txt", 3, hashlib.sha256(b"abc").hexdigest())
    assert uploads.file(1, "0c3k9x2mq7f4u", "tides.txt").read() == b"abc"
    assert keys() == ["uploads/1/0c3k9x2mq7f4u/tides.txt"]
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


def test_a_place_says_whether_it_can_be_used(place: Place) -> None:
    place.test()

    assert list(place.left("", older_than_s=-5)) == []


# ----------------------------------------------------------------------------------------------------------- a folder


def test_what_lies_in_the_folder_already_is_linked(folder_store: ArtifactStore) -> None:
    (first,) = folder_store.keep(HERE, [Artifact.text("a.txt", "a")])
    path = folder_store.file(1, HERE.job, first).path

    (second,) = folder_store.keep(NEXT, [Artifact.file(path)])

    assert (second.bytes, second.sha256) == (first.bytes, first.sha256)
    assert folder_store.file(1, HERE.job, second).path.samefile(path)
    assert path.stat().st_mode & 0o222 == 0


def test_what_somebody_may_still_write_to_is_copied_wherever_it_lies(
    folder_store: ArtifactStore, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    made = tmp_path / "store" / "made.txt"
    made.write_text("made")

    (kept,) = folder_store.keep(HERE, [Artifact.file(made)])
    made.write_text("other")

    assert folder_store.file(1, HERE.job, kept).read() == b"made"


def test_what_cannot_be_linked_is_copied(folder_store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = folder_store.keep(HERE, [Artifact.text("a.txt", "a")])
    monkeypatch.setattr(Path, "hardlink_to", _refuse)

    (second,) = folder_store.keep(NEXT, [Artifact.file(folder_store.file(1, HERE.job, first).path)])

    assert second.sha256 == first.sha256
    assert not folder_store.file(1, HERE.job, second).path.samefile(folder_store.file(1, HERE.job, first).path)


def test_what_does_not_look_like_an_attempt_is_passed_over(folder_store: ArtifactStore, tmp_path: Path) -> None:
    folder_store.keep(HERE, [Artifact.text("a.txt", "a")])
    for foreign in ("1/0c3k9x2mq7f4w/notes", "lost+found/x/1"):
        (tmp_path / "store" / foreign).mkdir(parents=True)

    assert list(folder_store.left(older_than_s=-1)) == [HERE]
    assert list(folder_store.left(older_than_s=60)) == []


def test_an_upload_that_goes_on_is_not_taken_for_one_that_was_left(tmp_path: Path) -> None:
    uploads = UploadStore(Folder(tmp_path))
    arriving = uploads.begin(1, "0c3k9x2mq7f4u")
    arriving.write(b"a")
    os.utime(tmp_path / "uploads/1/0c3k9x2mq7f4u", (0, 0))
    assert list(uploads.left(60)) == [(1, "0c3k9x2mq7f4u")]

    arriving.write(b"b")

    assert list(uploads.left(60)) == []
    arriving.give_up()


# ----------------------------------------------------------------------------------------------------------- a bucket


def test_a_large_file_goes_up_in_parts_and_comes_down_in_blocks(s3: S3, bucket: Bucket, tmp_path: Path) -> None:
    content = os.urandom(PART + 1000)
    (tmp_path / "large.bin").write_bytes(content)
    store = ArtifactStore(bucket)

    (kept,) = store.keep(HERE, [Artifact.file(tmp_path / "large.bin")])

    assert (kept.bytes, kept.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert [asked.what for asked in s3.asked if asked.what != "HEAD"] == [
        "POST begin",
        *["PUT part"] * 2,
        "POST complete",
    ]
    assert max(map(len, store.file(1, HERE.job, kept).blocks())) <= 4 << 20
    assert store.file(1, HERE.job, kept).read() == content


@pytest.mark.parametrize("size", [3, PART + 3])
def test_a_file_whose_reply_was_lost_is_found_to_be_our_own(s3: S3, bucket: Bucket, size: int) -> None:
    store, made = ArtifactStore(bucket), Artifact("a.bin", "A", "application/octet-stream", data=b"x" * size)
    first = store.keep(HERE, [made])

    again = store.keep(HERE, [made])  # as whoever did not hear of the first

    assert again == first
    assert [asked.what for asked in s3.asked].count("PUT") + [asked.what for asked in s3.asked].count(
        "POST complete"
    ) <= 2
    with pytest.raises(FileExistsError):
        store.keep(HERE, [Artifact("a.bin", "A", "application/octet-stream", data=b"y" * size)])


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param({"what": "PUT", "loses_reply": True}, id="the reply to a file"),
        pytest.param({"what": "PUT", "drops": True}, id="the connection"),
        pytest.param({"what": "PUT", "status": 503, "code": "SlowDown"}, id="busy"),
        pytest.param({"what": "GET", "cuts": 2}, id="the end of an answer"),
    ],
)
def test_one_bad_moment_is_not_noticed(s3: S3, bucket: Bucket, lost: dict[str, object]) -> None:
    store = ArtifactStore(bucket)
    bad = s3.bad(**lost)  # type: ignore[arg-type]

    (kept,) = store.keep(HERE, [Artifact.text("a.txt", "abc")])

    assert store.file(1, HERE.job, kept).read() == b"abc"
    assert bad.met.is_set()


@pytest.mark.parametrize(
    ("bad", "error", "said"),
    [
        ({"drops": True}, StoreUnavailable, "cannot be reached or is busy (no answer). Try again in a moment."),
        ({"status": 503, "code": "SlowDown"}, StoreUnavailable, "cannot be reached or is busy (SlowDown)."),
        ({"status": 403, "code": "AccessDenied"}, StoreRefused, "denies access (AccessDenied). Check the credentials"),
        ({"status": 400, "code": "AuthorizationHeaderMalformed"}, StoreRefused, "Check BACKBURNER_ARTIFACTS_URL"),
    ],
)
def test_what_is_wrong_with_a_store_is_a_sentence(
    s3: S3, bucket: Bucket, bad: dict[str, object], error: type[StoreUnavailable], said: str
) -> None:
    s3.bad(times=None, **bad)  # type: ignore[arg-type]

    with pytest.raises(StoreUnavailable) as raised:
        ArtifactStore(bucket).keep(HERE, [Artifact.text("a.txt", "a")])

    assert type(raised.value) is error
    assert str(raised.value).startswith("s3://shelf/ours ")
    assert said in str(raised.value)


def test_a_bucket_that_is_not_there_is_named(s3: S3, bucket: Bucket) -> None:
    s3.has_bucket = False

    with pytest.raises(StoreRefused, match=r"There is no bucket s3://shelf/ours\. Create it"):
        bucket.test()


def test_a_key_that_is_not_known_is_refused_by_its_signature(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")

    with pytest.raises(StoreRefused, match="denies access \\(SignatureDoesNotMatch\\)"):
        bucket.test()


@pytest.mark.parametrize("told", [True, False], ids=["told", "found out"])
def test_a_store_that_knows_no_conditions_is_looked_into_first(
    s3: S3, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    if told:
        monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    s3.knows_conditions = False
    try:
        store = ArtifactStore(bucket)
        store.keep(HERE, [Artifact.text("a.txt", "a")])

        with pytest.raises(FileExistsError):
            store.keep(HERE, [Artifact.text("a.txt", "b")])
    finally:
        s3.knows_conditions = True


def test_parts_of_what_breaks_off_do_not_become_a_file(s3: S3, bucket: Bucket) -> None:
    s3.bad("PUT part", times=None, status=403, code="AccessDenied")

    with pytest.raises(StoreRefused):
        ArtifactStore(bucket).keep(HERE, [Artifact("a.bin", "A", "text/plain", data=b"x" * (PART + 1))])

    assert s3.listed() == []
    assert s3.parts == {}


def test_what_cannot_be_deleted_now_is_found_later(s3: S3, bucket: Bucket) -> None:
    store = ArtifactStore(bucket)
    store.keep(HERE, [Artifact.text("a.txt", "a")])
    s3.bad("POST delete", status=403, code="AccessDenied")

    store.remove(1, HERE.job)
    assert list(store.left(older_than_s=-5)) == [HERE]
    store.remove(1, HERE.job)

    assert s3.listed() == []


def test_a_large_bucket_is_looked_through_in_turns(s3: S3, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_tools.jobs.bucket.LOOKED_AT", 4)
    monkeypatch.setattr(s3, "page", 2)
    store = ArtifactStore(bucket)
    for fence in range(6):
        store.keep(HERE._replace(fence=fence), [Artifact.text("a.txt", "a")])

    turns = [[each.fence for each in store.left(older_than_s=-5)] for _ in range(3)]

    assert turns == [[0, 1, 2, 3], [4, 5], [0, 1, 2, 3]]


def test_beginnings_are_remembered_and_an_absent_store_holds_up_no_page(s3: S3, bucket: Bucket) -> None:
    store = ArtifactStore(bucket)
    known, unknown = store.keep(HERE, [Artifact.text("a.txt", "abc"), Artifact.text("b.txt", "b")])
    keys_of = [store.file(1, HERE.job, each).key for each in (known, unknown)]
    bucket.beginnings(keys_of[:1], 2)
    s3.bad(times=None, drops=True)

    assert bucket.beginnings(keys_of, 2) == [b"ab", b""]


def test_a_folder_that_was_copied_into_a_bucket_is_found_there(
    folder_store: ArtifactStore, bucket: Bucket, s3: S3, near: Path, tmp_path: Path
) -> None:
    (made,) = folder_store.keep(HERE, [Artifact.text("Über uns (2).txt", "ä")])
    step = folder_store.keep_step(HERE, Artifact.text("a.txt", "a"), near)
    for path in (tmp_path / "store").rglob("*.txt"):  # as `aws s3 sync` does
        bucket.put(str(path.relative_to(tmp_path / "store")), lambda path=path: iter((path.read_bytes(),)), 1)

    moved = ArtifactStore(bucket)

    assert moved.file(1, HERE.job, made).read() == "ä".encode()
    assert moved.step_file(1, step).read() == b"a"


def test_a_file_in_a_bucket_has_no_path_here_and_says_so(bucket: Bucket) -> None:
    with pytest.raises(Misconfigured, match=r"s3://shelf/ours/1/a\.txt is no file of this machine"):
        _ = KeptFile(bucket, "1/a.txt").path


def _refuse(*_: object) -> None:
    raise OSError(18, "Invalid cross-device link")
