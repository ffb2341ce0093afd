"""Where a long recording is parted, so that each part is heard by itself and none of it twice."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

PART_S = 600.0
"""What is lost at most when a worker dies, and how much of a recording a model holds at once."""
LEEWAY_S = 120.0
"""How much longer or shorter a part may be for the sake of a pause."""
_PAUSE = 3
"""How many tenths of a second on either side of a cut are to be quiet."""


class Part(NamedTuple):
    """From one second to another."""

    start_s: float
    end_s: float


def cuts(loudness: Sequence[float], part_s: float = PART_S, leeway_s: float = LEEWAY_S) -> list[float]:
    """The quietest moments about every `part_s` seconds; `loudness` is that of each tenth of a second.

    None where all of it is little more than a part.
    """
    part, leeway, begin, found = round(part_s * 10), round(leeway_s * 10), 0, list[float]()
    while len(loudness) - begin > part + leeway:
        middle = begin + part
        near = range(middle - leeway, min(middle + leeway, len(loudness) - leeway // 2) + 1)
        begin = min(near, key=lambda at: (sum(loudness[at - _PAUSE : at + _PAUSE]), abs(at - middle)))
        found.append(begin / 10)
    return found


def parts(cuts: Sequence[float], duration_s: float) -> list[Part]:
    """What lies between them."""
    return [Part(start, end) for start, end in pairwise((0.0, *cuts, duration_s))]
