"""The kind `opus_run`, against Opus as it is on good days and bad ones."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bpe_openai
import pytest
from stubs.opus import (
    POST,
    WITH_A_REVIEW,
    StubOpus,
    serving_opus,
    taken,
)

from agent_tools import GiveUp, TryAgain
from agent_tools.doctor import findings
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.kinds import load_kinds
from agent_tools.opus import client
from agent_tools.server.tools import tools
from agent_tools.settings import Settings
from agent_tools.testing import Performed, perform
from worker.kinds.opus_run import opus_run, run

ARTICLE = {"Article": "The tide comes in."}


@pytest.fixture
async def opus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubOpus]:
    async with serving_opus(a_look_takes=1) as stub:
        monkeypatch.setenv("OPUS_SERVICE_KEY", stub.key)
        monkeypatch.setenv("OPUS_BASE_URL", stub.url)
        monkeypatch.setenv("OPUS_WORKFLOW_ID", POST)
        monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")
        monkeypatch.setattr(client, "PAUSES_S", (0.0, 0.0))
        monkeypatch.setattr(run, "LOOKS_S", (0.0,) * 4)
        yield stub


async def ran(**args: Any) -> Performed:
    return await perform(opus_run, **{"inputs": ARTICLE, **args})


async def failed(**args: Any) -> str:
    with pytest.raises(GiveUp) as error:
        await ran(**args)
    return str(error.value)


# ---------------------------------------------------------------------------------------------------------- what is taken


async def test_without_inputs_nothing_runs_and_the_agent_is_told_what_the_workflow_takes(opus: StubOpus) -> None:
    done = await perform(opus_run)

    assert done.line == "“Post” takes: Article (text; required), Link (text), Picture (file: PNG, PDF)."
    assert done.data is not None
    assert done.data["inputs"][2] == {"name": "Picture", "type": "file", "required": False}
    assert opus.runs == {}


async def test_names_that_people_see_go_in_and_names_that_opus_made_up_go_out(opus: StubOpus) -> None:
    done = await ran(inputs={"article": "The tide comes in.", "LINK": "https://example.org/a"}, title="Tides")

    (execution,) = opus.runs.values()
    assert execution.payload == {
        "workflow_input_we4tej0ly": {"value": "The tide comes in.", "type": "str", "displayName": "Article"},
        "workflow_input_k2m9xq0ab": {"value": "https://example.org/a", "type": "str", "displayName": "Link"},
    }
    assert execution.title == "Tides [0c3k9x2mq7f4w]"
    assert done.data == {
        "outputs": {"Summary": "The tide comes in twice a day. #sea"},
        "workflow": POST,
        "opus_run": execution.id,
    }
    assert done.line == "Completed in Opus: The tide comes in twice a day. #sea"
    assert done.text("result.md") == "# Tides\n\n## Summary\n\nThe tide comes in twice a day. #sea\n"


async def test_every_type_is_sent_as_opus_wants_it(opus: StubOpus) -> None:
    opus.schema = {
        "a": taken("Text"), "b": taken("Number", "float"), "c": taken("Yes", "bool"), "d": taken("Day", "date"),
        "e": taken("List", "array"), "f": taken("Object", "object"),
    }  # fmt: skip
    given = {
        "Text": 7,
        "Number": "2.5",
        "Yes": "no",
        "Day": "2026-11-22T10:00:00Z",
        "List": "[1, 2]",
        "Object": '{"a": 1}',
    }

    await ran(inputs=given)

    (execution,) = opus.runs.values()
    sent = {name: entry["value"] for name, entry in execution.payload.items()}
    assert sent == {"a": "7", "b": 2.5, "c": False, "d": "2026-11-22", "e": [1, 2], "f": {"a": 1}}


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"Artikel": "x"}, "Artikel: is no input of it. Did you mean Article? Article: is required."),
        ({}, "Article: is required. “Post” takes: Article (text; required)"),
        ({"Article": "x", "Picture": 7}, "Picture: must be a https address or job://ID/artifacts/NAME"),
        ({"Article": "x", "Picture": ["https://a.example/1.png", "https://a.example/2.png"]}, "takes one file, not 2"),
        ({"Article": "x", "Picture": "job://0c3k9x2mq7f4z/artifacts/a.png"}, "There is no completed job"),
    ],
)
async def test_what_does_not_fit_is_refused_in_a_sentence_that_says_what_does(
    opus: StubOpus, inputs: dict[str, Any], said: str
) -> None:
    assert said in await failed(inputs=inputs)
    assert opus.runs == {}, "nothing was begun"


async def test_a_file_that_cannot_be_fetched_is_tried_again_and_nothing_is_begun(opus: StubOpus) -> None:
    with pytest.raises(TryAgain, match=r"Nothing was sent to Opus\. 127\.0\.0\.1 answers 403"):
        await ran(inputs={**ARTICLE, "Picture": f"{opus.url}/bucket/gone.png?signature=s3"})

    assert opus.runs == {}


async def test_all_that_is_wrong_is_said_at_once(opus: StubOpus) -> None:
    opus.schema = {
        "a": taken("Number", "float"),
        "b": taken("Yes", "bool"),
        "c": taken("Day", "date"),
        "d": taken("Object", "object"),
    }

    said = await failed(inputs={"Number": "many", "Yes": "perhaps", "Day": "soon", "Object": "[]"})

    for sentence in (
        "Number: must be a number.",
        "Yes: must be true or false.",
        "Day: must be a date",
        "Object: must be an object.",
    ):
        assert sentence in said


@pytest.mark.parametrize(
    ("workflow", "said"),
    [("", "is required: OPUS_WORKFLOW_ID names none here."), ("a/../b", "is no workflow's id")],
)
def test_a_workflow_that_cannot_be_one_is_refused_at_the_door(
    monkeypatch: pytest.MonkeyPatch, workflow: str, said: str
) -> None:
    monkeypatch.delenv("OPUS_WORKFLOW_ID", raising=False)

    with pytest.raises(BadRequest, match="workflow: ") as refused:
        opus_run.parse({"workflow": workflow})

    assert said in str(refused.value)


def test_the_workflow_that_the_installation_names_is_kept_with_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPUS_WORKFLOW_ID", POST)

    assert opus_run.parse({})["workflow"] == POST


def test_without_a_key_the_kind_says_what_it_needs() -> None:
    assert opus_run.missing({}) == "OPUS_SERVICE_KEY is not set."


async def test_a_version_is_asked_for_and_run(opus: StubOpus) -> None:
    done = await ran(workflow=f"{POST}@3")

    (execution,) = opus.runs.values()
    assert (opus.versions_asked, execution.version) == (["3"], 3)
    assert done.data is not None
    assert done.data["workflow"] == f"{POST}@3"


async def test_doctor_says_what_the_workflow_takes_or_what_is_wrong_with_the_account(
    opus: StubOpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BACKBURNER_HOME", str(tmp_path / "home"))

    well = {each.what: each for each in await findings(Settings.read())}
    monkeypatch.setenv("OPUS_SERVICE_KEY", "sk-not-this-one")
    ill = {each.what: each for each in await findings(Settings.read())}

    assert well["opus"].said.startswith("“Post” takes: Article (text; required)")
    assert (ill["opus"].is_well, ill["opus"].said) == (
        False,
        "Opus does not take the key in OPUS_SERVICE_KEY (HTTP 401).",
    )
    assert Settings.read().shown()["OPUS_SERVICE_KEY"][0] == "**********"


def test_the_tool_costs_an_agent_at_most_200_tokens() -> None:
    tool = next(each for each in tools(load_kinds(["opus_run"]), lambda _: True) if each.name == "create_opus_run")
    listed = {"name": tool.name, "description": tool.description, "input_schema": tool.schema}

    cost = len(
        bpe_openai.get_encoding("o200k_base").encode(json.dumps(listed, ensure_ascii=False, separators=(",", ":")))
    )

    print(f"create_opus_run: {cost} tokens")
    assert cost <= 200


async def test_a_workflow_that_opus_has_only_as_a_graph_is_read_from_there(opus: StubOpus) -> None:
    opus.workflow_route = "graph"

    done = await perform(opus_run)

    assert done.line is not None
    assert "Article (text; required)" in done.line


async def test_a_workflow_that_is_not_there_is_said_to_be(opus: StubOpus) -> None:
    said = await failed(workflow="00000000-0000-4000-8000-000000000000")

    assert said.startswith(
        "Opus has no workflow 00000000-0000-4000-8000-000000000000, or OPUS_SERVICE_KEY may not use it."
    )


# ----------------------------------------------------------------------------------------------------------------- files


async def test_a_file_is_sent_before_the_run_and_named_by_its_address_at_opus(opus: StubOpus) -> None:
    opus.files["chart.png"] = b"\x89PNG chart"

    await ran(inputs={**ARTICLE, "Picture": f"{opus.url}/bucket/chart.png?signature=s3"})

    (execution,) = opus.runs.values()
    sent = execution.payload["workflow_input_p7r3vd1zz"]["value"]
    assert sent.startswith("https://files.opus.com/")
    assert opus.files[sent.rpartition("/")[2]] == b"\x89PNG chart"


async def test_many_files_are_a_list_of_their_addresses(opus: StubOpus) -> None:
    opus.schema = {"many": taken("Pictures", "array_files")}
    opus.files.update({"a.png": b"a", "b.png": b"b"})

    await ran(inputs={"Pictures": [f"{opus.url}/bucket/{name}.png?signature=s3" for name in "ab"]})

    (execution,) = opus.runs.values()
    named = [url.rpartition("/")[2] for url in execution.payload["many"]["value"]]
    assert [opus.files[name] for name in named] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [("a.csv", b"1;2", "a.csv: Opus takes .png, .pdf here."), ("a.png", b"x" * 10_000_001, "more than 10 MB")],
)
async def test_a_file_that_opus_would_not_take_is_not_sent(opus: StubOpus, name: str, data: bytes, said: str) -> None:
    opus.files[name] = data

    with pytest.raises((GiveUp, TryAgain), match=said):
        await ran(inputs={**ARTICLE, "Picture": f"{opus.url}/bucket/{name}?signature=s3"})

    assert opus.calls["upload"] == 0


async def test_files_that_a_run_gives_lie_on_the_shelf(opus: StubOpus) -> None:
    opus.files["tide.png"] = b"\x89PNG tide"
    opus.outputs = {
        "a": {"value": "A chart.", "type": "str", "displayName": "Summary"},
        "b": {"value": "https://files.opus.com/tide.png", "type": "file", "displayName": "Chart"},
        "c": {"value": "https://files.opus.com/gone.png", "type": "file", "displayName": "Other"},
    }

    done = await ran()

    assert [(each.name, each.data) for each in done.artifacts[1:]] == [("tide.png", b"\x89PNG tide")]
    assert done.data is not None
    assert done.data["not_fetched"] == ["gone.png: Opus does not take this (HTTP 404). It said: File not found"]


# --------------------------------------------------------------------------------------------------------------- results


@pytest.mark.parametrize("shape", ["new", "old"])
@pytest.mark.parametrize("spaced", [True, False])
async def test_results_of_both_shapes_and_statuses_of_both_spellings_are_read(
    opus: StubOpus, shape: Any, spaced: bool
) -> None:
    opus.results_shape, opus.space_in_progress = shape, spaced

    done = await ran()

    assert done.line == "Completed in Opus: The tide comes in twice a day. #sea"
    assert "The tide comes in twice a day. #sea" in done.text("result.md")


async def test_a_long_output_is_cut_in_the_small_json_and_whole_in_the_file(opus: StubOpus) -> None:
    opus.outputs = {"a": {"value": "wave " * 20_000, "type": "str", "displayName": "Text"}}

    done = await ran()

    assert done.data is not None
    assert len(done.data["outputs"]["Text"]) == 4000
    assert done.text("result.md").count("wave") == 20_000


async def test_a_rejection_that_opus_completes_is_a_clear_end(opus: StubOpus) -> None:
    opus.status_script, opus.reject_path = (("WAITING", 0), ("COMPLETED", 30)), True
    opus.a_look_takes = 20

    done = await ran()

    assert done.data is not None
    assert (done.data["decision"], done.line) == ("rejected", "Rejected in Opus: Not like this.")
    assert done.data["outputs"] == {"Notice": "Not published."}


async def test_where_reviews_are_closed_to_keys_an_output_may_tell_the_decision(opus: StubOpus) -> None:
    opus.review_routes = "401cookie"
    opus.outputs = {"a": {"value": "Rejected", "type": "str", "displayName": "Review decision"}}

    done = await ran()

    assert done.data is not None
    assert (done.data["decision"], done.line) == ("rejected", "Rejected in Opus")


async def test_a_run_that_fails_in_opus_says_where(opus: StubOpus) -> None:
    opus.fail_node = "write"

    said = await failed()

    assert "failed in Opus at write" in said


async def test_a_run_that_is_cancelled_in_opus_says_so(opus: StubOpus) -> None:
    opus.status_script = (("IN_PROGRESS", 0), ("CANCELED", 3))

    assert "was cancelled in Opus" in await failed()


async def test_how_far_it_is_and_whom_it_waits_for_is_told_on_the_way(opus: StubOpus) -> None:
    opus.status_script, opus.numeric_ids = WITH_A_REVIEW, True
    opus.a_look_takes = 3

    done = await ran()

    told = [(each.message, each.percent) for each in done.progress]
    assert ("Opus 2514: running write", 20) in told
    assert ("Opus 2514: a person decides in Opus about Check the post, at app.opus.com", 40) in told


@pytest.mark.parametrize("routes", ["401cookie", "404"])
async def test_review_routes_that_are_closed_to_keys_are_done_without(opus: StubOpus, routes: Any) -> None:
    opus.status_script, opus.a_look_takes, opus.review_routes = WITH_A_REVIEW, 10, routes

    done = await ran()

    assert done.line == "Completed in Opus: The tide comes in twice a day. #sea"
    assert "a person decides in Opus, at app.opus.com" in " ".join(each.message for each in done.progress)


async def test_nobody_is_ever_answered_for(opus: StubOpus) -> None:
    opus.status_script, opus.a_look_takes = WITH_A_REVIEW, 2

    await ran()

    assert opus.answered_for_people == []


# -------------------------------------------------------------------------------------------------------------- bad days


async def test_a_lost_reply_to_initiate_is_found_again_and_not_repeated(opus: StubOpus) -> None:
    opus.lost_initiate_response = 1

    done = await ran()

    assert done.line
    assert len(opus.runs) == 1
    assert (opus.calls["initiate"], opus.calls["search"]) == (1, 1)


async def test_a_lost_reply_to_execute_is_resolved_by_the_status(opus: StubOpus) -> None:
    opus.lost_execute_response = 1

    await ran()

    assert opus.calls["execute"] == 1


async def test_an_opus_that_errs_now_and_then_is_asked_again(opus: StubOpus) -> None:
    opus.http_500_every = 5

    done = await ran()

    assert done.line == "Completed in Opus: The tide comes in twice a day. #sea"
    assert len([each for each in opus.runs.values() if each.executed_at is not None]) == 1


async def test_an_opus_that_wants_a_pause_gets_it(opus: StubOpus) -> None:
    opus.retry_after = ["0", "0"]

    assert (await ran()).line


async def test_an_error_inside_a_good_reply_is_an_error(opus: StubOpus) -> None:
    opus.inner_status = 500

    done = await ran()

    assert done.line == "Completed in Opus: The tide comes in twice a day. #sea"


async def test_a_status_that_nobody_knows_is_waited_out(opus: StubOpus) -> None:
    opus.status_script = (("IN_PROGRESS", 0), ("ESCALATED_TO_ORACLE", 2), ("COMPLETED", 5))

    done = await ran()

    assert done.line
    assert any("'ESCALATED_TO_ORACLE', which Backburner does not know" in each.message for each in done.progress)


async def test_a_key_that_opus_does_not_take_is_named_and_never_shown(
    opus: StubOpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPUS_SERVICE_KEY", "sk-not-this-one")

    said = await failed()

    assert said == "Opus does not take the key in OPUS_SERVICE_KEY (HTTP 401)."


async def test_a_gateway_that_knows_no_path_for_a_while_ends_nobody(opus: StubOpus) -> None:
    opus.gateway_404s = 9
    opus.before_reply["execute"] = lambda: setattr(opus, "is_behind_a_gateway", True)

    done = await ran()

    assert done.line
    assert opus.gateway_404s == 0


async def test_a_run_that_somebody_deleted_there_is_a_clear_end(opus: StubOpus) -> None:
    opus.before_reply["execute"] = opus.runs.clear

    assert "somebody deleted it there" in await failed()


async def test_opus_is_given_an_address_to_call_back_where_it_may_have_one(opus: StubOpus) -> None:
    opus.require_callback, opus.callback = True, "none"

    await ran()

    (execution,) = opus.runs.values()
    assert str(execution.callback).startswith("https://backburner.invalid/callbacks/")
