"""What an episode is about without a model: its most telling sentences, its phrases, its chapters. Picked, never written."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.kinds.episode.said import Chapter, Enriched, Line, Point, Transcript, clock

MOST_SENTENCES = 500
"""Of more, every second or third is weighed: the ranking compares each with each."""
_SHORTEST = 6
_LONGEST = 60
_WINDOW = 8
"""How many sentences before a place are compared with as many after it."""
_CUE_WEIGHT, _PAUSE_WEIGHT, _PAUSE_S = 0.5, 0.25, 1.2
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,]\d+)*")
_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)]*\s+|(?<=[。！？])")
_CUES = re.compile(
    r"^(?:(?:so|and|but|now|okay|ok|right|well|alright)[, ]+)*(?:"
    r"let(?:'s|’s| us| me) (?:talk|turn|move|look|get|go|start|begin|switch|come|speak)\b|"
    r"(?:moving|turning) (?:on|to)\b|next (?:up|topic|question|item|is|we|let)\b|the next (?:thing|topic|question|item|part)\b|"
    r"finally\b|lastly\b|to (?:sum up|conclude|summari[sz]e|finish|close)\b|in (?:conclusion|closing|summary)\b|"
    r"first of all\b|our (?:first|second|third|next|last|final)\b|another (?:topic|question|subject)\b|coming up\b|"
    r"(?:welcome|hello|hi)\b.{0,30}\b(?:to|everyone|back)\b|on another note\b|speaking of\b|(?:and )?that brings us\b|"
    r"als nächstes\b|zum schluss\b|kommen wir\b|sprechen wir\b|enfin\b|passons\b|parlons\b|por último\b|pasemos\b|hablemos\b)",
    re.IGNORECASE,
)
_FILLERS = frozenset(
    ["um", "uh", "erm", "hmm", "mhm", "yeah", "yep", "okay", "ok", "like", "basically", "actually", "literally"]
)
_COMMON = """a about above after again all almost also always am an and any are as at back be because been before being both but
by came can cannot come could did didn do does doesn doing don done down each even ever every few first for from get
gets getting give go goes going gone gonna good got great had has hasn have haven having he her here hers him his how i
if in into is isn it its just kind know last least let lets like little ll long look lot made make many may maybe me mean
might more most much must my need never new next no not nothing now of off oh on once one ones only or other our out over
own people perhaps put quite rather re really right said same say says see seem seems shall she should since so some
something still such sure take tell than that the their them then there these they thing things think this those though
three through time to today too two under until up upon us use used using ve very want wants was way we well went were
what when where whether which while who whom whose why will with without won would yeah yes yet you your four five six seven eight nine ten twenty hundred thousand million
aber alle als also am an auch auf aus bei bin bis da dann das dass dem den der des die dies diese doch du ein eine einem
einen einer er es für ganz haben hat hier ich ihr im in ist ja kann kein können man mal mehr mein mit nach nicht noch nun
nur ob oder schon sehr sein sich sie sind so und uns von vor war was wenn wer wie wir wird wo zu zum zur über
à au aux avec ce ces cette dans de des du elle en est et eux il ils je la le les leur lui ma mais me mes moi mon ne nos
notre nous on ou où par pas pour qu que qui sa se ses son sont sur ta te tes toi ton tu un une vos votre vous
al como con de del el ella en era es esta este fue ha hay la las lo los más me mi muy no nos o para pero por que se si sin
su sus también te tu un una y ya"""
_STOP = frozenset(_COMMON.split())


@dataclass(frozen=True)
class _Sentence:
    start: float
    end: float
    text: str
    terms: tuple[str, ...]


def extractive(transcript: Transcript, duration_s: float) -> Enriched:
    """The episode as its own words tell it; times are those of the lines that it was picked from."""
    sentences = _sentences(transcript.lines)
    weights = _weights(sentences)
    chapters = _chapters(sentences, weights, duration_s)
    return Enriched(
        engine="extractive",
        summary=[Point(start=each.start, text=each.text) for each in _telling(sentences, weights)],
        chapters=chapters,
        phrases=_phrases(sentences, 10),
    )


# ------------------------------------------------------------------------------------------------------------ reading


def _sentences(lines: Sequence[Line]) -> list[_Sentence]:
    """The lines as whole sentences; one that begins within a line begins in proportion to where it stands there."""
    found: list[_Sentence] = []
    words, start, end = "", 0.0, 0.0
    for line in lines:
        length, at = max(len(line.text), 1), 0
        for part in _parts(line.text):
            if not words:
                start = line.start + (line.end - line.start) * at / length
            words = f"{words} {part}".strip()
            at += len(part) + 1
            end = line.start + (line.end - line.start) * min(at / length, 1)
            if words.endswith((".", "!", "?", "…", "。", "！", "？", '"', "”")) or len(words.split()) >= _LONGEST:
                found.append(_Sentence(start, end, words, _terms(words)))
                words = ""
    return [*found, _Sentence(start, end, words, _terms(words))] if words else found


def _parts(text: str) -> list[str]:
    return [part.strip() for part in _END.split(text) if part and part.strip()]


def _terms(text: str) -> tuple[str, ...]:
    return tuple(_stem(word) for each in _WORD.findall(text) if len(word := each.lower()) > 1 and word not in _STOP)


def _stem(word: str) -> str:
    """Roughly: so that `lanes` and `lane` are one."""
    for suffix in ("'s", "’s", "ies", "es", "s"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            return word[: -len(suffix)] + ("y" if suffix == "ies" else "")
    return word


def _weights(sentences: Sequence[_Sentence]) -> dict[str, float]:
    """How much a term tells: little where many sentences have it."""
    having = Counter(term for each in sentences for term in set(each.terms))
    return {term: math.log(1 + len(sentences) / number) for term, number in having.items()}


# ------------------------------------------------------------------------------------------------------------ summary


def _telling(sentences: Sequence[_Sentence], weights: Mapping[str, float]) -> list[_Sentence]:
    """Those to which most others are alike (TextRank), each unlike the ones picked before it (MMR), in order of time."""
    step = max(1, math.ceil(len(sentences) / MOST_SENTENCES))
    worth = [each for each in sentences[::step] if _is_worth_it(each)]
    if not worth:
        return list(sentences[:3])
    vectors = [_vector(each.terms, weights) for each in worth]
    alike = _alike(vectors)
    ranks = _ranked(alike)
    most = min(max(3, round(math.sqrt(len(worth)))), 8, len(worth))
    highest = max(ranks) or 1
    picked: list[int] = []
    while len(picked) < most:
        rest = (number for number in range(len(worth)) if number not in picked)
        best = max(
            rest,
            key=lambda number: (
                0.7 * ranks[number] / highest - 0.3 * max((alike[number][other] for other in picked), default=0)
            ),
        )
        picked.append(best)
    return [worth[number] for number in sorted(picked)]


def _is_worth_it(sentence: _Sentence) -> bool:
    words = sentence.text.split()
    fillers = sum(word.strip(".,!?").lower() in _FILLERS for word in words)
    return (
        _SHORTEST <= len(words) <= _LONGEST
        and len(sentence.terms) >= 3
        and fillers * 5 <= len(words)
        and not sentence.text.endswith("?")
    )


def _alike(vectors: Sequence[Mapping[str, float]]) -> list[list[float]]:
    alike = [[0.0] * len(vectors) for _ in vectors]
    for row, one in enumerate(vectors):
        for column in range(row):
            alike[row][column] = alike[column][row] = _cosine(one, vectors[column])
    return alike


def _ranked(alike: Sequence[Sequence[float]], rounds: int = 40, damping: float = 0.85) -> list[float]:
    many = len(alike)
    given = [sum(row) for row in alike]
    ranks = [1.0] * many
    for _ in range(rounds):
        shares = [rank / total if total else 0.0 for rank, total in zip(ranks, given, strict=True)]
        after = [1 - damping + damping * sum(map(float.__mul__, row, shares)) for row in alike]
        if max(abs(one - other) for one, other in zip(ranks, after, strict=True)) < 1e-4:
            return after
        ranks = after
    return ranks


def _vector(terms: Sequence[str], weights: Mapping[str, float]) -> dict[str, float]:
    counts = Counter(terms)
    vector = {term: number * weights[term] for term, number in counts.items()}
    length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
    return {term: value / length for term, value in vector.items()}


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    if len(one) > len(other):
        one, other = other, one
    return sum(value * other.get(term, 0.0) for term, value in one.items())


# ----------------------------------------------------------------------------------------------------------- chapters


def _chapters(sentences: Sequence[_Sentence], weights: Mapping[str, float], duration_s: float) -> list[Chapter]:
    """Where the words change (TextTiling), somebody says so, or pauses; called after what is said there and not elsewhere."""
    most = min(24, int(duration_s // 45))
    if not sentences or most < 2:
        return []
    depths = _depths(sentences, weights)
    wanted = sum(depths.values()) / len(depths) + _deviation(list(depths.values())) / 2 if depths else 0.0
    shortest_s = max(40.0, duration_s / 40)
    begins = [0]
    for number, depth in sorted(depths.items(), key=lambda item: -item[1]):
        at = sentences[number].start
        is_free = (
            all(abs(at - sentences[other].start) >= shortest_s for other in begins) and duration_s - at >= shortest_s
        )
        if depth > wanted and depth > 0.15 and is_free and len(begins) < most:
            begins.append(number)
    begins.sort()
    if len(begins) < 2:
        return []
    parts = [sentences[begin:end] for begin, end in pairwise([*begins, len(sentences)])]
    phrases = [_candidates(part) for part in parts]
    having = Counter(phrase for each in phrases for phrase in each)
    starts = [0.0, *(part[0].start for part in parts[1:])]
    return [
        Chapter(start=start, title=_called(here, having) or f"From {clock(start)}")
        for start, here in zip(starts, phrases, strict=True)
    ]


def _depths(sentences: Sequence[_Sentence], weights: Mapping[str, float]) -> dict[int, float]:
    """Sentence → how much of a change it begins."""
    near = {
        number: _cosine(
            _vector([term for each in sentences[max(number - _WINDOW, 0) : number] for term in each.terms], weights),
            _vector([term for each in sentences[number : number + _WINDOW] for term in each.terms], weights),
        )
        for number in range(1, len(sentences))
    }
    depths = {}
    for number, here in near.items():
        left, right = _climb(near, number, -1), _climb(near, number, 1)
        depth = (left - here) + (right - here)
        depth += _CUE_WEIGHT * bool(_CUES.match(sentences[number].text))
        depth += _PAUSE_WEIGHT * (sentences[number].start - sentences[number - 1].end > _PAUSE_S)
        depths[number] = depth
    return depths


def _climb(near: Mapping[int, float], number: int, way: int) -> float:
    """The top of the slope that leads up from here."""
    top = near[number]
    while near.get(number + way, -1.0) >= top:
        number += way
        top = near[number]
    return top


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _called(here: Counter[str], having: Mapping[str, int]) -> str:
    """The phrases of a part that few of the others have, as a title."""

    def worth(phrase: str) -> float:
        return here[phrase] * (1 + phrase.count(" ")) / having[phrase]

    words = ", ".join(_unlike(sorted(here, key=lambda phrase: (-worth(phrase), phrase)), 2))
    return words[:1].upper() + words[1:]


# ------------------------------------------------------------------------------------------------------------ phrases


def _phrases(sentences: Sequence[_Sentence], most: int) -> list[str]:
    """What is spoken of most, in one to three words, none of them said by another one."""
    counts = _candidates(sentences)
    often = sorted(counts, key=lambda phrase: (-counts[phrase] * (1 + 1.3 * phrase.count(" ")), phrase))
    return _unlike([phrase for phrase in often if counts[phrase] > 1], most)


def _candidates(sentences: Sequence[_Sentence]) -> Counter[str]:
    """Runs of up to three words none of which is a common one, as they were said, counted."""
    counts, forms = Counter[tuple[str, ...]](), dict[tuple[str, ...], Counter[str]]()
    for sentence in sentences:
        for run in re.split(r"[.,;:!?…()\"“”—–]+", sentence.text):
            words = _WORD.findall(run)
            for begin in range(len(words)):
                for length in (1, 2, 3):
                    said = words[begin : begin + length]
                    if len(said) < length or any(_is_common(word) for word in said):
                        break
                    if length == 1 and (len(said[0]) < 4 or said[0].isdigit()):
                        continue
                    stems = tuple(_stem(word.lower()) for word in said)
                    counts[stems] += 1
                    forms.setdefault(stems, Counter())[" ".join(said)] += 1
    named = Counter[str]()
    for stems, number in counts.items():
        if len(stems) == 1 or number > 1:
            named[_form(forms[stems])] += number
    return named


def _is_common(word: str) -> bool:
    lower = word.lower().replace("’", "'").partition("'")[0]
    return lower in _STOP or lower in _FILLERS or len(lower) < 2


def _form(forms: Counter[str]) -> str:
    """The way in which it is said most; with a capital only where it nearly always has one."""
    said = forms.most_common(1)[0][0]
    lower = sum(number for form, number in forms.items() if form == form.lower())
    return said.lower() if lower * 3 >= sum(forms.values()) else said


def _unlike(phrases: Sequence[str], most: int) -> list[str]:
    """The first of them that share no word with those before."""
    taken: set[str] = set()
    found = list[str]()
    for phrase in phrases:
        stems = {_stem(word.lower()) for word in phrase.split()}
        if stems & taken:
            continue
        taken |= stems
        found.append(phrase)
        if len(found) == most:
            break
    return found
