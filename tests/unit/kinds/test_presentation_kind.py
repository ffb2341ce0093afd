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


async def test_a_deck_comes_as_powerpoint_pdf_and_pictures(job, tides):
    result = await made(job, tides, theme="dark")

    assert [artifact.name for artifact in result.artifacts] == [
        "the-tide-comes-in-twice-a-day.pptx",
        "the-tide-comes-in-twice-a-day.pdf",
        *(f"slide-{n:02}.png" for n in range(1, 10)),
    ]
    assert all(artifact.path.parent == job.folder and artifact.path.stat().st_size for artifact in result.artifacts)
    assert result.line == "9 slides: The tide comes in twice a day"
    assert result.data["slides"] == 9
    assert result.data["titles"][1] == "The moon pulls, the sea follows"
    assert result.data["changes"] == []


async def test_a_job_says_how_far_it_is(job):
    await made(job, ["# A"])

    assert job.said == [
        ("Reading slides", 0, 4),
        ("Writing PowerPoint", 1, 4),
        ("Drawing PDF", 2, 4),
        ("Drawing previews", 3, 4),
    ]


async def test_the_deck_is_called_after_the_job(job):
    job.title = "Vorstand: Q3/2026 🚀"
    result = await made(job, ["# A"])

    assert result.artifacts[0].name == "vorstand-q3-2026.pptx"
    assert result.line == "1 slide: Vorstand: Q3/2026 🚀"


async def test_what_was_changed_is_said(job):
    result = await made(job, ["# A", "## B\n![map](x.png)", "## C\n" + "- a line\n" * 40])

    assert result.data["changes"][0] == "Slide 2 has an image, shown as its text."
    assert result.data["changes"][1].startswith("Slide 3 was too long for one and became")
    assert result.data["slides"] == len(result.data["titles"]) > 3


async def test_a_deck_with_nothing_to_show_is_given_up(job):
    with pytest.raises(GiveUp, match=r"Nothing on the slides can be shown. .*Slide 1 is empty"):
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
        ({"slides": ["a"], "theme": "blue"}, "theme: input should be 'light' or 'dark', not 'blue'."),
        ({"slides": ["a"], "colour": "blue"}, "colour: is not an argument."),
    ],
)
def test_what_is_wrong_is_said_by_name_with_what_is_allowed(args, sentence):
    with pytest.raises(BadRequest, match=re.escape(sentence)):
        presentation.parse(args)


def test_one_string_is_kept_as_the_slides_that_it_means():
    assert presentation.parse({"slides": "# A\n---\n# B"}) == {"slides": ["# A", "# B"], "theme": "light"}


def test_reading_the_schemas_loads_no_heavy_library():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, worker.kinds.presentation, worker.kinds.page; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert not {"pptx", "lxml", "typst", "markdown_it", "nh3", "jinja2"} & set(loaded)
