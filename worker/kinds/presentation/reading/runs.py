"""Text as it is put together: runs merged, trimmed, shortened, and told from whom they are."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from worker.kinds.presentation.deck import Paragraph, Run, Text, plain

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_SOFT_BREAK, _AROUND_BREAK = re.compile(r"\v(?=[—–―]|--\s)"), re.compile(r" *\n *")
_DASH = re.compile(r"(—|–|―|--(?!-))\s*")


def printable(text: str) -> str:
    """The text with spaces for what neither PowerPoint nor a page can hold."""
    return _UNPRINTABLE.sub(" ", text)


def shortened(words: str, length: int) -> str:
    """The words as they are, or the first of them, with `…`."""
    if len(words) <= length:
        return words
    return words[:length].rsplit(" ", 1)[0].rstrip(" ,;:.–—-") + "…"


def shown_source(source: str) -> str:
    """Where a picture is from, short enough for a sentence."""
    return source if len(source) <= 80 else f"{source[: 24 if source.startswith('data:') else 79]}…"


def description(alt: str, caption: str) -> str:
    """What a picture that is not shown would say."""
    return f"{alt} ({caption})" if alt and caption and alt != caption else alt or caption


def merged(runs: Iterable[Run]) -> Text:
    """Neighbours of one style become one run. A soft break is a space, but before a dash, where a name follows."""
    whole = list[Run]()
    for run in runs:
        if whole and replace(whole[-1], text="") == replace(run, text=""):
            whole[-1] = replace(run, text=whole[-1].text + run.text)
        elif run.text:
            whole.append(run)
    soft = [run.text if run.code else _AROUND_BREAK.sub("\n", _SOFT_BREAK.sub("\n", run.text)) for run in whole]
    return tuple(replace(run, text=text.replace("\v", " ")) for run, text in zip(whole, soft, strict=True))


def trimmed(text: Text) -> Text:
    """The text without space at its ends; empty when there is nothing else."""
    if not plain(text):
        return ()
    first, *rest = text
    first = replace(first, text=first.text.lstrip())
    *rest, last = [first, *rest]
    return tuple(run for run in (*rest, replace(last, text=last.text.rstrip())) if run.text)


def credited(text: Text) -> tuple[Text, Text]:
    """A quote's last paragraph as its words and its source: what follows a dash at the beginning of a line."""
    for index, run in enumerate(text):
        before, newline, after = run.text.rpartition("\n")
        begins_line = bool(newline) or index == 0
        if begins_line and (dash := _DASH.match(after)):
            source = trimmed((replace(run, text=after[dash.end() :]), *text[index + 1 :]))
            return (trimmed((*text[:index], replace(run, text=before))), source) if source else (text, ())
    return text, ()


def lines(content: str) -> Iterator[Paragraph]:
    """A paragraph for each line that says something."""
    for line in content.split("\n"):
        if words := " ".join(line.split()):
            yield Paragraph((Run(words),))
