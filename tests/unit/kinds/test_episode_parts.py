"""Where a long recording is parted."""

from itertools import pairwise

from worker.kinds.episode.parts import Part, cuts, parts

TALK, PAUSE = 50.0, 1.0


def minutes(many: float) -> list[float]:
    """The loudness of a talk without a pause."""
    return [TALK] * round(many * 600)


def test_what_is_little_longer_than_a_part_is_heard_in_one_go() -> None:
    assert cuts(minutes(12)) == []
    assert parts([], 720) == [Part(0, 720)]


def test_a_long_recording_is_parted_in_the_middle_of_pauses() -> None:
    loudness = minutes(30)
    for pause_s in (9 * 60, 18 * 60 + 30):
        loudness[pause_s * 10 : pause_s * 10 + 8] = [PAUSE] * 8

    first, second = cuts(loudness)

    assert 0 < first - 9 * 60 < 0.8
    assert 0 < second - (18 * 60 + 30) < 0.8


def test_where_nobody_pauses_and_where_all_is_silent_the_parts_are_of_ten_minutes() -> None:
    assert cuts(minutes(31)) == cuts([0.0] * 31 * 600) == [600, 1200]


def test_a_dip_between_two_words_is_no_pause() -> None:
    loudness = minutes(15)
    loudness[6000] = 0
    loudness[6300:6306] = [PAUSE] * 6

    assert cuts(loudness) == [630.3]


def test_parts_hold_every_moment_once_and_none_is_a_mere_rest() -> None:
    for tenths in range(7190, 26000, 137):
        found = parts(cuts([TALK] * tenths), tenths / 10)

        assert found[0].start_s == 0
        assert found[-1].end_s == tenths / 10
        assert all(before.end_s == after.start_s for before, after in pairwise(found))
        assert all(60 <= part.end_s - part.start_s <= 720 for part in found)
