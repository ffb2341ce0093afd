"""Episodes as text: captions, what they are about, and Markdown; nothing here needs the extras."""

import re
import time

import episode_given
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_tools.jobs.errors import BadRequest
from worker.kinds.episode import episode, subtitles
from worker.kinds.episode.extract import extractive
from worker.kinds.episode.listing import in_feed, in_folder, title_of
from worker.kinds.episode.page import Episode
from worker.kinds.episode.said import Line, Transcript, clock, paragraphs
from worker.kinds.episode.text import as_markdown

WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
LINES = st.lists(
    st.builds(
        lambda start, length, words: Line(start=start / 1000, end=(start + length) / 1000, text=" ".join(words)),
        st.integers(0, 40_000_000),
        st.integers(1, 9_000),
        st.lists(WORDS, min_size=1, max_size=20),
    ),
    max_size=8,
)


def test_captions_are_written_as_players_read_them() -> None:
    lines = [
        Line(start=0, end=1.5, text="Hi."),
        Line(start=3661.25, end=3663, text="A <b>bold</b> & long sentence that does not fit into one row"),
    ]

    assert subtitles.srt(lines).startswith(
        "1\n00:00:00,000 --> 00:00:01,500\nHi.\n\n2\n01:01:01,250 --> 01:01:03,000\n"
    )
    assert subtitles.vtt(lines).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHi.\n\n01:01:01.250 -->")
    assert "A &lt;b&gt;bold&lt;/b&gt; &amp; long" in subtitles.vtt(lines)
    assert max(len(row) for row in subtitles.srt(lines).splitlines()) <= 42


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_captions_that_were_written_are_read_again(lines: list[Line]) -> None:
    lines = [line for line in lines if not re.search(r"[<>&\u2028\u2029\x85]|-->", line.text)]
    ordered = sorted(lines, key=lambda line: line.start)
    kept = [line for n, line in enumerate(ordered) if not n or line.text != ordered[n - 1].text]

    for written in (subtitles.srt(ordered), subtitles.vtt(ordered)):
        read = subtitles.read(written)
        assert [line.text for line in read if line.text in {each.text for each in kept}] == [line.text for line in read]
        assert {line.text for line in read} == {line.text for line in kept}


@pytest.mark.parametrize(
    "text", ["", "WEBVTT", "no captions at all", "1\n00:00 --> x\nhi", "\ufeff\n\n\n", "00:01.000 --> 00:02.000"]
)
def test_what_is_no_caption_is_passed_over(text: str) -> None:
    assert subtitles.read(text) == []


def test_captions_of_sites_lose_tags_settings_and_repeats() -> None:
    text = "WEBVTT\nKind: captions\n\nNOTE a\n\n1\n00:01.000 --> 00:02.000 align:start\n<c.yellow>Good</c> &amp; <00:01.5>well\n\n00:02.000 --> 00:03.000\nGood &amp; well\n\n00:05.000 --> 00:04.000\nOdd"

    assert [(line.start, line.end, line.text) for line in subtitles.read(text)] == [
        (1, 2, "Good & well"),
        (5, 5, "Odd"),
    ]


def test_a_summary_is_picked_from_what_was_said_with_its_times() -> None:
    transcript = episode_given.transcript()
    said = " ".join(line.text for line in transcript.lines)

    about = extractive(transcript, transcript.lines[-1].end)

    assert about.engine == "extractive"
    assert 3 <= len(about.summary) <= 8
    for point in about.summary:
        assert point.text in said
        assert any(
            line.start - 0.5 <= point.start <= line.end
            for line in transcript.lines
            if point.text[:30] in line.text or line.text in point.text
        )
    assert [point.start for point in about.summary] == sorted(point.start for point in about.summary)


def test_chapters_begin_where_the_subject_changes_and_are_called_after_it() -> None:
    transcript = episode_given.transcript()
    begins = [
        next(line.start for line in transcript.lines if line.text.startswith(first))
        for first in ("Let us turn", "Our next", "And finally")
    ]

    chapters = extractive(transcript, transcript.lines[-1].end).chapters

    assert chapters[0].start == 0
    hits = [at for at in begins if any(abs(chapter.start - at) < 8 for chapter in chapters)]
    assert len(hits) == 3, [(chapter.start, chapter.title) for chapter in chapters]
    assert len(chapters) <= 6
    titles = " | ".join(chapter.title.lower() for chapter in chapters)
    assert all(word in titles for word in ("harbour", "bus", "library", "bee")), titles


def test_phrases_are_what_is_spoken_of_most_and_share_no_words() -> None:
    phrases = extractive(episode_given.transcript(), 300).phrases

    assert {"harbour wall"} <= set(phrases) or {"harbour"} <= set(phrases), phrases
    assert not {"the", "and", "will", "that"} & {word for phrase in phrases for word in phrase.lower().split()}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [Line(start=0, end=1, text="Hi")],
        [Line(start=0, end=1, text="...")],
        [Line(start=n, end=n + 1, text="Yes.") for n in range(500)],
    ],
)
def test_little_said_is_no_error(lines: list[Line]) -> None:
    about = extractive(Transcript(language="en", engine="x", lines=lines), 400)

    assert len(about.summary) <= 3


def test_hours_of_talk_are_weighed_in_seconds() -> None:
    lines = [
        line.model_copy(update={"start": line.start + n * 250, "end": line.end + n * 250})
        for n in range(60)
        for line in episode_given.talk()
    ]
    began = time.process_time()

    about = extractive(Transcript(language="en", engine="x", lines=lines), 60 * 250)

    assert time.process_time() - began < 20
    assert 2 <= len(about.chapters) <= 24


@settings(max_examples=40, deadline=None)
@given(LINES)
def test_whatever_was_said_becomes_markdown_and_no_structure_of_its_own(lines: list[Line]) -> None:
    lines = sorted(lines, key=lambda line: line.start)
    transcript = Transcript(language="en", engine="x", lines=lines)
    about = Episode(title="# x", source="file:x", duration_s=50_000, transcript=transcript, peaks=[]).enriched_by(
        extractive(transcript, 50_000)
    )

    text = as_markdown(about)

    assert text.startswith("# \\# x\n")
    assert len([row for row in text.splitlines() if row.startswith("# ")]) == 1


def test_paragraphs_begin_at_chapters_and_after_pauses() -> None:
    lines = episode_given.talk()
    at = lines[10].start

    found = paragraphs(lines, [at])

    assert [line for paragraph in found for line in paragraph] == lines
    assert any(paragraph[0].start == at for paragraph in found)
    assert max(paragraph[-1].end - paragraph[0].start for paragraph in found) < 75


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3723, "1:02:03")])
def test_times_are_written_as_people_write_them(seconds: float, said: str) -> None:
    assert clock(seconds) == said


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("the_long-night.mp3", "The long night"),
        ("https://a.example/x/Talk%201.mp3?x=1", "Talk%201"),
        ("", "Recording"),
        ("a - b.wav", "A - b"),
    ],
)
def test_a_recording_without_a_title_is_called_after_its_file(name: str, title: str) -> None:
    assert title_of(name) == title


def test_a_folder_lists_recordings_only_and_nothing_beyond_it(tmp_path) -> None:
    folder = tmp_path / "shows"
    (folder / "old").mkdir(parents=True)
    for name in ("b.mp3", "a.MP4", "notes.txt", "old/c.wav"):
        (folder / name).write_bytes(b"x")
    (tmp_path / "secret.mp3").write_bytes(b"x")
    (folder / "link.mp3").symlink_to(tmp_path / "secret.mp3")

    inside = ["shows/a.MP4", "shows/b.mp3", "shows/old/c.wav"]
    assert [each.source for each in in_folder(folder, "file:shows/")] == [f"file:{name}" for name in inside]
    assert [each.source for each in in_folder(folder, "file:.")] == [
        f"file:{name.removeprefix('shows/')}" for name in inside
    ]


def test_a_feed_lists_what_it_encloses() -> None:
    pytest.importorskip("feedparser")
    feed = b"""<?xml version="1.0"?><rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title>T</title>
      <item><title>One &amp; only</title><enclosure url="/one.mp3" type="audio/mpeg" length="123"/><itunes:duration>1:02:03</itunes:duration></item>
      <item><title>Text</title><link>https://a.example/text</link></item>
      <item><enclosure url="https://b.example/two.mp4?x=1" length="0"/></item>
      <item><title>Again</title><enclosure url="/one.mp3" type="audio/mpeg"/></item></channel></rss>"""

    found = in_feed(feed, "https://a.example/feed.xml")

    assert [(each.source, each.title, each.bytes, each.duration_s) for each in found] == [
        ("https://a.example/one.mp3", "One & only", 123, 3723),
        ("https://b.example/two.mp4?x=1", "Two", None, None),
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "source: is required."),
        ({"source": "ftp://x/y.mp3"}, "source: is nothing that can be listened to. Give an https address, file:NAME"),
        ({"source": "talk.mp3"}, "source: is nothing that can be listened to."),
        ({"source": "file:a.mp3", "language": "german!"}, "language: is no code of a language, such as en or de."),
        (
            {"source": "file:a.mp3", "target_stage": "published"},
            "target_stage: input should be 'discover', 'transcribe', 'enrich' or 'render'",
        ),
        ({"source": "file:a.mp3", "quality": "4k"}, "quality: is none that is known: audio, 360p"),
    ],
)
def test_what_is_wrong_is_said_at_the_door(args: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(said)):
        episode.parse(args)


def test_the_words_of_other_systems_are_understood() -> None:
    kept = episode.parse(
        {"source": " file:a.mp3 ", "target_stage": "Rendered", "language": "en-US", "quality": "1080p"}
    )

    assert (kept["source"], kept["target_stage"], kept["language"], kept["quality"]) == (
        "file:a.mp3",
        "render",
        "en",
        "1080p",
    )
    assert episode.parse({"url": "https://a.example/v", "quality": "1080p"})["source"] == "https://a.example/v"
    assert "pipeline" in episode.aliases
