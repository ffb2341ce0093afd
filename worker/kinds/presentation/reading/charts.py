"""A table to the chart that its numbers make."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from worker.kinds.presentation.deck import Chart, ChartKind, Series, Table, Text, plain

KINDS: dict[str, ChartKind] = {
    **{kind: kind for kind in get_args(ChartKind)},
    "bars": "bar",
    "column": "bar",
    "columns": "bar",
    "lines": "line",
    "area": "line",
    "donut": "pie",
    "doughnut": "pie",
}
"""What people call the kinds of charts that there are."""
MOST_SERIES = 8
MOST_CATEGORIES: dict[ChartKind, int] = {"bar": 24, "line": 100, "pie": 24}

_NO_NUMBER = {"", "-", "–", "—", "−", "n/a", "n.a.", "na", "none", "null", "?", "…", "..."}
_SPACE = " \u00a0\u2009\u202f"
_DIGITS = rf"\d{{1,3}}(?:[{_SPACE}'’_]\d{{3}})+(?:[.,]\d+)?|\d[\d.,]*|[.,]\d+"
_CURRENCY = r"[A-Z]{1,3}[$€£¥]|[A-Z]{3}(?=[\s\d.,−–+-])|[$€£¥₹₩₽₺₴₪฿₫₱₦]"
_NUMBER = re.compile(
    rf"(?P<opens>\()?(?P<sign>[-−–+])?(?P<before>(?:{_CURRENCY})[{_SPACE}]?)?(?P<inner_sign>[-−–+])?"
    rf"(?P<digits>{_DIGITS})(?P<power>[eE][-+]?\d{{1,3}})?"
    rf"(?P<behind>[{_SPACE}]?[^\s\d()][^\d()]{{0,15}})?(?(opens)\)[{_SPACE}]?(?P<percent>%)?)"
)
_SCALES = {
    **dict.fromkeys(("k", "K", "thousand", "Tsd.", "Tsd"), 1e3),
    **dict.fromkeys(("M", "mn", "million", "millions", "Mio.", "Mio"), 1e6),
    **dict.fromkeys(("B", "bn", "billion", "billions", "Mrd.", "Mrd"), 1e9),
    **dict.fromkeys(("tn", "trillion", "trillions"), 1e12),
}
_SCALED = re.compile(
    rf"[{_SPACE}]?(?P<scale>{'|'.join(map(re.escape, _SCALES))})(?P<unit>[{_SPACE}]?[$€£¥]|[{_SPACE}].*|)"
)
_WELL_FORMED = re.compile(
    r"\d*[.,]?\d+|\d+[.,]|\d{1,3}([.,])\d{3}(?:\1\d{3})*(?:(?!\1)[.,]\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?"
)
_GROUPED = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")


class Uncharted(Exception):
    """Why a table is no chart, to stand behind `as`."""


@dataclass(frozen=True)
class _Number:
    """A cell as it was written: its digits with their marks, and what stands around them."""

    digits: str
    power: str
    negative: bool
    before: str
    behind: str
    scale: str


def read_chart(kind: ChartKind, title: Text, table: Table) -> tuple[Chart, str]:
    """The chart that a table makes, and a clause on what is not in it. Raises Uncharted when it makes none.

    The first column says what the numbers of the others are of.
    """
    if len(table.head) < 2 or not table.rows:
        raise Uncharted("it takes a column of names and one of numbers at least")
    aside = list[str]()
    across = len(table.head)
    if kind == "pie" and across > 2:
        others = ", ".join(f"'{plain(name)}'" for name in table.head[2:])
        aside.append(f"a pie shows one column of numbers, and so nothing of {others}")
        across = 2
    if across - 1 > MOST_SERIES:
        raise Uncharted(f"{across - 1} columns of numbers are more than {MOST_SERIES}")
    if len(table.rows) > MOST_CATEGORIES[kind]:
        raise Uncharted(f"{len(table.rows)} rows are more than {MOST_CATEGORIES[kind]}")

    columns = [[_read(table, row, column) for row in range(len(table.rows))] for column in range(1, across)]
    numbers = [number for column in columns for number in column if number]
    before, behind, times_scale, lost = _common(numbers)
    aside += [f"'{unit.strip()}' is left out of the numbers" for unit in lost]
    decimal = _decimal_mark(number.digits for number in numbers)
    series = tuple(
        Series(plain(name), tuple(_value(number, decimal, times_scale) if number else None for number in column))
        for name, column in zip(table.head[1:across], columns, strict=True)
    )
    _check(kind, series)
    categories = tuple(plain(row[0]) for row in table.rows)
    return Chart(kind, categories, series, table, title, before or behind, bool(before)), "; ".join(aside)


def _check(kind: ChartKind, series: Sequence[Series]) -> None:
    for one in series:
        values = [value for value in one.values if value is not None]
        if not values:
            raise Uncharted(f"the column '{one.name}' has no number")
        if not all(math.isfinite(value) for value in values):
            raise Uncharted(f"a number in the column '{one.name}' is too large")
        if kind == "pie" and min(values) < 0:
            raise Uncharted(f"a pie has no negative parts, and the column '{one.name}' has")
        if kind == "pie" and not sum(values):
            raise Uncharted(f"the numbers in the column '{one.name}' add up to nothing")


def _read(table: Table, row: int, column: int) -> _Number | None:
    """The number in a cell, None where it says that there is none."""
    written = plain(table.rows[row][column])
    if written.lower() in _NO_NUMBER:
        return None
    number = _NUMBER.fullmatch(written)
    digits = re.sub(rf"[{_SPACE}'’_]", "", number["digits"]) if number else ""
    if not number or not _WELL_FORMED.fullmatch(digits) or (number["sign"] and number["inner_sign"]):
        raise Uncharted(f"'{written[:40]}' in row {row + 1} of the column '{plain(table.head[column])}' is no number")
    before, behind = number["before"] or "", (number["behind"] or "") + (number["percent"] or "")
    if before and behind == "m":
        behind = "M"  # $5m are no metres
    scaled = _SCALED.fullmatch(behind)
    return _Number(
        digits=digits,
        power=number["power"] or "",
        negative=bool(number["opens"]) or (number["sign"] or number["inner_sign"] or "+") != "+",
        before=before,
        behind=scaled["unit"] if scaled else behind,
        scale=behind.removesuffix(scaled["unit"]) if scaled else "",
    )


def _common(numbers: Sequence[_Number]) -> tuple[str, str, bool, list[str]]:
    """The unit before and behind all numbers, whether their scales are to be reckoned in, and the units that are lost.

    One scale that all share, with no unit beside it, is shown as the unit: nobody wants to read `3,200,000`.
    """
    numbers = [number for number in numbers if number.digits.strip("0.,")] or numbers
    before, lost_before = _shared([number.before for number in numbers])
    behind, lost_behind = _shared([number.behind for number in numbers])
    scale, _ = _shared([number.scale for number in numbers])
    lost = [*lost_before, *lost_behind]
    if len(different := sorted({unit.strip() for unit in lost})) > 1:
        raise Uncharted(f"its numbers have different units, '{different[0]}' and '{different[1]}'")
    if scale and not (before or behind or lost):
        return "", scale, False, []
    if before and behind:
        return before, "", True, [behind, *lost]
    return before, behind, True, lost


def _shared(units: Sequence[str]) -> tuple[str, list[str]]:
    """The unit that all have, or those that only some have."""
    spelled = {unit.strip(): unit for unit in reversed(units)}
    if len(spelled) == 1:
        return next(iter(spelled.values())), []
    return "", [unit for unit in spelled.values() if unit]


def _decimal_mark(digits: Iterable[str]) -> str:
    """Whether a point or a comma parts the whole from its fraction, by those numbers that leave no doubt."""
    marks = [mark for written in digits if (mark := _told_mark(written))]
    return "," if marks.count(",") > marks.count(".") else "."


def _told_mark(written: str) -> str:
    """The mark that must be a decimal one in this number; empty when it could be either."""
    points, commas = written.count("."), written.count(",")
    if points and commas:
        return "." if written.rfind(".") > written.rfind(",") else ","
    if points > 1 or commas > 1:
        return "," if points else "."
    if not (points or commas) or (_GROUPED.fullmatch(written) and written[0] != "0"):
        return ""
    return "." if points else ","


def _value(number: _Number, decimal: str, times_scale: bool) -> float:
    mark = _told_mark(number.digits) or decimal
    whole = number.digits.replace("," if mark == "." else ".", "").replace(mark, ".")
    value = float(whole + number.power) * (_SCALES.get(number.scale.strip(), 1.0) if times_scale else 1.0)
    return -value if number.negative else value
