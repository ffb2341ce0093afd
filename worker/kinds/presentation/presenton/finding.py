"""Where a deck ended up: what Presenton made of it, also where it does not say so itself, or broke off at the last step."""

from pydantic import BaseModel

from agent_tools import GiveUp
from agent_tools.jobs.why import duration
from agent_tools.presenton import Deck, Made, Presenton, complaint
from worker.kinds.presentation.presenton.following import Seen
from worker.kinds.presentation.presenton.handing import Handed
from worker.kinds.presentation.presenton.order import Order

_MISCOUNTED = "requested number of slides"


class Found(BaseModel):
    """A finished deck; or, with `made` None, the `deck` that is there unfinished, if there is one."""

    made: Made | None
    deck: str | None = None


async def find(presenton: Presenton, order: Order, handed: Handed, seen: Seen) -> Found:
    """What there is of a deck that is no longer waited for. Raises GiveUp where it is done and cannot be told from others."""
    said = seen.task.numbers if seen.task else None
    known = (said and said.presentation_id) or handed.deck
    if seen.verdict == "completed" and known and said and said.path:
        return Found(made=Made(presentation_id=known, path=said.path, edit_path=said.edit_path), deck=known)
    known = known or await _by_its_sign(presenton, order)
    if seen.verdict == "completed":
        if known is None:
            raise GiveUp("Presenton has made the deck and does not say which it is. It lies there among the others.")
        return Found(made=Made(presentation_id=known), deck=known)
    deck = await presenton.deck(known) if known else None
    # Its words are all there, and only the file is missing: nothing has to be written again.
    is_whole = deck is not None and deck.has_all_slides and len(deck.slides or ()) >= order.n_slides
    return Found(made=Made(presentation_id=known) if known and is_whole else None, deck=deck.id if deck else None)


async def _by_its_sign(presenton: Presenton, order: Order) -> str | None:
    ours: list[Deck] = [deck for deck in await presenton.decks() if order.sign in (deck.content or "")]
    return ours[0].id if len(ours) == 1 else None


def deserves_another(seen: Seen) -> bool:
    """Whether Presenton may do better the second time: it broke, or lost count of its slides."""
    error = seen.task.error if seen.task else None
    return (
        seen.verdict == "failed"
        and error is not None
        and (error.status_code >= 500 or _MISCOUNTED in complaint(error.detail))
    )


def why_not(seen: Seen, silence_s: float, timeout_s: float) -> str:
    """Why there is no deck, and what would help."""
    match seen.verdict:
        case "silent":
            return (
                f"Presenton has not gone on with the deck for {duration(silence_s)} (the last was: {seen.message}). After a "
                "restart it never does. redo_job has it made anew."
            )
        case "late":
            return (
                f"Presenton has not finished the deck within {duration(timeout_s)} (the last was: {seen.message}). "
                "Ask for fewer slides, or have PRESENTON_TIMEOUT_S raised."
            )
    error = seen.task.error if seen.task else None
    said = (complaint(error.detail) if error and error.detail else "it does not say why").rstrip(" .")
    if deserves_another(seen):
        return f"Presenton failed twice to make the deck: {said}. Whoever runs it finds more in its log."
    return f"Presenton could not make the deck: {said}."
