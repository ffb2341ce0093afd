"""Asking a model: over real HTTP, of a server that behaves as servers do."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr
from stubs.llm import (
    MODEL,
    Asked,
    Behaviour,
    StubLlm,
    at_length,
    breaking_off,
    endlessly,
    failing_midway,
    filtered,
    hanging,
    in_prose,
    refused,
    says,
    serving_llm,
    slow,
    status,
    unstreamed,
)

from agent_tools import GiveUp, TryAgain
from agent_tools.jobs.errors import Misconfigured
from agent_tools.llm import Count, Llm, LlmCutOff, LlmDeclined, LlmError, LlmMisused, LlmUnavailable, LlmUnfit
from agent_tools.llm.answers import read_answer, strict_schema
from agent_tools.settings import Settings

KEY = "sk-very-secret-0123456789"


class Answer(BaseModel):
    heading: Annotated[str, Field(json_schema_extra={"maxLength": 90})]
    points: list[str] = []


@pytest.fixture
async def stub() -> AsyncIterator[StubLlm]:
    async with serving_llm() as stub:
        yield stub


@asynccontextmanager
async def client(stub: StubLlm, **settings: Any) -> AsyncIterator[Llm]:
    given = {"LLM_BASE_URL": stub.url, "LLM_MODEL": MODEL, "LLM_TIMEOUT_S": 10, **settings}
    async with Llm(Settings(**given), first_pause_s=0.001) as llm:
        yield llm


async def answered(stub: StubLlm, **settings: Any) -> Answer:
    async with client(stub, **settings) as llm:
        return await llm.ask([{"role": "user", "content": "Trees, please."}], Answer, most_tokens=300)


# --------------------------------------------------------------------------------------------------------- answers


async def test_an_answer_comes_in_the_shape_that_was_asked_for(stub: StubLlm) -> None:
    answer = await answered(stub)

    assert answer == Answer(heading="Heading amber", points=["Points birch", "Points cedar", "Points dune"])


async def test_a_request_says_what_it_wants_in_every_way_that_servers_read(stub: StubLlm) -> None:
    await answered(stub, LLM_API_KEY=SecretStr(KEY))

    (asked,) = stub.asked
    assert asked.authorization == f"Bearer {KEY}"
    assert (asked.body["model"], asked.body["stream"], asked.body["max_tokens"]) == (MODEL, True, 300)
    assert asked.body["response_format"]["json_schema"]["strict"] is True
    assert asked.schema["required"] == ["heading", "points"]
    assert asked.schema["additionalProperties"] is False
    assert [message["role"] for message in asked.body["messages"]] == ["system", "user"]
    assert '"maxLength":90' in asked.prompt


async def test_a_rule_of_the_caller_stays_in_the_one_system_message(stub: StubLlm) -> None:
    async with client(stub) as llm:
        rules = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Trees."}]
        await llm.ask(rules, Answer, most_tokens=300)

    first, second = stub.asked[0].body["messages"]
    assert first["content"].startswith("Be kind.\n\nAnswer with one JSON object")
    assert second == rules[1]


async def test_letters_survive_however_the_network_cuts_them(stub: StubLlm) -> None:
    stub.answer = lambda asked: {"heading": "Größe 東京 🌊 – „so“", "points": ["a\nb"]}

    assert await answered(stub) == Answer(heading="Größe 東京 🌊 – „so“", points=["a\nb"])


@pytest.mark.parametrize("behaviour", [in_prose, unstreamed])
async def test_an_answer_is_found_however_a_server_wraps_it(stub: StubLlm, behaviour: Behaviour) -> None:
    stub.then(behaviour)

    assert (await answered(stub)).heading == "Heading amber"


async def test_text_is_told_as_it_comes(stub: StubLlm) -> None:
    told = list[str]()
    async with client(stub) as llm:
        await llm.ask([{"role": "user", "content": "Trees."}], Answer, most_tokens=300, on_text=told.append)

    assert len(told) > 5
    assert all(later.startswith(earlier) for earlier, later in pairwise(told))
    assert Answer.model_validate_json(told[-1]).heading == "Heading amber"


async def test_tokens_are_added_up_over_all_answers(stub: StubLlm) -> None:
    stub.then(unstreamed, unstreamed)
    count = Count()
    async with client(stub) as llm:
        for _ in range(2):
            await llm.ask([{"role": "user", "content": "Trees."}], Answer, most_tokens=300, on_used=count)

    assert count.told() == {"tokens_in": 10, "tokens_out": 14}


# ---------------------------------------------------------------------------------------------- answers that do not fit


async def test_an_answer_that_does_not_fit_is_sent_back_with_what_is_wrong(stub: StubLlm) -> None:
    stub.then(says('{"heading": 3, "points": "none"}'))

    assert (await answered(stub)).heading == "Heading amber"
    back = stub.asked[1].body["messages"][-2:]
    assert back[0] == {"role": "assistant", "content": '{"heading": 3, "points": "none"}'}
    assert "heading: input should be a valid string, not 3." in back[1]["content"]
    assert "points: input should be a valid array, not 'none'." in back[1]["content"]


@pytest.mark.parametrize("text", ["", "I would rather not.", '{"heading": "cut', "[1, 2]", "{" * 5000, '{"a":' * 1400])
async def test_what_never_fits_ends_with_what_was_wrong_and_what_was_said(stub: StubLlm, text: str) -> None:
    stub.always = says(text)

    with pytest.raises(LlmUnfit, match=r"did not fit, and neither did its second one. There is no complete") as unfit:
        await answered(stub)

    assert unfit.value.raw == text
    assert len(str(unfit.value)) < 1000
    assert len(stub.asked) == 2


async def test_an_answer_that_was_cut_off_is_asked_for_once_more_and_shorter(stub: StubLlm) -> None:
    stub.then(at_length)

    assert (await answered(stub)).heading == "Heading amber"
    assert stub.asked[1].prompt.endswith("Be brief: half of what you would write.")
    assert "half" not in stub.asked[0].prompt


async def test_one_that_is_cut_off_again_is_no_answer(stub: StubLlm) -> None:
    stub.then(at_length, at_length)

    with pytest.raises(LlmCutOff, match="longer than the 300 tokens") as cut:
        await answered(stub)

    assert cut.value.raw.startswith('{"heading":')
    assert len(stub.asked) == 2


async def test_an_answer_without_end_is_not_waited_for(stub: StubLlm) -> None:
    stub.then(endlessly, endlessly)

    with pytest.raises(LlmCutOff):
        await answered(stub)


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (refused, "The model declined: I'm sorry, I cannot help with that."),
        (filtered, "The model declined: its server filters such content."),
    ],
)
async def test_a_model_that_declines_is_not_argued_with(stub: StubLlm, behaviour: Behaviour, sentence: str) -> None:
    stub.then(behaviour)

    with pytest.raises(LlmDeclined, match=sentence):
        await answered(stub)

    assert len(stub.asked) == 1


# ------------------------------------------------------------------------------------------------------- servers' bad days


@pytest.mark.parametrize(
    "behaviour",
    [status(408), status(409), status(429, retry_after="0"), status(500), status(503), breaking_off, failing_midway],
)
async def test_a_server_that_is_busy_or_breaks_off_is_asked_again(stub: StubLlm, behaviour: Behaviour) -> None:
    stub.then(behaviour, behaviour)

    assert (await answered(stub)).heading == "Heading amber"
    assert len(stub.asked) == 3


async def test_a_server_is_left_alone_for_as_long_as_it_wants(stub: StubLlm) -> None:
    stub.then(status(429, retry_after="1"))
    began = asyncio.get_running_loop().time()

    await answered(stub)

    assert asyncio.get_running_loop().time() - began >= 1


@pytest.mark.parametrize("says_when", [False, True])
async def test_a_server_that_wants_a_long_pause_gets_it_from_the_next_attempt(stub: StubLlm, says_when: bool) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    stub.then(status(429, retry_after=when if says_when else "600"))

    with pytest.raises(TryAgain, match=r"busy or broken \(HTTP 429\)") as busy:
        await answered(stub)

    assert busy.value.after_s is not None
    assert 500 < busy.value.after_s <= 600
    assert len(stub.asked) == 1


@pytest.mark.parametrize("header", ["soon", "-3", "9" * 12, "inf", "Wed, 99 Foo"])
async def test_a_pause_that_makes_no_sense_is_ours_to_choose(stub: StubLlm, header: str) -> None:
    stub.then(status(503, retry_after=header))

    assert (await answered(stub)).heading == "Heading amber"


async def test_a_server_that_stays_broken_is_left_to_the_next_attempt(stub: StubLlm) -> None:
    stub.always = status(500)

    with pytest.raises(LlmUnavailable, match=r"busy or broken \(HTTP 500\)"):
        await answered(stub)

    assert len(stub.asked) == 5


async def test_a_server_that_hangs_is_not_waited_for_beyond_the_time(stub: StubLlm) -> None:
    stub.always = hanging

    with pytest.raises(TryAgain, match="did not answer within 1 s"):
        await answered(stub, LLM_TIMEOUT_S=1)


async def test_a_slow_answer_is_waited_for(stub: StubLlm) -> None:
    stub.then(slow(0.05))

    assert (await answered(stub)).heading == "Heading amber"


async def test_a_server_that_is_not_there_is_a_reason_to_try_again(stub: StubLlm) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"

    with pytest.raises(TryAgain, match=r"could not be reached \(ConnectError\)"):
        await answered(stub, LLM_BASE_URL=address)


async def test_asking_can_be_stopped_at_any_time(stub: StubLlm) -> None:
    stub.always = hanging
    asking = asyncio.create_task(answered(stub))
    while not stub.at_once:
        await asyncio.sleep(0.01)

    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(5):
        while stub.at_once:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "behaviour",
    [says("x" * 300_000), status(200, ["no", "completion"]), status(200, {"choices": [{"delta": {"content": 3}}]})],
)
async def test_what_is_no_chat_completion_is_not_taken_for_one(stub: StubLlm, behaviour: Behaviour) -> None:
    stub.always = behaviour

    with pytest.raises(LlmError):
        await answered(stub)


# -------------------------------------------------------------------------------------------------- settings that are wrong


async def test_a_key_that_is_not_taken_is_said_without_it(stub: StubLlm, caplog: pytest.LogCaptureFixture) -> None:
    stub.key = "another"
    caplog.set_level(logging.DEBUG)

    with pytest.raises(LlmMisused, match=r"does not take the key in LLM_API_KEY \(HTTP 401\)") as wrong:
        await answered(stub, LLM_API_KEY=SecretStr(KEY))

    assert KEY not in str(wrong.value) + caplog.text
    assert "Incorrect API key provided: •••." in caplog.text
    assert len(stub.asked) == 1


async def test_a_key_that_is_missing_is_named(stub: StubLlm) -> None:
    stub.key = KEY

    with pytest.raises(GiveUp, match="wants a key: set LLM_API_KEY"):
        await answered(stub)


async def test_a_model_that_the_server_has_not_is_named(stub: StubLlm) -> None:
    with pytest.raises(GiveUp, match=r"has no model 'gpt-99', .* It said: model 'gpt-99' not found"):
        await answered(stub, LLM_MODEL="gpt-99")


async def test_an_address_without_its_v1_is_told_so(stub: StubLlm) -> None:
    with pytest.raises(GiveUp, match="often ends in /v1"):
        await answered(stub, LLM_BASE_URL=stub.url.removesuffix("/v1"))


@pytest.mark.parametrize("missing", ["LLM_BASE_URL", "LLM_MODEL"])
async def test_no_model_is_asked_where_none_is_set_up(stub: StubLlm, missing: str) -> None:
    with pytest.raises(LlmMisused, match="LLM_BASE_URL and LLM_MODEL say which"):
        await answered(stub, **{missing: ""})


async def test_a_request_that_is_not_taken_is_not_sent_again(stub: StubLlm) -> None:
    stub.always = status(400, {"error": {"message": "context length exceeded"}})

    with pytest.raises(GiveUp, match=r"does not take the request \(HTTP 400\). It said: context length exceeded"):
        await answered(stub)

    assert len(stub.asked) == 1


# ------------------------------------------------------------------------------------------------------------ dialects


async def test_a_server_that_wants_another_word_for_the_limit_gets_it(stub: StubLlm) -> None:
    stub.then(status(400, {"error": {"message": "Use 'max_completion_tokens' instead."}}))
    async with client(stub) as llm:
        for _ in range(2):
            await llm.ask([{"role": "user", "content": "Trees."}], Answer, most_tokens=300)

    limits = [{name for name in asked.body if name.startswith("max_")} for asked in stub.asked]
    assert limits == [{"max_tokens"}, {"max_completion_tokens"}, {"max_completion_tokens"}]


async def test_a_server_that_takes_no_lengths_or_no_schema_is_asked_without(stub: StubLlm) -> None:
    no = status(400, {"error": {"message": "Invalid schema for response_format: 'maxLength' is not permitted."}})
    stub.then(no, no)

    assert (await answered(stub)).heading == "Heading amber"
    full, without_lengths, without = stub.asked
    assert full.schema["properties"]["heading"]["maxLength"] == 90
    assert "maxLength" not in without_lengths.schema["properties"]["heading"]
    assert "response_format" not in without.body


def test_a_strict_schema_requires_everything_and_allows_nothing_else() -> None:
    class Inner(BaseModel):
        title: str = "a property that is called as a keyword is"

    class Outer(BaseModel):
        inner: list[Inner] = []

    schema = strict_schema(Outer)

    assert schema["required"] == ["inner"]
    assert schema["$defs"]["Inner"] == {
        "type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"], "additionalProperties": False,
    }  # fmt: skip


def test_half_a_surrogate_pair_is_no_answer() -> None:
    with pytest.raises(ValueError, match="hex escape"):
        read_answer(r'{"heading": "\ud83d"}', Answer)


def test_a_request_can_be_told_from_another() -> None:
    asked = Asked({"messages": [{"role": "user", "content": "a"}]}, "")

    assert (asked.prompt, asked.shape) == ("a", "")


# ------------------------------------------------------------------------------------------------------------ settings


def test_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", KEY)

    settings = Settings.read()

    assert KEY not in f"{settings!r} {settings.shown()}"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
        ("https://api.example/v1/chat/completions", "https://api.example/v1"),
        ("", ""),
    ],
)
def test_an_address_is_understood_however_it_was_copied(given: str, kept: str) -> None:
    assert Settings(LLM_BASE_URL=given).llm_base_url == kept


@pytest.mark.parametrize("address", ["localhost:11434", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("LLM_BASE_URL", address)

    with pytest.raises(Misconfigured, match=r"LLM_BASE_URL: .*must begin with http"):
        Settings.read()
