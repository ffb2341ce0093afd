"""The words of a deck that somebody else made, as a page of text."""

from collections.abc import Sequence
from dataclasses import dataclass


class Unreadable(Exception):
    """The file is there, and it cannot be looked into."""


@dataclass(frozen=True)
class Slide:
    """What stands on a slide: its lines, the topmost first, and what the speaker says."""

    lines: Sequence[str]
    notes: str

    @property
    def title(self) -> str:
        """Its topmost line."""
        return self.lines[0] if self.lines else ""


def outline(title: str, edit_url: str, slides: Sequence[Slide], changes: Sequence[str]) -> str:
    """The deck as a page of text."""
    lines = [f"# {title}", "", f"Edit it in Presenton: {edit_url}", ""]
    for number, slide in enumerate(slides, 1):
        lines.append(f"{number}. {slide.title or 'Without words'}")
        lines += [f"   - {line}" for line in slide.lines[1:]]
        lines += [f"   Notes: {' '.join(slide.notes.split())}"] if slide.notes else []
    if changes:
        lines += ["", "To know:", "", *(f"- {change}" for change in changes)]
    return "\n".join(lines) + "\n"
