"""Slides that a model writes: over real HTTP, of a server that behaves as servers do."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import to_jsonable_python
from stubs.llm import MODEL, Asked, StubLlm, at_length, fitting, refused, says, serving_llm, status

from agent_tools import GiveUp, TryAgain
from agent_tools.llm import Llm
from agent_tools.settings import Settings
from worker.kinds.presentation.author.author import Brief, write_slides
from worker.kinds.presentation.author.draft import plain_line
from worker.kinds.presentation.author.plan import LAYOUTS
from worker.kinds.presentation.author.vouching import Sources
from worker.kinds.presentation.reading.markdown import read_deck

SOURCE = """Tides of the Severn

The tidal range at Avonmouth is 14 metres, the second largest in the world.
In 1849 the bore was first measured, and in 1,921 days 12.5 % of it was lost.

"The river turned round and came back," wrote Captain Beechey in his log.

Boats waited 3 hours, 37 of them."""
TIDES = Brief("Tides of the Severn", n_slides=4, sources=(SOURCE,))


@pytest.fixture
async def stub() -> AsyncIterator[StubLlm]:
    async with serving_llm() as stub:
        yield stub


@asynccontextmanager
async def client(stub: StubLlm) -> AsyncIterator[Llm]:
    settings = Settings(LLM_BASE_URL=stub.url, LLM_MODEL=MODEL, LLM_TIMEOUT_S=10)
    async with Llm(settings, first_pause_s=0.001) as llm:
        yield llm


async def written(stub, job, brief):
    async with client(stub) as llm:
        return await write_slides(job, llm, brief)


def planning(*layouts: str, **answers: Any) -> Callable[[Asked], Any]:
    """An outline of these layouts, and for each shape an answer: one, or a list to be given in turn."""
    left = {shape: list(given) if isinstance(given, list) else given for shape, given in answers.items()}

    def answer(asked: Asked) -> Any:
        if asked.shape == "Outline":
            slides = [{"heading": f"Thought {n}", "purpose": "To see", "layout": each} for n, each in enumerate(layouts, 1)]  # fmt: skip
            return {"title": "Tides", "subtitle": "Why", "slides": slides, "sources_heading": "Quellen"}
        given = left.get(asked.shape)
        if isinstance(given, list):
            given = given.pop(0) if given else None
        return given or fitting(asked)

    return answer


def shapes(stub: StubLlm) -> list[str]:
    return [asked.shape for asked in stub.asked]


# ------------------------------------------------------------------------------------------------------ the whole deck


async def test_a_deck_is_a_title_what_was_planned_and_the_sources(stub, job):
    deck = await written(stub, job, TIDES)

    assert deck.title == "Title amber"
    assert [re.match(r"#+ .*", slide)[0] for slide in deck.slides] == [
        "# Title amber", "# Heading amber", "## Heading amber", "## Heading amber", "## Sources_heading inlet",
    ]  # fmt: skip
    assert deck.slides[-1].endswith("1. Tides of the Severn")
    assert [slide for slide in shapes(stub) if slide != "Outline"] == ["Part", "Listed", "Sides"]


async def test_every_layout_becomes_what_our_decks_know(stub, job):
    stub.answer = planning(*LAYOUTS)
    brief = replace(TIDES, n_slides=len(LAYOUTS) + 1)

    slides = (await written(stub, job, brief)).slides[1:-1]
    deck, changes = read_deck(slides)

    assert changes == []
    kinds = dict(zip(LAYOUTS, [[type(block).__name__ for block in slide.blocks] for slide in deck.slides], strict=True))
    assert kinds == {
        "section": ["Paragraph"], "bullets": ["Bullets"], "columns": ["Columns"], "comparison": ["Columns"],
        "table": ["Table"], "chart": ["Chart"], "quote": ["Quote"], "number": ["Paragraph", "Paragraph"],
        "timeline": ["Bullets"], "closing": ["Bullets"],
    }  # fmt: skip
    assert deck.slides[0].opens
    assert all(slide.notes.startswith("Notes ") for slide in deck.slides)
    assert re.search(r"\*\*\d+\*\*\n\nMeaning ", slides[7])
    assert slides[8].count("- **When ") == 3


async def test_the_same_is_written_of_the_same(stub, job):
    assert await written(stub, job, TIDES) == await written(stub, job, TIDES)


async def test_a_deck_of_one_slide_has_no_title_slide(stub, job):
    deck = await written(stub, job, Brief("Tides", n_slides=1))

    assert len(deck.slides) == 1
    assert "Plan a presentation about: Tides\nAfter the title slide it has exactly 1 slide." in stub.asked[0].prompt


async def test_the_model_is_told_for_whom_and_how(stub, job):
    await written(stub, job, Brief("Tides", 2, audience="sailors", language="German", tone="dry"))

    for asked in stub.asked:
        assert "Write in German. It is for: sailors. Its tone: dry." in asked.prompt
    assert "After it comes" not in stub.asked[1].prompt


async def test_fewer_slides_than_wanted_are_said_and_more_are_left_out(stub, job):
    stub.answer = planning("bullets", "bullets", "bullets")

    few = await written(stub, job, Brief("Tides", 10))
    many = await written(stub, job, Brief("Tides", 3))

    assert few.changes[0] == "The model planned 4 slides instead of 10."
    assert len(many.slides) == 3


async def test_many_sources_are_listed_on_several_slides(stub, job):
    deck = await written(stub, job, Brief("Tides", 2, sources=tuple(f"# Book {n}\nText" for n in range(12))))

    assert [slide.splitlines()[1] for slide in deck.slides[-2:]] == ["1. Book 0", "11. Book 10"]


async def test_long_sources_are_read_where_they_speak_of_the_matter(stub, job):
    filler = "\n\n".join(f"Paragraph {n} is of something else entirely." for n in range(4000))
    brief = Brief("Severn bore", 2, sources=(f"{filler}\n\nThe bore of the Severn.\n\n{filler}",))

    await written(stub, job, brief)

    assert "The bore of the Severn." in stub.asked[0].prompt
    assert len(stub.asked[0].prompt) < 30_000


# ------------------------------------------------------------------------------------------------------------- steps


class Remembering:
    """A job whose steps are recorded, as the runtime does."""

    def __init__(self, job):
        self._job, self.recorded, self.said = job, {}, job.said
        self.progress = job.progress

    async def step(self, name: str, fn: Callable[..., Awaitable[Any]], *args: Any, reuse: str | None = None) -> Any:
        key = json.dumps([name, to_jsonable_python(args)])
        if key not in self.recorded:
            self.recorded[key] = to_jsonable_python(await fn(*args))
        returns = fn.__annotations__["return"]
        return returns.model_validate(json.loads(json.dumps(self.recorded[key])))


async def test_a_later_attempt_writes_only_what_is_missing(stub, job):
    job, brief = Remembering(job), Brief("Tides", 5)
    whole = await written(stub, Remembering(job), brief)
    asked_for_all = len(stub.asked)
    stub.then(*[stub.always] * 3, status(503, retry_after="3600"))
    with pytest.raises(TryAgain):
        await written(stub, job, brief)
    recorded, before = len(job.recorded), len(stub.asked)

    again = await written(stub, job, brief)

    assert again == whole
    assert len(stub.asked) - before == asked_for_all - recorded


async def test_another_brief_is_written_anew(stub, job):
    job = Remembering(job)
    await written(stub, job, Brief("Tides", 3))
    once = len(stub.asked)

    await written(stub, job, Brief("Tides", 3, tone="dry"))

    assert len(stub.asked) == 2 * once


async def test_a_job_says_which_slide_is_written(stub, job):
    await written(stub, job, Brief("Tides", 5))

    assert job.said[0] == ("Planning the slides", None, None)
    assert [message for message, _, _ in job.said[1:]] == [
        "Writing slide 2 of 5: Heading cedar", "Writing slide 3 of 5: Heading ember",
        "Writing slide 4 of 5: Heading glade", "Writing slide 5 of 5: Heading inlet",
    ]  # fmt: skip
    assert {of for _, _, of in job.said[1:]} == {4}


async def test_at_most_three_slides_are_written_at_once_and_stand_in_order(stub, job):
    stub.always = lambda stub, asked: stub.stream(
        asked, stub.text(asked), pause_s=0.02 if "slide 2" in asked.prompt else 0
    )

    deck = await written(stub, job, Brief("Tides", 9))

    assert stub.most_at_once == 3
    assert len(deck.slides) == 9


async def test_writing_can_be_stopped(stub, job):
    stub.then(stub.always)
    stub.always = lambda stub, asked: stub.stream(asked, "{ }", pause_s=3600)
    writing = asyncio.create_task(written(stub, job, Brief("Tides", 9)))
    while stub.at_once < 3:
        await asyncio.sleep(0.01)

    writing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writing


# ------------------------------------------------------------------------------------------------ what is vouched for


async def test_without_sources_nothing_is_offered_that_would_need_them(stub, job):
    stub.answer = planning("chart", "quote", "number", "nonsense")

    deck = await written(stub, job, Brief("Tides", 5))

    entry = stub.asked[0].schema["$defs"]["Entry"]
    assert entry["properties"]["layout"]["enum"] == [
        "section", "bullets", "columns", "comparison", "table", "timeline", "closing",
    ]  # fmt: skip
    assert "quote:" not in stub.asked[0].prompt
    assert shapes(stub)[1:] == ["Listed"] * 4
    assert deck.changes == ["No sources were given: what the slides say is the model's own."]


SAYING = {"heading": "H", "quote": "The river turned round and came back", "name": "Captain Beechey", "notes": ""}
CHART = {"heading": "H", "sort": "bar", "title": "", "head": ["", "Metres"], "notes": ""}
BAD = {
    "quote": ("Saying", SAYING | {"quote": "The river never came back at all"}, "the quote does not stand in the sources, word for word"),
    "name": ("Saying", SAYING | {"name": "Admiral Nelson"}, "the name Admiral Nelson does not stand in the sources"),
    "chart": ("Drawing", CHART | {"rows": [["Avonmouth", "14"], ["Fundy", "16,3"]]}, "16,3 does not stand in the sources"),
    "number": ("Figure", {"heading": "H", "number": "99 %", "meaning": "m", "notes": ""}, "99 does not stand in the sources"),
    "table": ("Grid", {"heading": "H", "head": ["a", "b"], "rows": [["x", "77"], ["y", "88"]], "notes": ""}, "77, 88 do not stand in the sources"),
    "timeline": ("Course", {"heading": "H", "entries": [{"when": "1850", "what": "x"}, {"when": "then", "what": "y"}], "notes": ""}, "1850 does not stand in the sources"),
}  # fmt: skip
LAYOUT = {"name": "quote"}


@pytest.mark.parametrize("case", BAD)
async def test_what_no_source_says_is_sent_back_and_may_be_mended(stub, job, case):
    shape, bad, fault = BAD[case]
    stub.answer = planning(LAYOUT.get(case, case), **{shape: [bad, None, None]})

    deck = await written(stub, job, replace(TIDES, n_slides=2))

    assert f"That cannot stay: {fault}." in stub.asked[2].prompt
    assert shapes(stub) == ["Outline", shape, shape]
    assert deck.changes == []


@pytest.mark.parametrize("case", BAD)
async def test_what_no_source_says_twice_becomes_a_list_without_it(stub, job, case):
    shape, bad, fault = BAD[case]
    points = {"heading": "Plain", "points": ["It is 14 metres", "It is 4711 metres"], "notes": ""}
    stub.answer = planning(LAYOUT.get(case, case), **{shape: bad, "Listed": points})

    deck = await written(stub, job, replace(TIDES, n_slides=2))

    assert deck.slides[1] == "## Plain\n- It is 14 metres"
    assert deck.changes == [f"Slide 2 was planned as {LAYOUT.get(case, case)} and became a list: {fault}."]


async def test_a_slide_of_which_nothing_is_vouched_for_keeps_its_heading(stub, job):
    shape, bad, _ = BAD["number"]
    points = {"heading": "Plain", "points": ["It is 4711 metres"], "notes": ""}
    stub.answer = planning("number", **{shape: bad, "Listed": points})

    deck = await written(stub, job, replace(TIDES, n_slides=2))

    assert deck.slides[1] == "## Thought 1"
    assert "Nothing of it could be kept but the heading." in deck.changes[0]


async def test_numbers_in_the_text_that_no_source_says_are_named(stub, job):
    points = {"heading": "H", "points": ["14 metres", "71 % of all water", "CO2"], "notes": "Since 1969."}
    stub.answer = planning("bullets", Listed=points)

    deck = await written(stub, job, replace(TIDES, n_slides=2))

    assert deck.changes == ["No source was given for these numbers, check them: 1969, 71 (slide 2)."]


async def test_a_chart_without_numbers_is_sent_back(stub, job):
    stub.answer = planning("chart", Drawing=[CHART | {"rows": [["a", "high"], ["b", "low"]]}, None])

    await written(stub, job, replace(TIDES, n_slides=2))

    assert "every cell but a row's first holds one number" in stub.asked[2].prompt


@pytest.mark.parametrize("number", ["14", "1849", "1,921", "1921", "12.5", "12,5 %", "٣", "3 hours", "37"])
def test_a_number_is_vouched_for_however_it_is_written(number):
    assert Sources([SOURCE]).unfounded([number]) == []


@pytest.mark.parametrize("number", ["13", "184", "921", "125", "12.6", "0.14", "1,849.5", "4"])
def test_a_number_is_not_vouched_for_by_a_part_of_another(number):
    assert Sources([SOURCE]).unfounded([number]) == [number]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("the river TURNED ROUND – and came back", True),
        ("The river turned … came back", True),
        ("The river came back", False),
        ("", False),
        ("…", False),
    ],
)
def test_words_are_vouched_for_whatever_their_signs(words, said):
    assert Sources([SOURCE]).hold(words) is said


# ------------------------------------------------------------------------------------------------------- hostile models


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# Heading\n---\nmore", "Heading --- more"),
        ("---", ""),
        ("- 1. > item", "item"),
        ("<b>bold</b> <script>x()</script>", "bold x()"),
        ("![p](http://169.254.169.254/x) [a](javascript:x)", "p a"),
        ("Note: psst", "psst"),
        ('!chart bar "x"', 'bar "x"'),
        ("```py\ncode", "py code"),
        ("3.5 million", "3.5 million"),
        ("-5 degrees", "-5 degrees"),
        ("a\0b\u202ec", "a b c"),
        ("word " * 40, "word word word word word word word word word word word…"),
    ],
)
def test_what_a_model_writes_is_one_plain_line(text, line):
    assert plain_line(text, 60) == line


async def test_no_markup_of_a_model_reaches_the_deck(stub, job):
    evil = "<img src=x> ![p][1] &lt;b&gt; a | b\n---\n# X\nNote: y\n[1]: http://169.254.169.254/"
    points = {"heading": evil, "points": [evil, "---", "#", f"> {evil}"], "notes": evil}
    table = {"heading": "H", "head": [evil, evil], "rows": [[evil, "x", "y"], ["---", ":-:"]], "notes": ""}
    stub.answer = planning("bullets", "table", Listed=points, Grid=table)

    slides = (await written(stub, job, replace(TIDES, n_slides=3, sources=(evil,)))).slides
    deck, changes = read_deck(slides)

    assert changes == []
    assert len(deck.slides) == len(slides) == 4
    assert [type(block).__name__ for block in deck.slides[1].blocks] == ["Bullets"]
    assert len(deck.slides[1].blocks[0].items) == 2
    assert [len(row) for row in deck.slides[2].blocks[0].rows] == [2, 2]
    assert not any(re.match(r"\s*---", line) for slide in slides for line in slide.splitlines())


async def test_what_is_too_long_is_cut(stub, job):
    points = {"heading": "word " * 100, "points": ["word " * 100] * 20, "notes": "word " * 1000}
    stub.answer = planning("bullets", Listed=points)

    deck = await written(stub, job, Brief("Tides", 2))

    assert len(deck.slides[1]) < 2000
    assert deck.slides[1].count("\n- ") == 6


# --------------------------------------------------------------------------------------------------------- bad days


async def test_a_slide_that_is_too_long_is_asked_for_once_more_and_shorter(stub, job):
    stub.then(stub.always, at_length)

    await written(stub, job, Brief("Tides", 2))

    assert "Be brief: half of what you would write." in stub.asked[2].prompt


async def test_a_slide_that_the_model_does_not_manage_becomes_a_list(stub, job):
    stub.answer = planning("columns")
    stub.then(stub.always, says("no"), says("no"))

    deck = await written(stub, job, Brief("Tides", 2))

    assert deck.slides[1].startswith("## Heading amber\n- Points ")
    assert deck.changes[0] == "Slide 2 was planned as columns and became a list: the model did not manage it."


async def test_a_model_that_never_answers_as_it_should_ends_the_job_with_what_it_said(stub, job):
    stub.always = says("I am a teapot.")

    with pytest.raises(GiveUp, match=r"did not fit.*It said: I am a teapot\."):
        await written(stub, job, Brief("Tides", 5))


async def test_a_model_that_declines_ends_the_job_with_what_it_said(stub, job):
    stub.then(stub.always)
    stub.always = refused

    with pytest.raises(GiveUp, match="The model declined: I'm sorry"):
        await written(stub, job, Brief("Tides", 5))


async def test_a_server_that_is_away_has_the_job_tried_again(stub, job):
    stub.always = status(503, retry_after="120")

    with pytest.raises(TryAgain, match="busy or broken") as away:
        await written(stub, job, Brief("Tides", 5))

    assert away.value.after_s == 120
