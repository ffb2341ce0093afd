"""What a model is shown of what a job made: the outline and the overview, and any file by its name."""

import base64
import io
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from agents import Agent, text_of
from mcp import Client
from mcp.types import CallToolResult, ImageContent
from PIL import Image

from agent_tools import Artifact, JobContext, Result, job_kind
from agent_tools.app import Backburner
from agent_tools.jobs.job import COMPLETED
from agent_tools.jobs.kinds import Kinds
from agent_tools.reading import MOST_PICTURE_BYTES
from agent_tools.server.mcp import server
from agent_tools.server.tools import Desk
from agent_tools.settings import Settings
from agent_tools.view import Addresses, full
from worker.hands import Hands, open_hands

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width: int) -> bytes:
    """A picture that is known by its width."""
    drawn = io.BytesIO()
    Image.new("RGB", (width, 9), "teal").save(drawn, "PNG")
    return drawn.getvalue()


DECK = (
    Artifact(
        "deck.pptx", "Tides", "application/vnd.openxmlformats-officedocument.presentationml.presentation", data=b"p"
    ),
    Artifact("deck.pdf", "Tides (PDF)", "application/pdf", data=b"p"),
    Artifact("overview.png", "All slides of Tides", "image/png", data=png(100)),
    Artifact.text("outline.md", "# Tides\n" + "Twice a day. " * 20, title="Outline"),
    *(Artifact(f"slide-{n:02}.png", f"Slide about {n}", "image/png", data=png(n)) for n in range(1, 13)),
)
MADE: dict[str, tuple[Artifact, ...]] = {
    "deck": DECK,
    "large": (Artifact("overview.png", "Large", "image/png", data=PNG_SIGNATURE + bytes(MOST_PICTURE_BYTES)), DECK[3]),
    "pictures": DECK[4:],
    "drawn": (DECK[4], DECK[2]),
}


@job_kind("made")
async def made(job: JobContext, what: str, note: str = "") -> Result:
    """Give what a test is about."""
    return Result({"slides": 12}, MADE[what], "12 slides: Tides", redo={"what": "deck"})


KINDS = Kinds([made])


@pytest.fixture
async def app(shared_settings: Settings) -> AsyncIterator[Backburner]:
    async with Backburner.open(shared_settings, kinds=KINDS) as opened:
        yield opened.acting_as(opened.who._replace(scopes=("admin",)))


@pytest.fixture
async def crew(shared_settings: Settings) -> AsyncIterator[Hands]:
    async with open_hands(shared_settings, KINDS) as opened:
        yield opened


async def read(app: Backburner, crew: Hands, what: str, **asked: Any) -> CallToolResult:
    """The answer to read_result of a job that made this."""
    job = (await app.create("made", {"what": what})).id
    if attempt := await crew.take(job):
        await attempt
    assert (await app.get(job)).status == COMPLETED

    async def desk() -> Desk:
        return Desk(app, Addresses("http://127.0.0.1:8808"))

    async with Client(server(app, desk)) as client:
        return await Agent(client).ask("read_result", job_id=job, **asked)


def structure(answer: CallToolResult) -> Mapping[str, Any]:
    assert not answer.is_error, text_of(answer)
    return answer.structured_content or {}


def widths(answer: CallToolResult) -> list[int]:
    """How wide the pictures of an answer are."""
    shown = [block for block in answer.content if isinstance(block, ImageContent)]
    data = [base64.b64decode(block.data) for block in shown]
    assert all(each.startswith(PNG_SIGNATURE) for each in data)
    assert {block.mime_type for block in shown} <= {"image/png"}
    return [Image.open(io.BytesIO(each)).size[0] for each in data]


async def test_a_deck_is_read_as_its_outline_and_one_picture_of_all_slides(app: Backburner, crew: Hands) -> None:
    answer = await read(app, crew, "deck")

    said, told = text_of(answer), structure(answer)
    assert widths(answer) == [100]
    assert told["artifact"] == "outline.md"
    assert told["text"].startswith("# Tides\n")
    assert told["text"] in said
    assert told["picture"] == {"name": "overview.png", "title": "All slides of Tides"}
    assert "Picture below: overview.png (All slides of Tides)." in said


async def test_other_artifacts_are_named_up_to_ten_and_then_counted(app: Backburner, crew: Hands) -> None:
    answer = await read(app, crew, "deck")

    names = ["deck.pptx", "deck.pdf", *(f"slide-{n:02}.png" for n in range(1, 9))]
    assert (structure(answer)["others"], structure(answer)["more_others"]) == (names, 4)
    assert f"Other artifacts: {', '.join(names)} and 4 more." in text_of(answer)


@pytest.mark.parametrize("name", ["slide-03.png", "slide-03", "Slide about 3"])
async def test_one_slide_is_seen_by_its_name(app: Backburner, crew: Hands, name: str) -> None:
    answer = await read(app, crew, "deck", artifact=name)

    assert widths(answer) == [3]
    assert structure(answer)["artifact"] == "slide-03.png"
    assert structure(answer)["picture"] == {"name": "slide-03.png", "title": "Slide about 3"}
    assert "Picture below: slide-03.png (Slide about 3)." in text_of(answer)
    assert "slide-03.png" not in structure(answer)["others"]


async def test_a_stem_that_two_files_share_is_refused_naming_both(app: Backburner, crew: Hands) -> None:
    answer = await read(app, crew, "deck", artifact="deck")

    assert answer.is_error
    assert "several artifacts 'deck'. Say which: deck.pptx, deck.pdf." in text_of(answer)


async def test_a_name_that_is_not_there_is_refused_with_some_that_are(app: Backburner, crew: Hands) -> None:
    answer = await read(app, crew, "deck", artifact="slide-99.png")

    assert answer.is_error
    assert "has no artifact 'slide-99.png'. It has: deck.pptx, deck.pdf, overview.png," in text_of(answer)
    assert "and 6 more." in text_of(answer)


@pytest.mark.parametrize("asked", [{"offset": 100}, {"find": "day"}, {"artifact": "outline.md"}])
async def test_the_overview_comes_with_the_first_page_only(app: Backburner, crew: Hands, asked: dict[str, Any]) -> None:
    answer = await read(app, crew, "deck", **asked)

    assert widths(answer) == []
    assert "Twice a day." in structure(answer)["text"]


async def test_a_picture_too_large_to_show_is_left_out_and_a_link_when_asked_for(app: Backburner, crew: Hands) -> None:
    beside = await read(app, crew, "large")
    alone = await read(app, crew, "large", artifact="overview.png")

    assert widths(beside) == widths(alone) == []
    assert structure(beside)["others"] == ["overview.png"]
    assert structure(alone)["url"].endswith("/overview.png")
    assert structure(alone)["url"] in text_of(alone)


@pytest.mark.parametrize(("what", "width"), [("pictures", 1), ("drawn", 100)])
async def test_without_text_a_picture_is_shown_the_overview_rather_than_the_first(
    app: Backburner, crew: Hands, what: str, width: int
) -> None:
    answer = await read(app, crew, what)

    assert widths(answer) == [width]
    assert "text" not in structure(answer)


async def test_what_a_job_can_be_redone_from_is_no_part_of_the_result_that_is_shown(
    app: Backburner, crew: Hands
) -> None:
    answer = await read(app, crew, "pictures")

    job = await app.get(structure(answer)["job_id"])
    assert structure(answer)["result"] == full(job, "", Addresses(None))["result"] == {"slides": 12}
    assert "redo" not in text_of(answer)
    assert job.redo == {"what": "deck"}


async def test_changes_are_made_to_what_a_job_says_it_can_be_redone_from(app: Backburner, crew: Hands) -> None:
    job = structure(await read(app, crew, "pictures"))["job_id"]

    retried, changed = await app.redo(job), await app.redo(job, {"note": "x"})

    assert (await app.get(retried.id)).args == {"what": "pictures", "note": ""}
    assert (await app.get(changed.id)).args == {"what": "deck", "note": "x"}
