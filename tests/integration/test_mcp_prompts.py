"""What a person picks in a chat client: prompts, with their arguments completed."""

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference, TextContent
from mcp_given import connected

from agent_tools.app import Backburner
from agent_tools.settings import Settings

ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


@ERAS
async def test_prompts_say_which_tools_to_call(backburner: Backburner, settings: Settings, era: str) -> None:
    async with connected(backburner, settings, era=era) as client:
        listed = (await client.list_prompts()).prompts
        tools = {tool.name for tool in (await client.list_tools()).tools}
        given = {"make-deck": {"topic": "tides", "subject": " The  Sea "}, "how-is": {"job": "0e8z453fk1krg"}}
        texts = {
            each.name: (await client.get_prompt(each.name, given.get(each.name))).messages[0].content for each in listed
        }

    assert [each.name for each in listed] == ["what-came-out", "how-is", "tidy-up", "make-deck"]
    assert [argument.required for argument in listed[3].arguments or ()] == [True, False]
    said = {name: content.text for name, content in texts.items() if isinstance(content, TextContent)}
    assert "list_jobs(unseen=true)" in said["what-came-out"]
    assert "job_status(job_ids=['0e8z453fk1krg'])" in said["how-is"]
    assert "one call for each subject" in said["tidy-up"]
    assert "a deck about tides" in said["make-deck"]
    assert "filed under 'The Sea'" in said["make-deck"]
    assert tools >= {"list_jobs", "job_status", "organise_jobs", "create_presentation", "redo_job"}


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("make-cake", {}, "There is no prompt 'make-cake'. There are: what-came-out"),
        ("make-deck", {}, "topic: is missing. What it is about"),
        ("make-deck", {"topic": " "}, "topic: is missing"),
        (
            "make-deck",
            {"topic": "tides", "theme": "blue"},
            "make-deck has no argument 'theme'. It has: topic, subject.",
        ),
        ("make-deck", {"topic": "x" * 2001}, "topic: 2001 characters are too many"),
        ("what-came-out", {"job": "x"}, "It has: none."),
    ],
)
async def test_a_prompt_that_cannot_be_filled_is_refused_in_a_sentence(
    backburner: Backburner, settings: Settings, name: str, arguments: dict[str, str], sentence: str
) -> None:
    async with connected(backburner, settings) as client:
        with pytest.raises(MCPError) as error:
            await client.get_prompt(name, arguments)

    assert error.value.error.code == -32602
    assert sentence in error.value.error.message


async def test_what_looks_like_a_place_in_the_text_stays_what_it_is(backburner: Backburner, settings: Settings) -> None:
    async with connected(backburner, settings) as client:
        filled = await client.get_prompt("make-deck", {"topic": "{subject} {0} {topic}"})

    (message,) = filled.messages
    assert isinstance(message.content, TextContent)
    assert "a deck about {subject} {0} {topic}." in message.content.text


@ERAS
async def test_arguments_of_prompts_are_completed(backburner: Backburner, settings: Settings, era: str) -> None:
    job = (await backburner.create("page", {"content": "# Tides"}, title="Tides", subject="The Sea")).id
    deck, how = (PromptReference(type="ref/prompt", name=name) for name in ("make-deck", "how-is"))

    async with connected(backburner, settings, era=era) as client:
        subjects = await client.complete(deck, {"name": "subject", "value": "s"})
        jobs = await client.complete(how, {"name": "job", "value": "tid"})
        nothing = await client.complete(deck, {"name": "topic", "value": "t"})

    assert (subjects.completion.values, jobs.completion.values) == (["The Sea"], [job])
    assert nothing.completion.values == []
