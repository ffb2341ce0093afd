"""What a model says of an episode, and the page it is shown on."""

import base64
import hashlib
import re
from typing import Any

import episode_given
import pytest
from stubs.llm import MODEL, Asked, StubLlm, refused, says, serving_llm

from agent_tools import page_scripts
from worker.kinds.episode.extract import extractive
from worker.kinds.episode.page import cover, lay_out
from worker.kinds.episode.said import Line, Transcript
from worker.kinds.episode.written import PART_CHARACTERS, written

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> \" & ' {{ 7*7 }}"


def pointing(asked: Asked) -> Any:
    """An answer that names the first line that it was shown, and a line that there is not."""
    numbers = [int(number) for number in re.findall(r"^(\d+) ", asked.prompt, re.MULTILINE)]
    points = [{"line": numbers[0], "text": f"Point at {numbers[0]}."}, {"line": 99_999, "text": "Nowhere."}]
    if asked.shape == "Whole":
        return {"points": points}
    return {
        "points": points,
        "chapters": [{"line": numbers[0], "title": f"Part from {numbers[0]}"}],
        "phrases": ["sea", " sea "],
    }


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_up(llm: StubLlm) -> None:
        monkeypatch.setenv("LLM_BASE_URL", llm.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)

    return set_up


def long_talk() -> Transcript:
    lines = [
        Line(start=n * 5.0, end=n * 5.0 + 4, text=f"Sentence {n} says something of the sea. " + "wave " * 10)
        for n in range(900)
    ]
    return Transcript(language="en", engine="x", lines=lines)


async def test_a_long_talk_is_read_in_parts_and_what_is_said_is_tied_to_lines(job: Any, use: Any) -> None:
    transcript = long_talk()
    async with serving_llm(answer=pointing) as llm:
        use(llm)
        about, asked = await written(job, transcript, 4500, "")
        again, _ = await written(job, transcript, 4500, "")

    parts = len(llm.asked) - 1
    assert len(asked) == parts + 1
    assert all(each.tokens_in > 100 and each.tokens_out > 0 for each in asked)
    assert parts > 2
    assert max(len(asked.prompt) for asked in llm.asked) < PART_CHARACTERS + 6000
    assert about == again  # every part is a step of its own, and none was asked for twice
    assert [each.start for each in about.chapters] == sorted({each.start for each in about.chapters})
    assert len(about.chapters) == parts
    assert all(any(line.start == point.start for line in transcript.lines) for point in about.summary)
    assert about.notes == ["Of what the model said, 1 named no line of the transcript and was left out."]
    assert about.phrases == ["sea"]


@pytest.mark.parametrize("behaviour", [refused, says("I would rather not.")])
async def test_a_model_that_declines_or_talks_leaves_what_is_picked_and_says_so(
    job: Any, use: Any, behaviour: Any
) -> None:
    transcript = episode_given.transcript()
    async with serving_llm(always=behaviour) as llm:
        use(llm)
        about, _ = await written(job, transcript, 200, "")

    assert about.engine == "extractive"
    assert about.summary == extractive(transcript, 200).summary
    assert "Picked from what was said, as the model gave nothing fit" in about.notes[0]


def test_nothing_that_was_said_becomes_markup_and_only_ours_may_run() -> None:
    about = episode_given.episode()
    lines = [line.model_copy(update={"text": HOSTILE}) for line in about.transcript.lines[:3]]
    about = about.model_copy(
        update={"title": HOSTILE, "transcript": Transcript(language='en"><script>', engine=HOSTILE, lines=lines)}
    )
    about = about.enriched_by(extractive(about.transcript, 200))

    page, picture = lay_out(about, b"\xff\xfb"), cover(about)

    assert page.count("<script") == 1
    assert "<img" not in page
    assert "<script" not in picture
    code = page_scripts.script("listen-1")
    assert f"<script>{code}</script>" in page
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert f"script-src &#39;sha256-{digest}&#39;" in policy[1]
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]


def test_a_page_without_sound_says_where_it_is_and_carries_no_script() -> None:
    page = lay_out(episode_given.episode(), None)

    assert "its sound is the MP3 file beside it" in page
    assert "<script" not in page.replace("script-src", "")
    assert "<audio" not in page
