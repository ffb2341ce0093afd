"""A deck by Presenton, from the arguments to the files: against a server that behaves as its releases do, and misbehaves."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from stubs.llm import MODEL, serving_llm
from stubs.presenton import KEY, PASSWORD, USER, StubPresenton, answering, cutting, endless, serving_presenton

from agent_tools import GiveUp, TryAgain
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.kinds import Kind
from agent_tools.presenton import client
from agent_tools.testing import Performed, perform
from worker.kinds.presentation import presentation

GENERATE, STATUS = "POST /api/v1/ppt/presentation/generate", "GET /api/v1/ppt/presentation/status"
DECKS, FILES = "GET /api/v1/ppt/presentation/all", "GET /app_data"
SLIDES = ["# Tides\nWhy the sea comes and goes", "## Two bulges\n- The moon pulls"]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*(each for each in os.environ if each.startswith(("PRESENTON_", "LLM_"))), "BACKBURNER_FILES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Presenton with these switches, and settings that lead to it."""

    @asynccontextmanager
    async def serve(**switches: Any) -> AsyncIterator[StubPresenton]:
        async with serving_presenton(webhook="off", **switches) as stub:
            monkeypatch.setenv("PRESENTON_URL", stub.url)
            yield stub

    return serve


def kind() -> Kind:
    return presentation.under(os.environ)


async def made(**args: Any) -> Performed:
    return await perform(kind(), **args)


# ---------------------------------------------------------------------------------------------------- every release


@pytest.mark.parametrize("profile", ["A", "B", "C"])
async def test_a_topic_becomes_a_deck_with_its_files_its_pictures_its_words_and_its_link(
    serving: Any, profile: str
) -> None:
    async with serving(profile=profile) as stub:
        done = await made(topic="The tides", n_slides=3)

    assert [each.name for each in done.artifacts] == [
        "why-the-tides-rise.pptx", "why-the-tides-rise.pdf", "slide-01.png", "slide-02.png", "slide-03.png", "overview.png", "outline.md",
    ]  # fmt: skip
    assert done.data is not None
    assert done.line == "3 slides by Presenton: Why the Tides Rise"
    assert done.data["titles"] == ["Why the Tides Rise", "Part 2", "Part 3"]
    assert done.data["changes"] == []
    (deck,) = stub.decks
    assert done.data["edit_url"] == f"{stub.url}/presentation?id={deck}"
    assert done.data["edit_url"] in done.text("outline.md")
    assert "Notes: Say it 2 times." in done.text("outline.md")
    assert stub.calls["generate"] == 1


async def test_every_option_reaches_presenton_as_it_calls_it(serving: Any) -> None:
    async with serving() as stub:
        await made(
            topic="The tides",
            n_slides=4,
            language="German",
            tone="sales pitch",
            audience="sailors",
            presenton={
                "template": "modern", "instructions": "Be brief.", "verbosity": "text-heavy", "web_search": True,
                "include_table_of_contents": True, "include_title_slide": False, "export_as": "pdf",
            },
        )  # fmt: skip

    (asked,) = stub.asked
    assert asked.model_dump(exclude={"content"}) == {
        "slides_markdown": None, "instructions": "Be brief.\n\nThe audience: sailors", "tone": "sales_pitch",
        "verbosity": "text-heavy", "web_search": True, "n_slides": 4, "language": "German", "template": "modern",
        "include_table_of_contents": True, "include_title_slide": False, "files": None, "export_as": "pdf",
        "trigger_webhook": True,
    }  # fmt: skip
    assert asked.content.startswith("The tides\n\n<!-- ")


async def test_a_tone_that_presenton_has_no_word_for_is_told_in_words(serving: Any) -> None:
    async with serving() as stub:
        await made(topic="The tides", n_slides=1, tone="dry and exact")

    assert (stub.asked[0].tone, stub.asked[0].instructions) == ("default", "The tone: dry and exact")


async def test_slides_of_the_agent_go_there_where_that_is_asked_for(serving: Any) -> None:
    async with serving() as stub:
        done = await made(slides=SLIDES, renderer="presenton")

    assert stub.asked[0].slides_markdown == SLIDES
    assert stub.asked[0].n_slides == 2
    assert stub.asked[0].content.startswith("Tides\n\n<!-- ")
    assert done.line == "2 slides by Presenton: Why the Tides Rise"


async def test_a_pdf_that_was_asked_for_comes_first(serving: Any) -> None:
    async with serving(profile="B"):
        done = await made(topic="The tides", n_slides=1, presenton={"export_as": "pdf"})

    assert [each.name for each in done.artifacts][:2] == ["why-the-tides-rise.pdf", "why-the-tides-rise.pptx"]
    assert (done.artifacts[0].data or b"").startswith(b"%PDF")


@pytest.mark.parametrize(
    ("auth", "settings"),
    [
        ("none", {}),
        ("basic", {"PRESENTON_USERNAME": USER, "PRESENTON_PASSWORD": PASSWORD}),
        ("bearer", {"PRESENTON_API_KEY": KEY}),
    ],
)
async def test_it_signs_in_in_the_one_way_that_is_set(
    serving: Any, monkeypatch: pytest.MonkeyPatch, auth: str, settings: dict[str, str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    async with serving(auth=auth, profile="B"):
        done = await made(topic="The tides", n_slides=1)

    assert done.line == "1 slide by Presenton: Why the Tides Rise"


@pytest.mark.parametrize("path_style", ["docker", "absolute_fs", "url"])
async def test_its_file_is_fetched_however_its_path_is_told(serving: Any, path_style: str) -> None:
    async with serving(path_style=path_style) as stub:
        done = await made(topic="The tides", n_slides=1)

    assert (done.artifacts[0].data or b"").startswith(b"PK")
    assert stub.calls["export"] == 1, "only the PDF is exported: the PowerPoint file was there"


async def test_the_link_is_one_that_people_can_open(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESENTON_PUBLIC_URL", "https://decks.example.org/")

    async with serving():
        done = await made(topic="The tides", n_slides=1)

    assert done.data is not None
    assert done.data["edit_url"].startswith("https://decks.example.org/presentation?id=")


async def test_a_file_told_at_the_address_for_people_is_fetched_where_we_reach_it(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESENTON_PUBLIC_URL", "https://decks.example.org")

    async with serving(path_style="url") as stub:
        stub.url = "https://decks.example.org"
        done = await made(topic="The tides", n_slides=1)

    assert (done.artifacts[0].data or b"").startswith(b"PK")


async def test_nobody_else_is_told_how_we_sign_in(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESENTON_API_KEY", KEY)
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")
    told: list[str | None] = []

    async def listen(request: Request) -> Response:
        told.append(request.headers.get("authorization"))
        return Response(b"PK\x03\x04 and %PDF")

    async with (
        serving_presenton(bad={FILES: listen}) as elsewhere,
        serving(auth="bearer", path_style="url") as stub,
    ):
        stub.url = elsewhere.url
        done = await made(topic="The tides", n_slides=1)

    assert told == [None, None]
    assert (done.artifacts[0].data or b"").startswith(b"PK")


async def test_a_file_told_to_be_in_our_own_network_is_not_fetched(serving: Any) -> None:
    async with serving(path_style="url") as stub:
        stub.url = "https://169.254.169.254"
        with pytest.raises(GiveUp, match="is no public address, and others are not asked"):
            await made(topic="The tides", n_slides=1)


# -------------------------------------------------------------------------------------------------- files it is lent


async def test_files_and_sources_are_lent_before_the_deck_is_begun(
    serving: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "tide table.csv").write_text("high,low\n1,2\n")
    monkeypatch.setenv("BACKBURNER_FILES", str(tmp_path))
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")
    page = answering(200, b"%PDF-1.7 a study", content_type="application/pdf")

    async with serving(bad={"GET /study": page}) as stub:
        files = ["file:tables/tide table.csv", f"{stub.url}/study"]
        await made(topic="The tides", n_slides=1, sources=["High at noon."], presenton={"files": files})

    lent = {name.rpartition("/")[2]: data for name, data in stub.uploads.items()}
    assert lent == {
        "tide table.csv": b"high,low\n1,2\n",
        "study.pdf": b"%PDF-1.7 a study",
        "source-1.txt": b"High at noon.",
    }
    assert stub.asked[0].files == list(stub.uploads)
    assert stub.calls["upload"] == 1


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("file:../secret.txt", "It is not below the folder that BACKBURNER_FILES names."),
        ("file:nothing.txt", "There is no such file."),
        ("job://0e8z453fk1krg/artifacts/a.pdf", "There is no completed job"),
        ("https://127.0.0.1/a.pdf", "is no public address"),
        ("file:program.exe", "Presenton reads no 'file:program.exe'. It takes bmp, csv"),
    ],
)
async def test_a_file_that_is_not_to_be_had_ends_it_before_anything_is_begun(
    serving: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, sentence: str
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "secret.txt").write_text("hush")
    (tmp_path / "below" / "program.exe").write_text("hush")
    monkeypatch.setenv("BACKBURNER_FILES", str(tmp_path / "below"))

    async with serving() as stub:
        with pytest.raises(GiveUp, match="files: ") as said:
            await made(topic="The tides", presenton={"files": [address]})

    assert sentence in str(said.value)
    assert not stub.asked


# ---------------------------------------------------------------------------------------------------- how far it is


async def test_progress_follows_its_messages_and_its_counters_and_never_goes_back(serving: Any) -> None:
    async with serving(profile="B", slides_per_tick=4):
        done = await made(topic="The tides", n_slides=8)

    told = list(dict.fromkeys((each.message, each.done) for each in done.progress))
    assert told == [
        ("Handing over to Presenton", 0),
        ("Queued for generation", 0),
        ("Starting presentation generation", 0),
        ("Generating presentation outlines", 5),
        ("Selecting layout for each slide", 15),
        ("Generating slides (0 of 8)", 15),
        ("Generating slides (4 of 8)", 50),
        ("Generating slides (8 of 8)", 85),
        ("Fetching assets for slides (8 of 8)", 85),
        ("Exporting presentation", 92),
        ("Presentation generation completed", 92),
        ("Fetching the PowerPoint file", 99),
        ("Fetching the PDF", 99),
        ("Drawing the slides", 99),
    ]


# ------------------------------------------------------------------------------------------------ what it refuses


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"renderer": "keynote"}, "renderer: input should be 'auto', 'builtin' or 'presenton'"),
        ({"renderer": "presenton", "theme": "paper"}, "theme: is the built-in renderer's"),
        ({"renderer": "builtin"}, "renderer: builtin takes slides here and no topic"),
        ({"renderer": "builtin", "presenton": {}}, "presenton: are options of Presenton"),
        ({"presenton": {"templte": "modern"}}, "presenton/templte: is not an argument. Did you mean 'template'?"),
        ({"presenton": {"verbosity": "endless"}}, "presenton/verbosity: input should be 'concise'"),
        ({"presenton": {"export_as": "png"}}, "presenton/export_as: input should be 'pptx' or 'pdf'"),
        ({"presenton": {"files": ["/etc/passwd"]}}, "presenton/files/0: is '/etc/passwd'; give https://"),
        ({"presenton": {"files": ["file:a"] * 21}}, "presenton/files: tuple should have at most 20 items"),
        ({"presenton": {"include_table_of_contents": True}, "n_slides": 2}, "n_slides: must be at least 3"),
        ({"topic": None, "slides": ["a"] * 51, "renderer": "presenton"}, "slides: are 51; Presenton takes at most 50."),
        ({"presenton": "modern"}, "presenton: "),
    ],
)
def test_what_presenton_would_not_take_is_refused_at_the_door(
    monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setenv("PRESENTON_URL", "http://127.0.0.1:5001")

    with pytest.raises(BadRequest) as refused:
        kind().parse({"topic": "The tides", **args})

    assert sentence in str(refused.value)


def test_without_presenton_there_is_no_renderer_to_choose_and_the_refusal_says_why() -> None:
    with pytest.raises(BadRequest, match="renderer: is not available here: PRESENTON_URL is not set"):
        kind().parse({"slides": SLIDES, "renderer": "presenton"})
    assert not {"renderer", "presenton"} & set(kind().schema["properties"])


def test_options_as_a_json_string_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESENTON_URL", "http://127.0.0.1:5001")

    assert kind().parse({"topic": "a", "presenton": '{"template": "modern"}'})["presenton"]["template"] == "modern"


@pytest.mark.parametrize(
    ("args", "with_model", "is_theirs"),
    [
        ({"slides": SLIDES}, False, False),
        ({"slides": SLIDES, "theme": "paper"}, True, False),
        ({"slides": SLIDES, "presenton": {"template": "modern"}}, True, True),
        ({"topic": "The tides", "n_slides": 1}, False, True),
        ({"topic": "The tides", "n_slides": 1}, True, True),
        ({"topic": "The tides", "n_slides": 1, "theme": "paper"}, True, False),
        ({"topic": "The tides", "n_slides": 1, "sources": ["High at noon."]}, True, False),
        ({"topic": "The tides", "n_slides": 1, "sources": ["High at noon."]}, False, True),
        ({"topic": "The tides", "n_slides": 1, "renderer": "builtin"}, True, False),
    ],
)
async def test_auto_takes_presenton_for_topics_and_what_only_the_built_in_renderer_can_do_stays_here(
    serving: Any, monkeypatch: pytest.MonkeyPatch, args: dict[str, Any], with_model: bool, is_theirs: bool
) -> None:
    async with serving_llm() as model, serving() as stub:
        if with_model:
            monkeypatch.setenv("LLM_BASE_URL", model.url)
            monkeypatch.setenv("LLM_MODEL", MODEL)
        await made(**args)

    assert bool(stub.asked) is is_theirs


@pytest.mark.parametrize(
    ("switches", "args", "sentence"),
    [
        ({}, {"presenton": {"template": "fancy"}}, "(HTTP 400). Template not found. Please use a valid template. presenton.template is one of: general, modern"),
        ({"profile": "B"}, {"presenton": {"template": "fancy"}}, "presenton.template is one of: general, modern"),
        ({"profile": "A"}, {"presenton": {"template": "fancy"}}, "(HTTP 400). Template not found. Please use a valid template."),
        ({"auth": "basic"}, {}, "Presenton wants us to sign in (HTTP 401): set PRESENTON_USERNAME"),
        ({"is_set_up": False}, {}, "Presenton has no administrator yet"),
        ({"bad": {"": answering(302, location="https://elsewhere.example/")}}, {}, "leads on to https://elsewhere.example/, and that is not followed"),
        ({"bad": {GENERATE: answering(404)}}, {}, "PRESENTON_URL must be where its pages begin"),
        ({"bad": {GENERATE: answering(422, {"detail": [{"loc": ["body", "language"], "msg": "Input should be a valid string"}]})}}, {}, "language: Input should be a valid string"),
    ],
)  # fmt: skip
async def test_what_it_refuses_ends_the_job_with_its_own_words(
    serving: Any, switches: dict[str, Any], args: dict[str, Any], sentence: str
) -> None:
    async with serving(**switches) as stub:
        with pytest.raises(GiveUp) as said:
            await made(topic="The tides", **args)

    assert sentence in str(said.value)
    assert not stub.tasks


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PRESENTON_USERNAME": "admin"}, "only one is set"),
        ({"PRESENTON_USERNAME": "a", "PRESENTON_PASSWORD": "b", "PRESENTON_API_KEY": "c"}, "are both set"),
    ],
)
async def test_settings_that_do_not_say_how_to_sign_in_are_never_guessed(
    serving: Any, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    async with serving() as stub:
        with pytest.raises(GiveUp, match=sentence):
            await made(topic="The tides")

    assert not stub.calls


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"": answering(503)}, "Presenton is busy or broken (HTTP 503)."),
        ({"": cutting}, "Presenton broke off ("),
        ({"": endless}, "Presenton answers with more than 20 MB."),
        ({"": answering(200, b"<html>Hello</html>")}, "Presenton answers with something that is no JSON."),
        ({GENERATE: answering(200, {"hello": "world"})}, "Presenton answers with something that is not its own."),
    ],
)
async def test_what_may_pass_is_tried_again(serving: Any, bad: dict[str, Any], sentence: str) -> None:
    async with serving(bad=bad):
        with pytest.raises(TryAgain) as said:
            await made(topic="The tides")

    assert sentence in str(said.value)
    assert said.value.after_s == 30


async def test_one_that_is_not_there_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESENTON_URL", "http://127.0.0.1:9")

    with pytest.raises(TryAgain, match="Presenton cannot be reached"):
        await made(topic="The tides")


# ------------------------------------------------------------------------------------------------------- while it works


async def test_errors_while_it_is_asked_how_far_it_is_are_no_failures(serving: Any) -> None:
    async with serving(status_500_every=2):
        done = await made(topic="The tides", n_slides=1)

    assert done.line == "1 slide by Presenton: Why the Tides Rise"
    assert any("(HTTP 500). It is asked again." in each.message for each in done.progress)


@pytest.mark.parametrize("word", ["processing", "dreaming"])
async def test_a_status_that_nobody_knows_is_still_running(serving: Any, word: str) -> None:
    async with serving() as stub:
        real = StubPresenton._say

        def say(task: Any, message: str, status: str | None = None) -> None:
            real(stub, task, message, status or word)

        stub._say = say
        done = await made(topic="The tides", n_slides=1)

    assert done.line == "1 slide by Presenton: Why the Tides Rise"


async def test_what_presenton_could_not_make_ends_the_job_with_its_words(serving: Any) -> None:
    error = {"status_code": 404, "detail": "Template 'general' not found"}

    async with serving(fail_at=("Selecting layout for each slide", error)) as stub:
        with pytest.raises(GiveUp, match=r"Presenton could not make the deck: Template 'general' not found\.$"):
            await made(topic="The tides")

    assert stub.calls["generate"] == 1


@pytest.mark.parametrize(
    "error",
    [
        {"status_code": 500, "detail": "Presentation generation failed"},
        {
            "status_code": 400,
            "detail": "Failed to generate presentation outlines with requested number of slides. Please try again.",
        },
    ],
)
async def test_where_presenton_broke_it_is_asked_once_more_and_no_more(serving: Any, error: dict[str, Any]) -> None:
    stage = "Generating presentation outlines"
    async with serving(fail_at=(stage, error), fail_times=1) as stub:
        assert (await made(topic="The tides", n_slides=1)).line == "1 slide by Presenton: Why the Tides Rise"
    assert stub.calls["generate"] == 2

    async with serving(fail_at=(stage, error)) as stub:
        with pytest.raises(GiveUp, match="Presenton failed twice to make the deck"):
            await made(topic="The tides")
    assert stub.calls["generate"] == 2


@pytest.mark.parametrize("profile", ["A", "B", "C"])
async def test_a_deck_whose_export_broke_is_exported_again_and_not_written_again(serving: Any, profile: str) -> None:
    error = {"status_code": 500, "detail": "Export task timed out after 300 seconds"}

    async with serving(profile=profile, fail_at=("Exporting presentation", error)) as stub:
        done = await made(topic="The tides", n_slides=2)

    assert done.line == "2 slides by Presenton: Why the Tides Rise"
    assert stub.calls["generate"] == 1


async def test_a_deck_that_does_not_go_on_is_given_up_with_what_there_is_of_it(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESENTON_SILENCE_S", "1")

    async with serving(orphan_after="Selecting layout for each slide") as stub:
        with pytest.raises(GiveUp) as said:
            await made_patiently(topic="The tides", n_slides=2)

    (deck,) = stub.decks
    assert "Presenton has not gone on with the deck for 1 s (the last was: Selecting layout" in str(said.value)
    assert f"What there is of it: {stub.url}/presentation?id={deck}" in str(said.value)
    assert stub.calls["generate"] == 1


@pytest.mark.parametrize("profile", ["A", "B", "C"])
async def test_a_deck_that_stopped_when_only_its_file_was_missing_is_saved(
    serving: Any, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.setenv("PRESENTON_SILENCE_S", "1")

    async with serving(profile=profile, orphan_after="Exporting presentation") as stub:
        done = await made_patiently(topic="The tides", n_slides=2)

    assert done.line == "2 slides by Presenton: Why the Tides Rise"
    assert stub.calls["generate"] == 1


async def test_patience_ends_also_with_one_that_goes_on_for_ever_or_is_away(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESENTON_TIMEOUT_S", "1")

    async with serving(bad={STATUS: answering(502)}):
        with pytest.raises(GiveUp, match="Presenton has not finished the deck within 1 s"):
            await made_patiently(topic="The tides", n_slides=2)


async def made_patiently(**args: Any) -> Performed:
    """As `made`, with time between two looks."""
    return await perform(unhurried(kind()), **args)


def unhurried(kind: Kind) -> Kind:
    async def run(job: Any, **args: Any) -> Any:
        await asyncio.sleep(0.02)
        return await kind.handler(job, **args)

    return replace(kind, handler=run)


async def test_a_sign_in_that_changed_on_the_way_loses_nothing(serving: Any, job: Any) -> None:
    async with serving() as stub:
        stub.bad[STATUS] = answering(401, {"detail": "Unauthorized"})
        with pytest.raises(TryAgain, match=r"sign in \(HTTP 401\).* The deck goes on there meanwhile.") as said:
            await made(topic="The tides", n_slides=1)

    assert said.value.after_s == 300


# ---------------------------------------------------------------------------------------------------------- its files


async def test_a_file_that_is_gone_is_exported_again(serving: Any) -> None:
    async with serving() as stub:
        stub.files = Forgetful()
        done = await made(topic="The tides", n_slides=1)

    assert done.data is not None
    assert done.data["changes"] == []
    assert stub.calls["export"] == 2


class Forgetful(dict[str, bytes]):
    """Files, of which the first is lost."""

    def get(self, name: str, default: Any = None) -> Any:
        return None if name == next(iter(self)) else super().get(name, default)


@pytest.mark.parametrize(
    ("switches", "error", "sentence"),
    [
        ({"path_style": "nowhere"}, GiveUp, "Presenton wrote the deck where nobody can fetch it from: /home/presenton"),
        ({"bad": {FILES: answering(200, b"<html>Sign in</html>")}}, TryAgain, "What Presenton sent as the deck is no PowerPoint file."),
        ({"bad": {FILES: cutting}}, TryAgain, "Presenton broke off ("),
        ({"bad": {FILES: answering(403)}}, TryAgain, "(HTTP 403)"),
        ({"bad": {FILES: answering(301, location="https://elsewhere.example/")}}, GiveUp, "leads on to"),
    ],
)  # fmt: skip
async def test_a_deck_whose_file_does_not_come_is_told_with_its_link(
    serving: Any, switches: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    async with serving(**switches) as stub:
        with pytest.raises(error) as said:
            await made(topic="The tides", n_slides=1)

    (deck,) = stub.decks
    assert sentence in str(said.value)
    assert f"The deck itself is there: {stub.url}/presentation?id={deck}" in str(said.value)


async def test_a_file_without_end_is_not_taken(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_FILE_BYTES", 5_000_000)
    async with serving(bad={FILES: endless}):
        with pytest.raises(GiveUp, match="Presenton's file has more than 5 MB"):
            await made(topic="The tides", n_slides=1)


async def test_where_only_the_second_format_fails_the_deck_is_kept_and_that_is_said(serving: Any) -> None:
    async with serving(bad={"POST *export": answering(500)}):
        done = await made(topic="The tides", n_slides=1)

    assert done.data is not None
    assert [each.name for each in done.artifacts] == ["why-the-tides-rise.pptx", "outline.md"]
    assert "There is no PDF of it: Presenton is busy or broken (HTTP 500)." in done.data["changes"][0]
    assert "There is no PDF of it" in done.text("outline.md")
