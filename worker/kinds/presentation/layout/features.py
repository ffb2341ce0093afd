"""Which slides are one thing, and so get a page of their own kind: a quote, numbers, a line of time, a picture, a chart."""

from worker.kinds.presentation.deck import Bullets, Chart, Columns, Image, ImageFile, Paragraph, Quote, Slide
from worker.kinds.presentation.layout.columns import columns_page
from worker.kinds.presentation.layout.numbers import numbers, of_columns, of_items, of_paragraphs
from worker.kinds.presentation.layout.pictures import chart_page, picture_page
from worker.kinds.presentation.layout.quotes import lone_quote
from worker.kinds.presentation.layout.sheet import Box, Shape
from worker.kinds.presentation.layout.stack import inside
from worker.kinds.presentation.layout.timeline import timeline
from worker.kinds.presentation.theme import Theme


def feature(slide: Slide, room: Box, theme: Theme) -> tuple[Shape, ...] | None:
    """The shapes of a slide that is one thing and fits on one page; None when it is no such slide."""
    match slide.blocks:
        case (Quote() as quote,):
            return lone_quote(quote, room, theme)
        case (Bullets() as bullets,):
            return numbers(of_items(bullets), room, theme) or timeline(bullets, room, theme)
        case (Columns() as columns,):
            return numbers(of_columns(columns), room, theme) or columns_page(columns, room, theme, inside)
        case (Image(file=ImageFile() as file) as image, *rest) | (*rest, Image(file=ImageFile() as file) as image):
            return picture_page(image, file, rest, room, theme)
        case (Chart() as chart, *rest):
            return chart_page(chart, rest, room, theme, is_left=True)
        case (*rest, Chart() as chart):
            return chart_page(chart, rest, room, theme, is_left=False)
        case (Paragraph(), *_):
            return numbers(of_paragraphs(slide.blocks), room, theme)
    return None
