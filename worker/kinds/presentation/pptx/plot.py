"""A chart as PowerPoint's own, with its numbers in a workbook, so that it can be edited."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lxml import etree
from pptx.chart.data import CategoryChartData
from pptx.chart.xlsx import CategoryWorkbookWriter
from pptx.enum.chart import (
    XL_AXIS_CROSSES,
    XL_CHART_TYPE,
    XL_LABEL_POSITION,
    XL_LEGEND_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
    XL_TICK_MARK,
)
from pptx.enum.dml import MSO_THEME_COLOR
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls, qn
from pptx.parts.chart import ChartPart
from pptx.util import Pt

from worker.kinds.presentation.deck import Chart, plain
from worker.kinds.presentation.layout.sheet import Plot
from worker.kinds.presentation.pdf.axis import axis, places
from worker.kinds.presentation.pdf.plot_marks import GAP, LINE, MARKER, MOST_LABELLED, OVERLAP, THIN, TITLE, color
from worker.kinds.presentation.pptx.shapes import SCHEME
from worker.kinds.presentation.pptx.template import SOME_DAY
from worker.kinds.presentation.theme import Color

_STEPS = 5
_TYPES = {"bar": XL_CHART_TYPE.COLUMN_CLUSTERED, "line": XL_CHART_TYPE.LINE_MARKERS, "pie": XL_CHART_TYPE.PIE}
_BARE = f"<c:spPr {nsdecls('c', 'a')}><a:noFill/><a:ln><a:noFill/></a:ln></c:spPr>"


class _Workbook(CategoryWorkbookWriter):
    """The numbers of a chart as a workbook without a date, in which words are words: no formulas, no links."""

    @contextmanager
    def _open_worksheet(self, file: Any) -> Iterator[tuple[Any, Any]]:
        with super()._open_worksheet(file) as (workbook, sheet):
            workbook.set_properties({"created": SOME_DAY})
            sheet.strings_to_formulas = sheet.strings_to_urls = False
            yield workbook, sheet


class _Data(CategoryChartData):
    @property
    def _workbook_writer(self) -> _Workbook:
        return _Workbook(self)  # type: ignore[no-untyped-call]


def chart_part(plot: Plot, package: Any) -> Any:
    """The chart as a part of the package, for a slide to be related to."""
    part = ChartPart.new(_type(plot), _data(plot.chart), package)
    drawn = part.chart
    _bare(drawn)
    drawn.font.size = Pt(plot.size)
    _paint(drawn.font.fill, "muted")
    _title(drawn, plot)
    _legend(drawn, plot.chart)
    match plot.chart.kind:
        case "bar":
            drawn.plots[0].gap_width, drawn.plots[0].overlap = round(GAP * 100), round(OVERLAP * 100)
            _axes(drawn, plot)
            _begin_at_zero(drawn, plot.chart)
            _fill_bars(drawn)
        case "line":
            _axes(drawn, plot)
            _draw_lines(drawn)
        case "pie":
            _fill_slices(drawn)
    _label(drawn, plot)
    return part


def _type(plot: Plot) -> Any:
    return XL_CHART_TYPE.BAR_CLUSTERED if plot.is_horizontal and plot.chart.kind == "bar" else _TYPES[plot.chart.kind]


def _data(chart: Chart) -> Any:
    data: Any = _Data(number_format=_number_format(chart, places(chart)))  # type: ignore[no-untyped-call]
    data.categories = chart.categories
    for series in chart.series:
        data.add_series(series.name, series.values)
    return data


def _number_format(chart: Chart, decimals: int) -> str:
    """How the numbers are written, in the format's own words."""
    unit = f'"{chart.unit.replace(chr(34), "")}"' if chart.unit else ""
    number = "#,##0" + ("." + "0" * decimals if decimals else "")
    return f"{unit}{number}" if chart.unit_first else f"{number}{unit}"


def _bare(drawn: Any) -> None:
    """No frame around the chart, and no round corners for it."""
    space = drawn._chartSpace
    space.insert_element_before(parse_xml(_BARE), "c:txPr", "c:externalData")
    space.insert_element_before(parse_xml(f'<c:roundedCorners {nsdecls("c")} val="0"/>'), "c:chart")


def _title(drawn: Any, plot: Plot) -> None:
    title = plain(plot.chart.title)
    drawn.has_title = bool(title)
    if not title:
        return
    drawn.chart_title.include_in_layout = False
    frame = drawn.chart_title.text_frame
    frame.text = title
    font = frame.paragraphs[0].runs[0].font
    font.size, font.bold = Pt(plot.size * TITLE), True
    _paint(font.fill, "ink")


def _legend(drawn: Any, chart: Chart) -> None:
    drawn.has_legend = len(chart.series) > 1 or chart.kind == "pie"
    if drawn.has_legend:
        drawn.legend.position, drawn.legend.include_in_layout = XL_LEGEND_POSITION.BOTTOM, False


def _axes(drawn: Any, plot: Plot) -> None:
    values, categories = drawn.value_axis, drawn.category_axis
    values.format.line.fill.background()
    values.has_major_gridlines = True
    _paint(values.major_gridlines.format.line.fill, "line")
    values.major_gridlines.format.line.width = Pt(THIN)
    values.tick_labels.number_format, values.tick_labels.number_format_is_linked = _axis_format(plot.chart), False
    _paint(categories.format.line.fill, "muted")
    categories.format.line.width = Pt(THIN)
    categories.has_major_gridlines = False
    categories.tick_label_position = XL_TICK_LABEL_POSITION.LOW  # below bars of less than nothing, too
    for line in (values, categories):
        line.major_tick_mark = line.minor_tick_mark = XL_TICK_MARK.NONE
    if plot.is_horizontal:
        categories.reverse_order = True  # the first on top, and the numbers below all the same
        values._element.crosses.val = XL_AXIS_CROSSES.MAXIMUM


def _begin_at_zero(drawn: Any, chart: Chart) -> None:
    """Bars are compared by their length; left alone, PowerPoint cuts them off where they differ little."""
    values = [value for series in chart.series for value in series.values if value is not None]
    if values and min(values) >= 0:
        drawn.value_axis.minimum_scale = 0
    elif values and max(values) <= 0:
        drawn.value_axis.maximum_scale = 0


def _axis_format(chart: Chart) -> str:
    """Whole numbers where the steps that PowerPoint chooses surely are, else as many decimals as they take."""
    scale, whole = axis(chart, _STEPS), _number_format(chart, 0)
    return whole if scale.high - scale.low >= 2 * _STEPS else whole.replace("#,##0", "General")


def _fill_bars(drawn: Any) -> None:
    for index, series in enumerate(drawn.plots[0].series):
        series.invert_if_negative = False
        _paint(series.format.fill, *color(index))


def _draw_lines(drawn: Any) -> None:
    for index, series in enumerate(drawn.plots[0].series):
        series.smooth = False
        series.format.line.width = Pt(LINE)
        _paint(series.format.line.fill, *color(index))
        series.marker.style, series.marker.size = XL_MARKER_STYLE.CIRCLE, int(MARKER)
        _paint(series.marker.format.fill, *color(index))
        series.marker.format.line.fill.background()


def _fill_slices(drawn: Any) -> None:
    (series,) = drawn.plots[0].series
    for index in range(len(list(series.values))):
        look = series.points[index].format
        _paint(look.fill, *color(index))
        _paint(look.line.fill, "background")
        look.line.width = Pt(1)
    pie = drawn.plots[0]._element
    pie.append(parse_xml(f'<c:firstSliceAng {nsdecls("c")} val="0"/>'))


def _label(drawn: Any, plot: Plot) -> None:
    """The values themselves, where there is room for them."""
    chart = plot.chart
    if chart.kind == "pie":
        labels = _labels(drawn, plot, "muted", "0%", XL_LABEL_POSITION.OUTSIDE_END)
        labels.show_value, labels.show_category_name, labels.show_percentage = False, True, True
        separator = parse_xml(f"<c:separator {nsdecls('c')}>, </c:separator>")
        labels._element.insert_element_before(separator, "c:showLeaderLines")
    elif len(chart.series) == 1 and len(chart.categories) <= MOST_LABELLED:
        place = XL_LABEL_POSITION.ABOVE if chart.kind == "line" else XL_LABEL_POSITION.OUTSIDE_END
        _labels(drawn, plot, "ink", _number_format(chart, places(chart)), place).show_value = True


def _labels(drawn: Any, plot: Plot, name: Color, number_format: str, place: Any) -> Any:
    drawn.plots[0].has_data_labels = True
    labels = drawn.plots[0].data_labels
    labels.font.size, labels.position = Pt(plot.size), place
    labels.number_format, labels.number_format_is_linked = number_format, False
    _paint(labels.font.fill, name)
    return labels


def _paint(fill: Any, name: Color, opacity: float = 1.0) -> None:
    fill.solid()
    fill.fore_color.theme_color = MSO_THEME_COLOR.from_xml(SCHEME[name])
    if opacity < 1:
        etree.SubElement(fill._xPr.find(f".//{qn('a:schemeClr')}"), qn("a:alpha"), val=str(round(opacity * 100_000)))
