"""A chart as we draw it: where its parts stand, and what is written at them."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.kinds.presentation.deck import Chart, Run, Series, Table
from worker.kinds.presentation.layout.sheet import Box, Disc, Panel, Plot, Words
from worker.kinds.presentation.pdf.axis import axis, written
from worker.kinds.presentation.pdf.plot import drawing, told
from worker.kinds.presentation.pdf.plot_marks import LIGHTER, Stroke, Wedge
from worker.kinds.presentation.theme import HANKEN

BOX = Box(60, 136, 840, 350)
NAMES = st.text("abcWi 漢é-", max_size=40)
VALUES = st.none() | st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1e308, -1e308, 5e-324, 0.0003, 97.5, 98.0])


@st.composite
def charts(draw):
    kind, many = draw(st.sampled_from(["bar", "line", "pie"])), draw(st.integers(1, 24))
    values = st.lists(VALUES, min_size=many, max_size=many).map(tuple)
    series = draw(st.lists(st.builds(Series, NAMES, values), min_size=1, max_size=1 if kind == "pie" else 8))
    if kind == "pie":
        series = [Series(one.name, tuple(value and abs(value) for value in one.values)) for one in series]
    names = draw(st.lists(NAMES, min_size=many, max_size=many))
    unit, title = draw(st.sampled_from(["", "%", " km", "$"])), (Run(draw(NAMES) * draw(st.integers(1, 9))),)
    return Chart(kind, tuple(names), tuple(series), Table((), (), ()), title, unit, unit == "$")


def chart(kind, values, names="abcdefghijklmnopqrstuvwxyz", title="", unit="", **more):
    rows = values if isinstance(values[0], list | tuple) else [values]
    series = tuple(Series(f"S{n}", tuple(row)) for n, row in enumerate(rows))
    return Chart(kind, tuple(names[: len(rows[0])]), series, Table((), (), ()), (Run(title),), unit, **more)


def drawn(made, box=BOX, size=14.0, **more):
    return drawing(Plot(box, made, HANKEN, size, **more))


def said(marks):
    return ["".join(run.text for line in mark.lines for run in line.text) for mark in marks if isinstance(mark, Words)]


def of(kind, marks):
    return [mark for mark in marks if isinstance(mark, kind)]


def lies_within(inner, outer):
    near = 1e-6
    return (
        inner.x >= outer.x - near
        and inner.y >= outer.y - near
        and inner.x + inner.width <= outer.x + outer.width + near
        and inner.y + inner.height <= outer.y + outer.height + near
    )


@given(
    made=charts(),
    wide=st.floats(60, 900),
    high=st.floats(40, 420),
    size=st.floats(10, 18),
    lies=st.booleans(),
)
@settings(max_examples=150, deadline=None)
@example(made=chart("bar", [1e308, -1e308]), wide=400, high=300, size=14, lies=False)
@example(made=chart("line", [None, None]), wide=400, high=300, size=14, lies=False)
@example(made=chart("pie", [5e-324, 1e308]), wide=400, high=300, size=14, lies=False)
def test_no_text_leaves_the_box(made, wide, high, size, lies):
    box = Box(60, 100, wide, high)

    for mark in of(Words, drawn(made, box, size, is_horizontal=lies)):
        (line,) = mark.lines
        assert lies_within(mark.box, box)
        assert line.height(mark.box.width) <= mark.box.height + 0.01


@given(made=charts(), lies=st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_bar_point_or_slice_leaves_the_box(made, lies):
    for mark in drawn(made, is_horizontal=lies):
        match mark:
            case Panel(box=box):
                assert lies_within(box, BOX)
            case Disc(box=box):
                assert lies_within(Box(box.x + 3, box.y + 3, 0, 0), BOX)
            case Stroke(points=points) | Wedge(points=points):
                assert all(math.isfinite(x + y) and lies_within(Box(x, y, 0, 0), BOX) for x, y in points)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([3, 9.2, 4], [0, 2, 4, 6, 8, 10]),
        ([-3, 12], [-5, 0, 5, 10, 15]),
        ([-0.004, -0.001], [-0.004, -0.003, -0.002, -0.001, 0]),
        ([97, 98, 99], [0, 20, 40, 60, 80, 100]),
        ([0, 0], [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([None], [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_the_steps_of_bars_are_even_and_begin_at_nothing(values, ticks):
    assert axis(chart("bar", values), 6).ticks == pytest.approx(ticks)


def test_lines_that_would_be_flat_have_an_axis_of_their_own():
    assert axis(chart("line", [97, 98, 99]), 6).low > 90
    assert axis(chart("line", [10, 98, 99]), 6).low == 0


@pytest.mark.parametrize(
    ("value", "decimals", "unit", "first", "text"),
    [
        (1234567.0, 0, "", False, "1,234,567"),
        (12.5, 1, " km", False, "12.5 km"),
        (-5.0, 0, "$", True, "-$5"),
        (-0.001, 1, "%", False, "0.0%"),
        (1e300, 2, "", False, "1e+300"),
    ],
)
def test_values_are_written_with_their_unit(value, decimals, unit, first, text):
    assert written(value, chart("bar", [value], unit=unit, unit_first=first), decimals) == text


def test_bars_stand_on_the_line_of_nothing_and_hang_below_it():
    marks = drawn(chart("bar", [10, -5, 0, None]))
    up, down = of(Panel, marks)
    base = of(Stroke, marks)[-1]

    assert base.color == "muted"
    assert up.box.y + up.box.height == pytest.approx(down.box.y) == pytest.approx(base.points[0][1])
    assert up.box.height == pytest.approx(2 * down.box.height)


def test_between_groups_of_bars_is_60_percent_of_a_bar():
    bars = of(Panel, drawn(chart("bar", [[1, 1], [2, 2]])))[2:]
    first, second = (bar.box for bar in bars if bar.fill == "accent")
    other = next(bar.box for bar in bars if bar.fill == "accent2")

    assert second.x - (other.x + other.width) == pytest.approx(0.6 * first.width, rel=0.01)


def test_lying_bars_begin_with_the_first_on_top():
    marks = drawn(chart("bar", [3, 6]), is_horizontal=True)
    first, second = (bar.box for bar in of(Panel, marks))

    assert first.y < second.y
    assert first.x == second.x
    assert second.width == pytest.approx(2 * first.width)


def test_a_line_is_broken_where_a_value_is_missing():
    marks = drawn(chart("line", [1, 2, None, 3, None, 4, 5]))

    assert [len(stroke.points) for stroke in of(Stroke, marks) if stroke.width == 2.25] == [2, 2]
    assert len(of(Disc, marks)) == 5


def test_a_pie_goes_clockwise_from_12_o_clock():
    first, second = of(Wedge, drawn(chart("pie", [25, 75, 0], ["Sun", "Moon", "Rest"])))
    (x, y), top, *_, right = first.points

    assert top == pytest.approx((x, y - (right[0] - x)))
    assert right[1] == pytest.approx(y)
    assert second.points[1] == pytest.approx(right)


def test_slices_are_told_with_their_share():
    words = said(drawn(chart("pie", [25, 75], ["Sun", "Moon"])))

    assert words == ["Sun", "Moon", "Sun, 25%", "Moon, 75%"]


@pytest.mark.parametrize(
    ("made", "entries"),
    [
        (chart("bar", [1, 2]), []),
        (chart("bar", [[1, 2], [3, 4]]), ["S0", "S1"]),
        (chart("line", [[1, 2], [3, 4]]), ["S0", "S1"]),
        (chart("pie", [1, 2]), ["a", "b"]),
    ],
)
def test_a_legend_stands_where_colours_mean_something(made, entries):
    words = [mark for mark in of(Words, drawn(made)) if said([mark])[0] in entries and mark.box.y > BOX.y + 320]

    assert [said([mark])[0] for mark in words] == entries
    if entries:
        middle = (words[0].box.x - 14 + words[-1].box.x + words[-1].box.width) / 2
        assert middle == pytest.approx(BOX.x + BOX.width / 2, abs=8)


def test_values_stand_at_a_single_short_series_alone():
    assert "7.5" in said(drawn(chart("bar", [1, 7.5, 3])))
    assert "7.5" not in said(drawn(chart("bar", [[1, 7.5, 3], [1, 2, 3]])))
    assert "7.5" not in said(drawn(chart("bar", [7.5] * 13)))


def test_the_title_is_bold_and_stands_above():
    title = next(mark for mark in of(Words, drawn(chart("bar", [1], title="How high"))) if said([mark]) == ["How high"])

    assert (title.lines[0].bold, title.lines[0].color, title.lines[0].size) == (True, "ink", 14 * 1.15)
    assert title.box.y == BOX.y


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["Customer happiness"] * 8, ["Customer happiness"] * 8),
        ([str(year) for year in range(1990, 2024)], ["1990", "1992", "1994"]),
        (["Incomprehensibilities"] * 10, ["Incompre…"]),
    ],
)
def test_long_names_go_on_two_lines_many_are_thinned_and_others_cut(names, shown):
    marks = drawn(chart("line", [5.0] * len(names), names))
    words = [word for word in said(marks) if word[:4] in {name[:4] for name in names}]

    assert [word[: len(want)] for word, want in zip(words, shown, strict=False)] == shown
    assert max(mark.box.height for mark in of(Words, marks)) <= 2 * 1.2 * 14 + 0.1


@given(made=charts(), lies=st.booleans())
@settings(max_examples=60, deadline=None)
def test_names_of_categories_do_not_touch(made, lies):
    names = {name for name in made.categories if name}
    boxes = [mark.box for mark in of(Words, drawn(made, is_horizontal=lies)) if said([mark])[0] in names]

    for n, a in enumerate(boxes):
        for b in boxes[n + 1 :]:
            across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
            down = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
            assert across <= 0.01 or down <= 0.01


def test_colours_that_are_used_again_are_lighter():
    swatches = of(Panel, drawn(chart("bar", [[1]] * 6)))[:6]

    assert [swatch.fill for swatch in swatches] == ["accent", "accent2", "accent3", "accent4", "accent", "accent2"]
    assert [swatch.opacity for swatch in swatches] == [1, 1, 1, 1, LIGHTER, LIGHTER]


def test_who_cannot_see_the_chart_is_told_its_table():
    table = Table(((Run("Place"),), (Run("m"),)), (((Run("Fundy"),), (Run("16"),)),), ("left", "right"))

    assert told(Chart("bar", (), (), table, (Run("How high"),))) == "Bar chart: How high. Place; m. Fundy; 16."
