"""What was measured, and the one table of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich import box
from rich.table import Table


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    return sorted(values)[round(share * (len(values) - 1))]


@dataclass
class Figure:
    """One thing measured: who → a value a round, always in the same order of rounds."""

    what: str
    unit: str
    bare: str | None = None
    """Who is the bare INSERT or SELECT that the others stand beside."""
    arq: str | None = None
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, who: str, value: float) -> None:
        """A round's value."""
        self.rounds.setdefault(who, []).append(value)

    def beside(self, who: str, other: str | None) -> float | None:
        """How many times the other's: the median over rounds, each compared with the other's of the same round."""
        if other is None or other not in self.rounds:
            return None
        return median(mine / theirs for mine, theirs in zip(self.rounds[who], self.rounds[other], strict=True))


class Figures:
    """All of a run, in the order in which they were first asked for."""

    def __init__(self) -> None:
        self._figures: dict[str, Figure] = {}

    def figure(self, what: str, unit: str, *, bare: str | None = None, arq: str | None = None) -> Figure:
        """The figure of this name, made when it is new."""
        return self._figures.setdefault(what, Figure(what, unit, bare, arq))

    def table(self, caption: str) -> Table:
        """For a terminal: a figure a section, who was measured below it."""
        table = Table(caption=caption, caption_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("", no_wrap=True)
        for column in ("median", "min - max", "x bare", "x arq"):
            table.add_column(column, justify="right", no_wrap=True)
        for each in self._figures.values():
            table.add_row(f"[bold]{each.what}, {each.unit}[/]")
            for who, values in each.rounds.items():
                table.add_row(
                    f"  {who}",
                    _shown(median(values)),
                    f"{_shown(min(values))} - {_shown(max(values))}",
                    _times(each.beside(who, each.bare)),
                    _times(each.beside(who, each.arq)),
                )
        return table

    def as_json(self) -> list[dict[str, Any]]:
        """For a file."""
        return [
            {
                "figure": each.what, "unit": each.unit, "who": who, "median": median(values), "rounds": values,
                "x_bare": each.beside(who, each.bare), "x_arq": each.beside(who, each.arq),
            }
            for each in self._figures.values() for who, values in each.rounds.items()
        ]  # fmt: skip


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2f}"
