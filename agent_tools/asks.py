"""What jobs ask of people, and what people answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from agent_tools.answers import Said, checked
from agent_tools.bell import Changes, Ring
from agent_tools.doorbell import Doorbell
from agent_tools.found import found_batch, found_jobs
from agent_tools.jobs.artifact_store import ArtifactStore, StepFile
from agent_tools.jobs.asks import Ask, Waiting
from agent_tools.jobs.errors import AskNotFound, BackburnerError, BadRequest, Conflict, NotNow, NotYours
from agent_tools.jobs.job import job_id
from agent_tools.jobs.kinds import refuse_unstorable
from agent_tools.jobs.places import KeptFile
from agent_tools.jobs.why import duration
from agent_tools.requests import MAX_BATCH, ask_cursor_after, ask_place
from sql.door import Answered, AskFilter, DoorStore
from sql.hands import Principal

_ID_LENGTH = 13


class AskPage(NamedTuple):
    """A page of questions; `next_cursor` None: there are no more."""

    asks: Sequence[Ask]
    next_cursor: str | None


class Asks:
    """The questions of a tenant, as one principal may answer them."""

    def __init__(self, store: DoorStore, bell: Doorbell, artifacts: ArtifactStore, who: Principal) -> None:
        self._store, self._bell, self._artifacts, self._who, self._tenant = store, bell, artifacts, who, who.tenant

    async def page(
        self,
        *,
        open_only: bool = True,
        job: str | None = None,
        batch_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AskPage:
        """Questions to people, the oldest first: those that are open, or all; of one job, of one batch."""
        wanted = AskFilter(
            open_only=open_only,
            jobs=[job_id(job)] if job else None,
            batch_id=batch_id,
            after=ask_place(cursor) if cursor else None,
        )
        found = await self._store.asks(self._tenant, wanted, limit=limit + 1)
        page = found[:limit]
        return AskPage(page, ask_cursor_after(page[-1]) if len(found) > limit else None)

    async def numbered(self, numbers: Sequence[int]) -> Sequence[Ask]:
        """The questions of these numbers, open or not, in this order; those that are not here are left out."""
        storable = [number for number in numbers if 0 < number < 1 << 63]
        wanted = AskFilter(ids=storable, open_only=False)
        found = {ask.id: ask for ask in await self._store.asks(self._tenant, wanted, limit=len(storable))}
        return [found[number] for number in storable if number in found]

    async def get(self, ask: int | str) -> Ask:
        """One question, by its number or by its job. Raises AskNotFound, JobNotFound, NotNow where the job asks nothing, BadRequest where it asks much."""
        tenant = self._tenant
        if isinstance(ask, int) or (ask.isdecimal() and len(ask) < _ID_LENGTH):
            number = int(ask)
            found = await self._store.asks(tenant, AskFilter(ids=[number], open_only=False)) if number < 1 << 63 else []
            if not found:
                raise AskNotFound(f"There is no question {number} here.")
            return found[0]
        (job,) = await found_jobs(self._store, tenant, [ask])
        asks = await self._store.asks(tenant, AskFilter(jobs=[job.id], open_only=False), limit=1000)
        still_open = [each for each in asks if each.is_open]
        if len(still_open) > 1:
            numbered = ", ".join(f"{each.id} ({each.name})" for each in still_open)
            raise BadRequest(f"{job.id} asks several questions. Say which, by its number: {numbered}.")
        if not asks:
            raise NotNow(f"{job.id} is {job.status} and asks nothing.")
        return still_open[0] if still_open else max(asks, key=lambda each: each.answered_at or each.asked_at)

    async def waiting(self, limit: int) -> Sequence[Waiting]:
        """The open questions as this person's inbox lists them: theirs first, each the oldest first."""
        return await self._store.waiting(self._tenant, self._who.name, limit=limit)

    async def waiting_count(self) -> int:
        """How many open questions are this person's to answer; 1,000 stands for more."""
        return await self._store.waiting_count(self._tenant, self._who.name)

    def shown_file(self, ask: Ask) -> KeptFile:
        """The file that a question shows."""
        return self._artifacts.step_file(self._tenant, StepFile(**(ask.shown or {})["file"]))

    async def answer(
        self,
        ask: int | str,
        decision: str | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        notes: str | None = None,
        edited: str | None = None,
        shown_hash: str | None = None,
        own: bool = True,
    ) -> Ask:
        """Answer a question, by its number or, where it asks only one, by its job. Gives it as it is now.

        The first answer counts. With `shown_hash` it counts only for exactly what that stands for. `own=False` refuses an
        answer from whoever created the job. What is put to a person who is here only they answer, and whoever holds the
        scope `admin`. Raises Conflict where somebody was faster (who, when, what) or something else is shown now, NotNow
        where nobody asks any longer, BadRequest for what fits neither choices nor form, NotYours.
        """
        meant = await self.get(ask)
        (became,) = await self._answer([(meant, Said(decision, values, notes, edited, shown_hash))], own=own)
        if isinstance(became, BackburnerError):
            raise became
        return became

    async def answer_all(self, answers: Sequence[tuple[int, Said]], *, own: bool = True) -> list[Ask | BackburnerError]:
        """Answer many questions by their numbers, each for itself, in one go; gives for each what `answer` gives or raises."""
        found = {ask.id: ask for ask in await self.numbered([number for number, _ in answers])}
        known = [(found[number], said) for number, said in answers if number in found]
        became = iter(await self._answer(known, own=own))
        return [
            next(became) if number in found else AskNotFound(f"There is no question {number} here.")
            for number, _ in answers
        ]

    async def answer_batch(self, batch_id: str, said: Said, *, own: bool = True) -> dict[int, Ask | BackburnerError]:
        """Answer alike what the jobs of a batch ask now: number → what `answer` gives or raises.

        Raises JobNotFound for no batch, NotNow where nothing is asked.
        """
        batch = await found_batch(self._store, self._tenant, batch_id)
        asks = await self._store.asks(self._tenant, AskFilter(batch_id=batch.id), limit=MAX_BATCH)
        if not asks:
            raise NotNow(f"No job of the batch {batch.id} asks anything: {batch.said}.")
        became = await self._answer([(ask, replace(said, shown_hash=ask.shown_hash)) for ask in asks], own=own)
        return dict(zip([ask.id for ask in asks], became, strict=True))

    async def _answer(self, answers: Sequence[tuple[Ask, Said]], *, own: bool) -> list[Ask | BackburnerError]:
        became: dict[int, Ask | BackburnerError] = {}
        fit: list[tuple[int, dict[str, Any]]] = []
        for nth, (ask, said) in enumerate(answers):
            try:
                refuse_unstorable({"decision": said.decision, "shown_hash": said.shown_hash})
                answer = checked(ask, said) if ask.is_open else {"decision": said.decision}
                fit.append((nth, {"ask": ask.id, "answer": answer, "shown_hash": said.shown_hash}))
            except BadRequest as error:
                became[nth] = error
        if fit:
            became |= await self._put_down(answers, fit, own=own)
        return [became[nth] for nth in range(len(answers))]

    async def _put_down(
        self, answers: Sequence[tuple[Ask, Said]], fit: Sequence[tuple[int, dict[str, Any]]], *, own: bool
    ) -> dict[int, Ask | BackburnerError]:
        """Write down answers that fit, all by one call: nth → what became of it."""
        tenant, rows = self._tenant, [row for _, row in fit]
        for_others = "admin" in self._who.scopes
        outcomes = await self._store.answer(tenant, self._who.principal, rows, own=own, for_others=for_others)
        became: dict[int, Ask | BackburnerError] = {}
        now = None if all(each.outcome == "answered" for each in outcomes) else await self._store.now(tenant)
        for (nth, _), each in zip(fit, outcomes, strict=True):
            ask = answers[nth][0]
            answered = replace(ask, answer=each.answer, answered_at=each.at, answered_by=each.by_name)
            became[nth] = answered if each.outcome == "answered" or now is None else _not_answered(ask, each, now)
        counted = [each for each in outcomes if each.outcome == "answered"]
        await self._bell.ring(
            Ring(str(each.job), each.dispatch, str(each.queue), tenant, each.priority or 0)
            for each in counted
            if each.dispatch is not None
        )
        if counted:
            await self._bell.tell(Changes(jobs=[str(each.job) for each in counted]))
        return became


def _not_answered(ask: Ask, answered: Answered, now: datetime) -> BackburnerError:
    match answered.outcome:
        case "taken":
            ago = duration((now - answered.at).total_seconds()) if answered.at else "a moment"
            said = (answered.answer or {}).get("decision") or "with the form"
            return Conflict(f"{answered.by_name} answered this {ago} ago: {said}.")
        case "changed":
            return Conflict("What this question shows has changed since you saw it. Look at it again, then answer.")
        case "expired":
            return NotNow(
                f"This question was open until {ask.deadline_at:%Y-%m-%d %H:%M} UTC; the job went on without an answer."
            )
        case "own":
            return NotYours("Whoever asked for this job may not answer its question; somebody else has to.")
        case "theirs":
            return NotYours(
                f"This is put to {ask.for_person}, and nobody else answers it. If they cannot, an operator does: with a token "
                f"that has the scope 'admin', or by 'backburner jobs answer {ask.job}' where Backburner runs."
            )
        case "gone":
            return AskNotFound(f"There is no question {ask.id} here.")
    return NotNow(f"Nobody asks this any longer: {ask.job} went on without it, or has ended.")
