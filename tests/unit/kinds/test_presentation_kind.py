"""The kind `presentation`, from arguments to artifacts."""

import re
import subprocess
import sys

import pytest

from agent_tools import GiveUp
from agent_tools.jobs.errors import BadRequest
from worker.kinds.presentation import presentation


async def made(job, slides, **args):
    return await presentation.run(job, presentation.parse({"slides": slides, **args}))


async def test_a_deck_comes_as_powerpoint_pdf_overview_outline_and_pictures(job, tides):
    result = await made(job, tides, theme="midnight")

    assert [artifact.name for artifact in result.artifacts] == [
        "the-tide-comes-in-twice-a-day.pptx",
        "the-tide-comes-in-twice-a-day.pdf",
        *(f"slide-{n:02}.png" for n in range(1, 10)),
        "overview.png",
        "outline.md",
    ]
    assert result.line == "9 slides: The tide comes in twice a day"
    assert result.data["slides"] == 9
    assert result.data["titles"][1] == "The moon pulls, the sea follows"
    assert result.data["theme"] == "midnight"
    assert result.data["changes"] == []


async def test_the_outline_names_each_slide_its_picture_and_its_path(job):
    result = await made(job, ["# A", "## B\n" + "- a line\n" * 40, "## C\n- c"])

    (outline,) = [artifact.data.decode() for artifact in result.artifacts if artifact.name == "outline.md"]
    assert "1. A (slide-01.png, slides/0)" in outline
    assert "3. B (2) (slide-03.png, slides/1)" in outline
    assert re.search(r"\d+\. C \(slide-\d\d\.png, slides/2\)", outline)
    assert "- Slide 2 was too long for one" in outline


async def test_a_job_says_which_slide_it_draws(job):
    await made(job, ["# A", "## B\n- b"])

    assert job.said == [("Reading slides", None, None), ("Drawing slide 1", 0, 2), ("Drawing slide 2", 1, 2)]


async def test_a_redo_draws_only_the_slide_that_changed(job, tmp_path):
    slides = ["# A", "## B\n- b", "## C\n- c"]
    first = await made(job, slides)
    drawn = set(job.done)

    job.folder = tmp_path / "redo"
    job.folder.mkdir()
    second = await made(job, [slides[0], "## B\n- something else", slides[2]])

    pictures = [
        [a.path.read_bytes() for a in result.artifacts if a.name.startswith("slide")] for result in (first, second)
    ]
    assert len(set(job.done) - drawn) == 1
    assert [one == other for one, other in zip(*pictures, strict=True)] == [True, False, True]


async def test_another_theme_draws_every_slide_anew(job):
    await made(job, ["# A", "## B\n- b"])
    drawn = set(job.done)

    await made(job, ["# A", "## B\n- b"], theme="paper")

    assert len(set(job.done) - drawn) == 2


async def test_the_front_matters_theme_is_taken_where_no_other_is_asked_for(job):
    slides = "---\ntheme: paper\n---\n# A"

    assert (await made(job, slides)).data["theme"] == "paper"
    assert (await made(job, slides, theme="vivid")).data["theme"] == "vivid"


async def test_a_theme_that_is_none_of_ours_is_said(job):
    result = await made(job, "---\ntheme: gaia\n---\n# A")

    assert result.data["theme"] == "clean"
    assert "The front matter's theme 'gaia' is none of" in result.data["changes"][0]


async def test_the_deck_is_called_after_the_job(job):
    job.title = "Vorstand: Q3/2026 🚀"
    result = await made(job, ["# A"])

    assert result.artifacts[0].name == "vorstand-q3-2026.pptx"
    assert result.line == "1 slide: Vorstand: Q3/2026 🚀"


async def test_what_was_changed_is_said(job):
    result = await made(job, ["# A", "## B\n![map](x.png)", "## C\n" + "- a line\n" * 40])

    assert "Slide 2" in result.data["changes"][0]
    assert "x.png" in result.data["changes"][0]
    assert result.data["changes"][1].startswith("Slide 3 was too long for one and became")
    assert result.data["slides"] == len(result.data["titles"]) > 3


async def test_a_deck_with_nothing_to_show_is_given_up(job):
    with pytest.raises(GiveUp, match=r"Nothing on the slides can be shown. .*Slide 1 "):
        await made(job, ["<!-- nothing -->"])


async def test_more_pages_than_anybody_shows_are_given_up(job):
    with pytest.raises(GiveUp, match="at most 300 are made"):
        await made(job, ["## A\n\n" + "- x\n" * 1_950] * 2)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({}, "slides: is required."),
        ({"slides": []}, "slides: has nothing on it. Give 1 to 200 Markdown strings, one a slide."),
        ({"slides": ["", " "]}, "slides: has nothing on it."),
        ({"slides": "\n---\n"}, "slides: has nothing on it."),
        ({"slides": ["a"] * 500}, "slides: has 500 slides; 1 to 200 are allowed."),
        ({"slides": "\n---\n".join("a" * 500)}, "slides: has 500 slides; 1 to 200 are allowed."),
        (
            {"slides": ["a", "b" * 20_001]},
            "slides: has 20,001 characters on slide 2; at most 20,000 are allowed on one.",
        ),
        ({"slides": ["a", 3]}, "slides/1: input should be a valid string, not 3."),
        (
            {"slides": ["a"], "theme": "blue"},
            "theme: input should be 'clean', 'paper', 'fresh', 'vivid', 'midnight' or 'graphite', not 'blue'.",
        ),
        ({"slides": ["a"], "colour": "blue"}, "colour: is not an argument."),
    ],
)
def test_what_is_wrong_is_said_by_name_with_what_is_allowed(args, sentence):
    with pytest.raises(BadRequest, match=re.escape(sentence)):
        presentation.parse(args)


def test_one_string_is_kept_as_the_slides_that_it_means():
    assert presentation.parse({"slides": "# A\n---\n# B"})["slides"] == ["# A", "# B"]


def test_the_looks_of_the_first_version_are_understood():
    assert [presentation.parse({"slides": "# A", "theme": name})["theme"] for name in ("light", "dark")] == [
        "clean",
        "midnight",
    ]


def test_reading_the_schemas_loads_no_heavy_library():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, worker.kinds.presentation, worker.kinds.page; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert not {
        "pptx",
        "lxml",
        "typst",
        "markdown_it",
        "nh3",
        "jinja2",
        "PIL",
        "uharfbuzz",
        "pygments",
        "httpx2",
    } & set(loaded)
