"""A deck as it is asked of Presenton."""

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel

from agent_tools.presenton import Format, Tone
from worker.kinds.presentation.author.author import Brief
from worker.kinds.presentation.presenton.options import Options

_TONES = frozenset(get_args(Tone))


class Order(BaseModel):
    """What Presenton is told. Two of one job differ by `mark`, which is how their decks are told apart there."""

    mark: str
    about: str
    slides: list[str] | None
    n_slides: int
    language: str
    tone: str
    instructions: str
    options: Options
    sources: list[str]

    @property
    def formats(self) -> tuple[Format, Format]:
        """What is fetched: the one that was asked for, and the other."""
        return ("pdf", "pptx") if self.options.export_as == "pdf" else ("pptx", "pdf")

    @property
    def sign(self) -> str:
        """What stands in the content of the deck, and in no other's. Nobody sees a comment."""
        return f"<!-- {self.mark} -->"

    def body(self, files: Sequence[str], *, webhook: bool) -> dict[str, Any]:
        """The body of the call that begins it."""
        told = self.options.model_dump(exclude={"files", "instructions"})
        return {
            **told,
            "content": f"{self.about}\n\n{self.sign}",
            "slides_markdown": self.slides,
            "instructions": self.instructions or None,
            "tone": self.tone,
            "n_slides": self.n_slides,
            "language": self.language or None,
            "files": list(files) or None,
            "trigger_webhook": webhook,
        }


def order(mark: str, title: str, slides: Sequence[str] | None, brief: Brief, options: Options) -> Order:
    """What a job asks for, in Presenton's words."""
    tone = brief.tone.strip().lower().replace(" ", "_")
    said = [
        options.instructions,
        f"The audience: {brief.audience}" if brief.audience else "",
        f"The tone: {brief.tone}" if brief.tone and tone not in _TONES else "",
    ]
    return Order(
        mark=mark,
        about=brief.topic or title or (slides or ("",))[0].partition("\n")[0].lstrip("# "),
        slides=list(slides) if slides else None,
        n_slides=len(slides) if slides else brief.n_slides,
        language=brief.language,
        tone=tone if tone in _TONES else "default",
        instructions="\n\n".join(filter(None, said)),
        options=options,
        sources=list(brief.sources),
    )
