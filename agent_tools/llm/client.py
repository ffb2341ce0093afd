"""Asking a model: with patience, within a time, and once more when the answer does not fit."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2
from pydantic import BaseModel

from agent_tools.llm.answers import Shape, demand, read_answer
from agent_tools.llm.errors import LlmCutOff, LlmDeclined, LlmError, LlmMisused, LlmUnavailable, LlmUnfit
from agent_tools.llm.wire import Dialect, Part, body_of, chunks, complaint_in, complaint_of, retry_after, short
from agent_tools.settings import Settings, masked

log = logging.getLogger("backburner.llm")

Message = Mapping[str, str]
"""`role` (system, user or assistant) and `content`."""
PAUSES = 4
"""How often a busy server is asked again, each time after twice as long."""
LONGEST_PAUSE_S = 30.0
"""A server that wants to be left alone for longer is better asked by the next attempt of the job."""
LONGEST_TOKEN = 24


@dataclass(frozen=True)
class Tokens:
    """What was read and written by the model, as its server counts."""

    read: int = 0
    written: int = 0

    def __add__(self, more: "Tokens") -> "Tokens":
        return Tokens(self.read + more.read, self.written + more.written)


@dataclass(frozen=True)
class _Ear:
    """Who is told of an answer while it comes."""

    text: Callable[[str], None]
    used: Callable[[Tokens], None]


class Llm:
    """The server and the model that the settings name."""

    def __init__(self, settings: Settings, *, first_pause_s: float = 1) -> None:
        """Raises LlmMisused when a setting is missing."""
        self._key = settings.llm_api_key.get_secret_value().strip()
        if not (settings.llm_base_url and settings.llm_model):
            raise LlmMisused("No model is set up here: LLM_BASE_URL and LLM_MODEL say which.")
        if not (self._key.isascii() and self._key.isprintable()):
            raise LlmMisused("LLM_API_KEY has characters that no key has.")
        self._url, self._model = f"{settings.llm_base_url}/chat/completions", settings.llm_model
        self._timeout_s, self._first_pause_s = settings.llm_timeout_s, first_pause_s
        self._dialect = Dialect()

    async def __aenter__(self) -> Self:
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx2.Timeout(self._timeout_s, connect=min(10, self._timeout_s)),
            verify=await asyncio.to_thread(ssl.create_default_context),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(
        self,
        messages: Sequence[Message],
        shape: type[Shape],
        *,
        most_tokens: int,
        on_text: Callable[[str], None] = lambda _: None,
        on_used: Callable[[Tokens], None] = lambda _: None,
    ) -> Shape:
        """The model's answer, in this shape. One that is cut off is asked for once more and shorter, one that has another
        shape is sent back once. Raises LlmError.

        `on_text` is called with all that came so far; it begins anew when the server has to be asked again. `on_used` is called
        with what each answer took, also one that does not fit.
        """
        told, ear = _told(messages, demand(shape)), _Ear(on_text, on_used)
        try:
            text = await self._answer(told, shape, most_tokens, ear)
        except LlmCutOff as error:
            log.info("the model is asked again, for less: %s", error)
            told = _briefly(told)
            text = await self._answer(told, shape, most_tokens, ear)
        try:
            return read_answer(text, shape)
        except ValueError as error:
            log.info("the model's answer is no %s, it is sent back: %s", shape.__name__, error)
            mend = f"That does not fit. {error} Answer again, with the whole JSON object and nothing else."
        told += [{"role": "assistant", "content": text}, {"role": "user", "content": mend}]
        text = await self._answer(told, shape, most_tokens, ear)
        try:
            return read_answer(text, shape)
        except ValueError as error:
            raise LlmUnfit(
                f"The model's answer did not fit, and neither did its second one. {error} It said: {short(text, 160)} "
                "Redo the job; where that happens again, LLM_MODEL needs a model that keeps to a schema.",
                text,
            ) from None

    async def offered(self) -> list[str]:
        """The models that the server says it has; empty where it does not say. Raises LlmError."""
        try:
            answer = await self._http.get(self._url.removesuffix("/chat/completions") + "/models")
        except httpx2.InvalidURL:
            raise LlmMisused(f"LLM_BASE_URL is no address: {masked(self._url)}") from None
        except httpx2.RequestError as error:
            raise LlmUnavailable(because=f"The LLM server could not be reached ({type(error).__name__}).") from error
        if answer.status_code in (401, 403) or answer.status_code >= 500:
            raise self._refusal(answer, answer.text)
        try:
            return [str(each["id"]) for each in answer.json()["data"]]
        except (ValueError, KeyError, TypeError):  # not all servers have such a list
            return []

    async def _answer(self, messages: Sequence[Message], shape: type[BaseModel], most_tokens: int, ear: _Ear) -> str:
        """What the model says, asked again while the server is busy and time is left."""
        pauses = iter([self._first_pause_s * 2**n for n in range(PAUSES)])
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    try:
                        return await self._ask_once(messages, shape, most_tokens, ear)
                    except LlmUnavailable as error:
                        pause = next(pauses, None)
                        wait = pause if error.after_s is None else error.after_s
                        if pause is None or wait is None or wait > LONGEST_PAUSE_S:
                            raise
                        log.info("the LLM server is asked again in %.1f s: %s", wait, error)
                    await asyncio.sleep(wait)
        except TimeoutError:
            raise LlmUnavailable(because=f"The LLM server did not answer within {self._timeout_s:g} s.") from None

    async def _ask_once(self, messages: Sequence[Message], shape: type[BaseModel], most_tokens: int, ear: _Ear) -> str:
        dialect = self._dialect
        body = {
            "model": self._model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            dialect.limit: most_tokens,
            **dialect.response_format(shape),
        }
        try:
            async with self._http.stream("POST", self._url, json=body) as response:
                if response.status_code == 200:
                    return await self._listen(response, most_tokens, ear)
                complaint = complaint_in(await body_of(response, 64_000)).replace(self._key or "\0", "•••")
        except httpx2.InvalidURL:
            raise LlmMisused(f"LLM_BASE_URL is no address: {masked(self._url)}") from None
        except httpx2.RequestError as error:
            raise LlmUnavailable(because=f"The LLM server could not be reached ({type(error).__name__}).") from error
        if simpler := dialect.simpler(response.status_code, complaint):
            self._dialect = simpler
            return await self._ask_once(messages, shape, most_tokens, ear)
        raise self._refusal(response, complaint)

    async def _listen(self, response: httpx2.Response, most_tokens: int, ear: _Ear) -> str:
        text, refusal, finish = "", "", ""
        async for chunk in chunks(response):
            if chunk.error:
                raise LlmUnavailable(because=f"The LLM server broke off: {short(complaint_of(chunk.error))}")
            if chunk.usage:
                ear.used(Tokens(chunk.usage.prompt_tokens, chunk.usage.completion_tokens))
            for choice in chunk.choices or ():
                part = choice.delta or choice.message or Part()
                text, refusal = text + (part.content or ""), refusal + (part.refusal or "")
                finish = finish or choice.finish_reason or ""
            ear.text(text)
            if len(text) > most_tokens * LONGEST_TOKEN:
                finish = "length"
                break
        if refusal or finish == "content_filter":
            raise LlmDeclined(f"The model declined: {short(refusal) or 'its server filters such content.'}")
        if finish == "length":
            raise LlmCutOff(
                f"The model's answer was longer than the {most_tokens} tokens it may have. Redo the job, or give it less to "
                "write about.",
                text,
            )
        if not finish:
            raise LlmUnavailable(because="The LLM server broke off in the middle of its answer.")
        return text

    def _refusal(self, response: httpx2.Response, complaint: str) -> LlmError:
        status, said = response.status_code, short(complaint)
        log.warning("the LLM server %s answered %d: %s", masked(self._url), status, said)
        if status in (408, 409, 429) or status >= 500:
            return LlmUnavailable(retry_after(response), f"The LLM server is busy or broken (HTTP {status}).")
        if status in (401, 403):
            lack = "does not take the key in LLM_API_KEY" if self._key else "wants a key: set LLM_API_KEY"
            return LlmMisused(f"The LLM server {lack} (HTTP {status}).")
        if status == 404:
            return LlmMisused(
                f"The LLM server has no model '{self._model}', or LLM_BASE_URL is not where it is asked: "
                f"that often ends in /v1. It said: {said}"
            )
        return LlmMisused(f"The LLM server does not take the request (HTTP {status}). It said: {said}")


def _told(messages: Sequence[Message], rule: str) -> list[Message]:
    """The messages with a rule for all of them; many models take one system message only, and only in front."""
    first = messages[0]
    if first["role"] != "system":
        return [{"role": "system", "content": rule}, *messages]
    return [{"role": "system", "content": f"{first['content']}\n\n{rule}"}, *messages[1:]]


def _briefly(messages: Sequence[Message]) -> list[Message]:
    last = messages[-1]
    return [*messages[:-1], {**last, "content": f"{last['content']}\nBe brief: half of what you would write."}]
