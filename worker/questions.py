"""A question to a person as a handler puts it, and what binds its answer to exactly that."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from agent_tools.jobs.artifacts import Artifact, digest_of
from agent_tools.jobs.asks import Answer, needs_form
from agent_tools.jobs.context import seconds
from agent_tools.jobs.kinds import listed, problems_of
from sql.hands import Reaction
from worker.step_values import as_json

MAX_SHOWN_BYTES = 256_000
_WORDS = 6


@dataclass(frozen=True)
class Question:
    """What is asked. `shown` is JSON, with the digest in place of a `file`."""

    name: str
    question: str
    choices: tuple[str, ...]
    form: type[BaseModel] | Mapping[str, Any] | None
    shown: Mapping[str, Any] | None
    file: Artifact | None
    for_person: str | None
    within_s: float | None
    may_edit: bool = False
    """Whether the text may be changed: no part of what an answer is bound to."""

    @property
    def shown_hash(self) -> bytes:
        """The same for the same question, choices, form and content."""
        bound = {"question": self.question, "choices": self.choices, "form": self._schema(), "shown": self.shown}
        return hashlib.sha256(json.dumps(bound, sort_keys=True, separators=(",", ":")).encode()).digest()

    def row(self, recorded_as: str, shown: Mapping[str, Any] | None) -> dict[str, Any]:
        """As settle_jobs reads it; `shown` tells where a file lies."""
        return {
            "name": recorded_as,
            "question": self.question,
            "choices": list(self.choices),
            "form": self._schema(),
            "shown": {**(shown or {}), "may_edit": True} if self.may_edit else shown,
            "shown_hash_hex": self.shown_hash.hex(),
            "for_person": self.for_person,
            "within_s": self.within_s,
        }

    def answer(self, reaction: Reaction) -> Answer:
        """What the person said. Raises ValidationError where that is not what the form takes, and the form was needed."""
        said = reaction.answer or {}
        decision, values = said.get("decision"), said.get("values")
        if isinstance(self.form, type):
            values = self._filled_in(self.form, decision, values)
        return Answer(decision, values, said.get("notes"), reaction.by_name, reaction.at, edited=said.get("edited"))

    def _filled_in(self, form: type[BaseModel], decision: str | None, values: Any) -> BaseModel | None:
        try:
            return form.model_validate(values)
        except ValidationError:
            if needs_form(self.choices, decision):
                raise
            return None

    def corrected(self, error: ValidationError) -> "Question":
        """The same, once more: the form has rules that its schema cannot tell."""
        problems = listed(problems_of(error, self.form if isinstance(self.form, type) else BaseModel))
        return replace(self, question=f"{self.question}\n\nThe answer before did not fit. {problems}")

    def _schema(self) -> dict[str, Any] | None:
        if not isinstance(self.form, type):
            return {"order": list(self.form.get("properties", {})), **self.form} if self.form else None
        # The book keeps no order of names; whoever fills it in reads the fields as they were written.
        return {**self.form.model_json_schema(), "order": list(self.form.model_fields)}


async def question(
    text: str,
    choices: Sequence[str] | Mapping[str, str],
    form: type[BaseModel] | Mapping[str, Any] | None,
    show: str | Artifact | Mapping[str, Any] | None,
    who: str | None,
    within: str | None,
    name: str | None,
    may_edit: bool,
) -> Question:
    """What a handler asks. Raises TypeError with a sentence for what cannot be asked."""
    if not text.strip():
        raise TypeError("A question needs words.")
    if isinstance(choices, str) or not all(isinstance(each, str) and each for each in choices):
        raise TypeError("The choices of a question are texts: choices=('approve', 'reject').")
    if len(set(choices)) < len(choices) or (not choices and form is None):
        raise TypeError("A question has choices that differ, or a form.")
    if may_edit and not isinstance(show, str):
        raise TypeError("Only a text that is shown may be edited: show=text, may_edit=True.")
    known_as = (name or " ".join(text.split()[:_WORDS])).strip()[:100]
    file = show if isinstance(show, Artifact) else None
    shown = await _shown(known_as, show)
    if isinstance(choices, Mapping):
        shown = {**(shown or {}), "leads_to": dict(choices)}
    words = [text, *choices, who, known_as]
    plain = as_json(known_as, {"shown": shown, "words": words})
    if len(json.dumps(plain).encode()) > MAX_SHOWN_BYTES:
        raise TypeError(
            f"The question '{known_as}' shows more than {MAX_SHOWN_BYTES // 1000} KB: show it as an Artifact."
        )
    within_s = seconds(within) if within else None
    return Question(known_as, text, tuple(choices), form, plain["shown"], file, who, within_s, may_edit)


def kept(shown: Mapping[str, Any] | None, file: Any) -> dict[str, Any]:
    """What is shown, with the file in it kept as those of steps are."""
    return {**(shown or {}), "file": file._asdict()}


async def _shown(name: str, show: str | Artifact | Mapping[str, Any] | None) -> dict[str, Any] | None:
    match show:
        case None:
            return None
        case str():
            return {"text": show}
        case Artifact():
            digest = await asyncio.to_thread(digest_of, show)
            return {"file": {"name": show.name, "title": show.title, "media_type": show.media_type, "sha256": digest}}
        case Mapping():
            return {"data": as_json(name, show), "order": [str(each) for each in show]}
    raise TypeError(f"The question '{name}' shows a {type(show).__name__}: it may be text, an Artifact or a mapping.")
