"""What a person can pick in a chat client: a few prompts, written for the model that reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.types import (
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    PromptArgument,
    PromptMessage,
    TextContent,
)
from mcp.types import Prompt as Listed

from agent_tools.jobs.errors import BadRequest
from agent_tools.server import wire

MOST_CHARACTERS = 2000
"""Of one argument."""

Context = ServerRequestContext[Any]


@dataclass(frozen=True)
class Prompt:
    """One prompt. `text` has a place for each argument; `wants` says what each is, and `optional` what is said without it."""

    name: str
    title: str
    description: str
    text: str
    wants: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)

    def filled(self, given: Mapping[str, str]) -> str:
        """The text with these arguments. Raises BadRequest for those that it does not have, and for those that are missing."""
        given = {name: " ".join(value.split()) for name, value in given.items() if value.strip()}
        if unknown := given.keys() - self.wants.keys():
            raise BadRequest(f"{self.name} has no argument '{min(unknown)[:40]}'. It has: {_words(self.wants)}.")
        if missing := [name for name in self.wants if name not in {**self.optional, **given}]:
            raise BadRequest(f"{missing[0]}: is missing. {self.wants[missing[0]]}")
        if long := [name for name, value in given.items() if len(value) > MOST_CHARACTERS]:
            raise BadRequest(f"{long[0]}: {len(given[long[0]])} characters are too many; at most {MOST_CHARACTERS}.")
        said = {name: f"'{value}'" if name in _NAMES else value for name, value in given.items()}
        return self.text.format(**{**self.optional, **said})


_NAMES = ("subject", "job")
PROMPTS: Sequence[Prompt] = (
    Prompt(
        "what-came-out",
        "What came out?",
        "What has ended since you last looked",
        "Call list_jobs(unseen=true). Tell me in a short list what came out of my background jobs: its title, what it is in a few "
        "words, and its page. Then what failed, why, and what would help. Then call list_jobs(status=['waiting']) and say "
        "what waits for me, with the address where I answer. Read nothing in full until I ask. Where there is nothing, say only that.",
    ),
    Prompt(
        "how-is",
        "How is it going?",
        "How one job stands, and when it will be done",
        "Call job_status(job_ids=[{job}]) and tell me in two sentences how it stands and when it will be done. Where it waits "
        "for me, show me the question and the address where I answer. Where it has failed, say why, and what redo_job could change.",
        {"job": "The job's id."},
    ),
    Prompt(
        "tidy-up",
        "Tidy up",
        "File what lies unorganised under subjects",
        "Call list_jobs(subject='unorganised', status=['completed'], limit=50). File what belongs together under subjects with "
        "organise_jobs: {subject}. Take subjects that are there before you make new ones, and leave what fits nowhere. "
        "Then tell me in a short list what lies where now, and each undo number.",
        {"subject": "File only what belongs under this one."},
        {"subject": "one call for each subject"},
    ),
    Prompt(
        "make-deck",
        "Make a deck",
        "Slides about a topic, made in the background",
        "Make me a deck about {topic}. Write 6 to 10 slides yourself: the first with the title, the others each with one message as "
        "its heading and at most four short points. Then call create_presentation with them, filed under {subject}, tell me that "
        "it was started, and go on with our conversation.",
        {"topic": "What it is about, and for whom.", "subject": "Where it is filed."},
        {"subject": "a subject that fits"},
    ),
)  # fmt: skip


class Prompts:
    """The prompts of this installation."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._prompts = {prompt.name: prompt for prompt in prompts}

    def serve_on(self, server: "Server[Any]") -> None:
        """Offer them."""
        server.add_request_handler("prompts/list", PaginatedRequestParams, self._list)
        server.add_request_handler("prompts/get", GetPromptRequestParams, self._get)

    async def _list(self, _: Context, asked: PaginatedRequestParams) -> ListPromptsResult:
        wire.refuse_cursor(asked)
        return ListPromptsResult(prompts=[_listed(prompt) for prompt in self._prompts.values()])

    async def _get(self, _: Context, asked: GetPromptRequestParams) -> GetPromptResult:
        with wire.protocol_errors():
            prompt = self._prompts.get(asked.name)
            if prompt is None:
                raise BadRequest(f"There is no prompt '{asked.name[:60]}'. There are: {_words(self._prompts)}.")
            text = prompt.filled(asked.arguments or {})
            message = PromptMessage(role="user", content=TextContent(type="text", text=text))
            return GetPromptResult(description=prompt.description, messages=[message])


def prompts_for(tools: Sequence[str]) -> list[Prompt]:
    """The prompts that can be followed with these tools."""
    return [prompt for prompt in PROMPTS if "create_presentation" in tools or "create_presentation" not in prompt.text]


def _listed(prompt: Prompt) -> Listed:
    arguments = [
        PromptArgument(name=name, description=wants, required=name not in prompt.optional)
        for name, wants in prompt.wants.items()
    ]
    return Listed(name=prompt.name, title=prompt.title, description=prompt.description, arguments=arguments or None)


def _words(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"
