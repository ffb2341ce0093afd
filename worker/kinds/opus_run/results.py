"""What a run gave, in either of Opus's shapes, and what its reviewer said. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_FILES = ("file", "array_files")
_OLD_FILES = "outputFiles"
MOST_CHARACTERS = 4000
"""How much of a text stands in the small JSON; the whole of it is in the file."""
MOST_IN_A_LINE = 200
_ABOUT_A_DECISION = frozenset(
    {
        "accept",
        "accepted",
        "approve",
        "approved",
        "approval",
        "decision",
        "outcome",
        "review",
        "review decision",
        "verdict",
    }
)
_YES = frozenset({"true", "yes", "accept", "accepted", "approve", "approved"})
_NO = frozenset({"false", "no", "reject", "rejected", "decline", "declined"})


@dataclass(frozen=True)
class Output:
    """One thing that a run gave, by the name that people see."""

    name: str
    type: str
    value: Any

    def as_text(self) -> str:
        """As it is read: text as it is, anything else as JSON."""
        if isinstance(self.value, str):
            return self.value
        return f"```json\n{json.dumps(self.value, indent=2, ensure_ascii=False)}\n```"


def outputs_of(raw: Mapping[str, Any]) -> list[Output]:
    """From results of the newer shape, whose outputs say what they are, or of the older one, whose do not."""
    newer = raw.get("jobResultsPayloadSchema")
    if isinstance(newer, Mapping):
        return [_newer(str(variable), about) for variable, about in newer.items()]
    older = raw.get("results")
    if isinstance(older, Mapping):
        return [Output(str(name), "array_files" if name == _OLD_FILES else "", value) for name, value in older.items()]
    return []


def _newer(variable: str, about: Any) -> Output:
    if not isinstance(about, Mapping) or "value" not in about:
        return Output(variable, "", about)
    name = about.get("displayName") or about.get("display_name") or variable
    return Output(str(name), str(about.get("type") or ""), about["value"])


def files_of(outputs: Sequence[Output]) -> list[str]:
    """The addresses of files among them."""
    found = list[str]()
    for each in outputs:
        if each.type in _FILES:
            found += [
                url for url in (each.value if isinstance(each.value, list) else [each.value]) if isinstance(url, str)
            ]
    return [url for url in dict.fromkeys(found) if url.startswith(("https://", "http://"))]


def decision_of(outputs: Sequence[Output], review: Mapping[str, Any]) -> str | None:
    """`approve` or `rejected`, as the review says or an output that is called so; None where neither does."""
    said = [word for each in _reviews(review) for word in map(_word, _about_decisions(each))]
    said += [_word(each.value) for each in outputs if _folded(each.name) in _ABOUT_A_DECISION]
    if "rejected" in said:
        return "rejected"
    return "approve" if "approve" in said else None


def comment_of(review: Mapping[str, Any]) -> str:
    """What the reviewer wrote, where Opus tells it."""
    return next((str(each["comment"]) for each in _reviews(review) if each.get("comment")), "")


def shown_as(outputs: Sequence[Output]) -> dict[str, Any]:
    """The outputs as small JSON, long texts cut."""
    return {each.name: _cut(each.value, MOST_CHARACTERS) for each in outputs}


def line_of(outputs: Sequence[Output], decision: str | None, comment: str) -> str:
    """What came of it, as one line."""
    if decision == "rejected":
        return f"Rejected in Opus{f': {_cut(_tidy(comment), MOST_IN_A_LINE)}' if comment else ''}"
    told = next((_tidy(each.value) for each in outputs if isinstance(each.value, str) and each.type not in _FILES), "")
    said = "Approved in Opus" if decision else "Completed in Opus"
    return f"{said}: {_cut(told, MOST_IN_A_LINE)}" if told else said


def _reviews(review: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A review says what it says at its top, in `output`, or as one of several: none of it is documented."""
    listed = [each for each in review.get("reviews") or () if isinstance(each, Mapping)]
    here = [review, *listed]
    return [*here, *(each["output"] for each in here if isinstance(each.get("output"), Mapping))]


def _about_decisions(review: Mapping[str, Any]) -> list[Any]:
    return [value for name, value in review.items() if _folded(str(name)) in _ABOUT_A_DECISION | {"status"}]


def _word(value: Any) -> str | None:
    word = str(value).strip().casefold()
    return "rejected" if word in _NO else "approve" if word in _YES else None


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _cut(value: Any, most: int) -> Any:
    return f"{value[: most - 1].rstrip()}…" if isinstance(value, str) and len(value) > most else value
