"""One turn of an interview: what the model is told, what is kept of what it says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from stubs.llm import MODEL, StubLlm, at_length, hanging, says, serving_llm, status

from agent_tools import GiveUp, TryAgain
from agent_tools.jobs.errors import BadRequest
from agent_tools.testing import Performed, perform
from worker.kinds.interview import interview_message

FIRST = {"message": "I want a shop.", "reply": "For whom?", "complete": False}
SECOND = {"message": "For potters.", "reply": "What do they sell?", "complete": False}


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubLlm]:
    async with serving_llm() as stub:
        monkeypatch.setenv("LLM_BASE_URL", stub.url)
        monkeypatch.setenv("LLM_MODEL", MODEL)
        stub.answer = lambda asked: {"reply": "How do they **pay**?", "complete": False}
        yield stub


async def told(*before: Any, **args: Any) -> Performed:
    given = {"interview": "i-1", "message": "Bowls and cups.", **args}
    return await perform(interview_message, earlier={"interview_message": before}, **given)


async def test_a_message_is_answered_and_the_conversation_kept(model: StubLlm) -> None:
    made = await told(FIRST, SECOND, project="shop")

    assert made.data == {
        "interview": "i-1",
        "project": "shop",
        "turn": 3,
        "message": "Bowls and cups.",
        "reply": "How do they **pay**?",
        "complete": False,
        "usage": made.data["usage"],
    }
    assert made.line == "How do they **pay**?"
    assert made.text("reply.md") == "How do they **pay**?"
    said = [
        "I want a shop.",
        "For whom?",
        "For potters.",
        "What do they sell?",
        "Bowls and cups.",
        "How do they **pay**?",
    ]
    conversation = made.text("conversation.md")
    assert sorted(said, key=conversation.index) == said


async def test_the_model_is_told_what_was_said_in_the_order_in_which_it_was(model: StubLlm) -> None:
    await told(FIRST, SECOND)

    (asked,) = model.asked
    assert [(message["role"], message["content"]) for message in asked.body["messages"][1:]] == [
        ("user", "I want a shop."),
        ("assistant", '{"reply":"For whom?","complete":false}'),
        ("user", "For potters."),
        ("assistant", '{"reply":"What do they sell?","complete":false}'),
        ("user", "Bowls and cups."),
    ]


async def test_a_conversation_too_long_for_the_model_is_told_from_its_end_and_the_result_says_so(
    model: StubLlm,
) -> None:
    long = [{"message": f"<{n}> " + "x" * 9_000, "reply": "And?"} for n in range(4)]

    made = await told(*long)

    assert (made.data["turn"], made.data["forgotten"]) == (5, 2)
    assert "<1>" not in model.asked[0].prompt
    assert "<2>" in model.asked[0].prompt
    assert "<0>" in made.text("conversation.md")


async def test_what_an_earlier_version_kept_otherwise_is_passed_over(model: StubLlm) -> None:
    assert (await told({"text": "?"}, FIRST)).data["turn"] == 2


async def test_the_tokens_so_far_are_told_while_the_answer_comes(model: StubLlm) -> None:
    made = await told()

    messages = [said.message for said in made.progress]
    assert messages[0] == "Answering"
    assert messages[1:] == [f"Answering: about {n} tokens" for n in range(2, len(messages) + 1)]
    assert len(messages) > 3


async def test_an_answer_that_is_cut_off_is_asked_for_shorter(model: StubLlm) -> None:
    model.then(at_length)

    assert (await told()).data["reply"] == "How do they **pay**?"
    assert model.asked[1].prompt.endswith("Be brief: half of what you would write.")


async def test_an_answer_without_a_word_is_sent_back(model: StubLlm) -> None:
    model.then(says('{"reply": "  ", "complete": false}'))

    assert (await told()).data["reply"] == "How do they **pay**?"
    assert "reply: is empty." in model.asked[1].prompt


async def test_bad_days_end_in_a_sentence_or_in_another_attempt(
    model: StubLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_TIMEOUT_S", "1")
    model.then(says("no"), says("no"))
    with pytest.raises(GiveUp, match="did not fit"):
        await told()
    model.then(status(429, Retry_After="77"))
    with pytest.raises(TryAgain) as busy:
        await told()
    assert busy.value.after_s == 77
    model.then(hanging)
    with pytest.raises(TryAgain, match="did not answer within 1 s"):
        await told()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"message": " \n"}, "message: is blank. Say something."),
        ({"message": "x" * 8_001}, "message: has 8,001 characters; at most 8,000"),
        ({"interview": "a b"}, "interview: is up to 80 letters, digits"),
        ({"interview": ""}, "interview: is up to 80 letters"),
    ],
)
def test_what_cannot_be_answered_is_refused_at_the_door(args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        interview_message.parse({"interview": "i-1", "message": "Hi", **args})
