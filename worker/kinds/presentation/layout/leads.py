"""What a text begins with: a number, or a moment in time."""

import re
from dataclasses import replace

from worker.kinds.presentation.deck import Run, Text

_NUMBER = re.compile(r"[+\-−±~≈<>≤≥]?\s?[$€£¥₹]?\s?\d[\d.,:/ \u00a0\u202f]*\s?(%|٪|‰|°\w?|[x×]|[^\W\d_]{1,4}|\+)?")
_MONTHS = (
    r"(?:jan(?:uary?)?|feb(?:ruary?)?|mar(?:ch)?|märz?|apr(?:il)?|may|mai|jun[ei]?|jul[yi]?|aug(?:ust)?|"
    r"sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\b\.?"
)
_MOMENT = re.compile(
    rf"(?:{_MONTHS}\s)?(?:1\d|20|21)\d\d(?:[/–-]\d\d(?:\d\d)?)?s?|[QH][1-4](?:\s?\d{{2,4}})?|\d{{1,2}}:\d\d|"
    rf"(?:\d{{1,2}}\.?\s)?{_MONTHS}(?:\s\d{{1,4}})?|"
    r"(?:day|week|month|year|phase|step|stage|sprint|tag|woche|schritt|jahr)\s\d{1,3}(?:[–-]\d{1,3})?|"
    r"now|next|later|today|tomorrow|heute|morgen",
    re.IGNORECASE,
)
_MOMENT_FIRST = re.compile(rf"\s*({_MOMENT.pattern})(?::|\s[–—]\s)\s*", re.IGNORECASE)
_AFTER_MOMENT = re.compile(r"^\s*(?::|–|—|-)?\s*")


def lead(text: Text) -> tuple[Run, Text] | None:
    """What a text begins with in bold, and the rest without the sign between them."""
    if not text or not text[0].bold:
        return None
    first, *rest = text
    begins = replace(first, text=first.text.strip().removesuffix(":"), bold=False)
    if rest:
        rest[0] = replace(rest[0], text=_AFTER_MOMENT.sub("", rest[0].text, count=1))
    return begins, tuple(run for run in rest if run.text)


def is_number(run: Run) -> bool:
    """Whether this is a short number, perhaps with a sign and a unit: `42 %`, `$3.4M`, `10x`."""
    return len(run.text) <= 10 and bool(_NUMBER.fullmatch(run.text.strip()))


def is_moment(text: str) -> bool:
    """Whether this is a moment in time, or one of an order: `2021`, `Q3 2024`, `March`, `Week 3`, `Later`."""
    return bool(_MOMENT.fullmatch(text.strip()))


def when(text: Text) -> tuple[str, Text] | None:
    """The moment at the beginning of a text, in bold or before a sign, and the rest."""
    if (begins := lead(text)) and is_moment(begins[0].text):
        return begins[0].text, begins[1]
    if first := _MOMENT_FIRST.match(text[0].text):
        rest = (replace(text[0], text=text[0].text[first.end() :]), *text[1:])
        return first[1], tuple(run for run in rest if run.text)
    return None
