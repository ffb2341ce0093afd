"""Tables as charts."""

import pytest

from worker.kinds.presentation.deck import Run, Series, Table
from worker.kinds.presentation.reading.charts import Uncharted, read_chart


def text(words):
    return (Run(words),) if words else ()


def table(head, *rows):
    return Table(tuple(map(text, head)), tuple(tuple(map(text, row)) for row in rows), ("left",) * len(head))


def column(*cells):
    return table(("when", "much"), *((f"Q{n}", cell) for n, cell in enumerate(cells, 1)))


def test_the_first_column_names_what_the_others_count():
    given = table(("Year", "North", "South"), ("2025", "1", "2"), ("2026", "3", "-"))
    chart, aside = read_chart("line", text("Sales"), given)

    assert chart.categories == ("2025", "2026")
    assert chart.series == (Series("North", (1.0, 3.0)), Series("South", (2.0, None)))
    assert (chart.kind, chart.title, chart.table, aside) == ("line", text("Sales"), given, "")


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (["1,234.5", "2"], (1234.5, 2)),
        (["1.234,5", "1.234"], (1234.5, 1234)),
        (["1.234.567", "1.234"], (1234567, 1234)),
        (["1,234", "12.345"], (1234, 12.345)),
        (["1.500", "2.5"], (1.5, 2.5)),
        (["0,125", "1,5"], (0.125, 1.5)),
        (["1 234", "1\u202f234\u202f567,8"], (1234, 1234567.8)),
        (["1’234.50", "1_000"], (1234.5, 1000)),
        (["1,23,456"], (123456,)),
        (["−5", "-5", "–5", "(5)", "+5"], (-5, -5, -5, -5, 5)),
        (["", "–", "n/a", "?", "7"], (None, None, None, None, 7)),
        (["1e3", "2.5E-1"], (1000, 0.25)),
        ([".5", "5."], (0.5, 5)),
    ],
)
def test_numbers_are_read_as_people_write_them(written, values):
    chart, _ = read_chart("bar", (), column(*written))

    assert chart.series[0].values == values
    assert chart.unit == ""


@pytest.mark.parametrize(
    ("written", "values", "unit", "first"),
    [
        (["12 %", "5%", "0"], (12, 5, 0), " %", False),
        (["€ 5", "€6"], (5, 6), "€ ", True),
        (["-$5", "$-6", "($7)", "$0"], (-5, -6, -7, 0), "$", True),
        (["CHF 1'000", "CHF 2"], (1000, 2), "CHF ", True),
        (["5 km/h", "6 km/h"], (5, 6), " km/h", False),
        (["3.2 M", "4 M"], (3.2, 4), " M", False),
        (["3.2M", "800k"], (3_200_000, 800_000), "", False),
        (["$3.4k", "$2m"], (3400, 2_000_000), "$", True),
        (["3,2 Mio. €", "1 Mrd. €"], (3_200_000, 1e9), " €", False),
        (["5 m", "6 m"], (5, 6), " m", False),
    ],
)
def test_what_stands_at_every_number_is_the_unit(written, values, unit, first):
    chart, aside = read_chart("bar", (), column(*written))

    assert chart.series[0].values == pytest.approx(values)
    assert (chart.unit, chart.unit_first, aside) == (unit, first, "")


def test_a_unit_that_only_some_numbers_have_is_left_out_and_that_is_said():
    chart, aside = read_chart("bar", (), column("5 km", "6"))

    assert (chart.unit, aside) == ("", "'km' is left out of the numbers")


@pytest.mark.parametrize(
    "cell",
    ["lots", "Q1", "1.2.3", "12.05.2024", "3 of 5", "5-6", "12 (est.)", "~5", "<1", "1,2,3", "--5", "10:30", "ⅷ"],
)
def test_a_cell_that_is_no_number_makes_no_chart_and_is_named(cell):
    with pytest.raises(Uncharted, match=r"in row 2 of the column 'much' is no number") as error:
        read_chart("bar", (), column("1", cell))

    assert cell in str(error.value)


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("bar", column("5 km", "6 kg"), "its numbers have different units, 'kg' and 'km'"),
        ("bar", column("", "-"), "the column 'much' has no number"),
        ("bar", column("9" * 400), "a number in the column 'much' is too large"),
        ("bar", column(), "it takes a column of names and one of numbers at least"),
        ("bar", table(("a",), ("1",)), "it takes a column of names and one of numbers at least"),
        ("bar", column(*["1"] * 25), "25 rows are more than 24"),
        ("line", column(*["1"] * 101), "101 rows are more than 100"),
        ("bar", table(["a"] * 10, ["1"] * 10), "9 columns of numbers are more than 8"),
        ("pie", column("1", "-1"), "a pie has no negative parts, and the column 'much' has"),
        ("pie", column("0", "0"), "the numbers in the column 'much' add up to nothing"),
    ],
)
def test_what_no_chart_can_show_is_said(kind, given, why):
    with pytest.raises(Uncharted) as error:
        read_chart(kind, (), given)

    assert str(error.value) == why


def test_as_many_numbers_as_fit_are_drawn():
    assert len(read_chart("bar", (), column(*["1"] * 24))[0].categories) == 24
    assert len(read_chart("line", (), column(*["1"] * 100))[0].categories) == 100
    assert len(read_chart("bar", (), table(["a"] * 9, ["1"] * 9))[0].series) == 8


def test_a_pie_shows_its_first_column_of_numbers_and_says_so():
    chart, aside = read_chart("pie", (), table(("a", "b", "c", "d"), ("x", "1", "two", "3")))

    assert chart.series == (Series("b", (1.0,)),)
    assert aside == "a pie shows one column of numbers, and so nothing of 'c', 'd'"
