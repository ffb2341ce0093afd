"""Lines of text in the words of PowerPoint's format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from worker.kinds.presentation.deck import Align, Run, Text
from worker.kinds.presentation.layout.fit import CODE
from worker.kinds.presentation.layout.sheet import Anchor, Box, Line
from worker.kinds.presentation.pptx.shapes import SCHEME, emu, fill
from worker.kinds.presentation.theme import MONO, TONES, Color, Face, Theme

Link = Callable[[str], str]
"""Takes an address and gives the id by which a run may lead there."""
CODE_FACE = "Consolas"
MOST_COUNTED = 32_767
"""The highest number that a list may begin with in the format."""
ANCHORS: dict[Anchor, str] = {"top": "t", "middle": "ctr", "bottom": "b"}
ALIGNS: dict[Align, str] = {"left": "l", "center": "ctr", "right": "r"}
_RIGHTWARD = "\u200e"
"""Put around text, it keeps its signs in place in a paragraph that runs the other way."""
_FIXED_PITCH = "49"
_BOXES = "☐☑☒"
_KEEPS_ITS_COLOR = (
    '<a:extLst><a:ext uri="{A12FA001-AC4F-418D-AE19-62706E023703}"><ahyp:hlinkClr '
    'xmlns:ahyp="http://schemas.microsoft.com/office/drawing/2018/hyperlinkcolor" val="tx"/></a:ext></a:extLst>'
)
"""Without it a link takes the theme's colour for links, which is for the background of content."""


@dataclass(frozen=True)
class Place:
    """Where lines stand, and how they look there without saying so. `kind` is what the placeholder is to PowerPoint."""

    box: Box
    face: Face
    kind: str = ""
    color: Color = "ink"
    size: float = 18.0
    bold: bool = False
    align: Align = "left"
    anchor: Anchor = "top"
    is_leftward: bool = False


def placeholder(number: int, name: str, kind: str, text: str, *, at: str = "", body: str = "", style: str = "") -> str:
    """A shape for text that is where, and looks as, the one of its kind below it does, but for what is said here."""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{name}"/><p:cNvSpPr><a:spLocks noGrp="1"/></p:cNvSpPr>'
        f"<p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr><p:spPr>{at}</p:spPr>"
        f"<p:txBody>{body or '<a:bodyPr/>'}<a:lstStyle>{style}</a:lstStyle>{text}</p:txBody></p:sp>"
    )


def paragraphs(lines: Sequence[Line], place: Place, theme: Theme, link: Link) -> str:
    """The lines, saying only where they differ from what their place gives them."""
    starts = _first_numbers(lines)
    return "".join(_paragraph(line, start, place, theme, link) for line, start in zip(lines, starts, strict=True))


def _paragraph(line: Line, start: int, place: Place, theme: Theme, link: Link) -> str:
    text = line.text if _is_leftward(line) == line.is_leftward else _held_rightward(line.text)
    runs = "".join(_run(run, line, place, theme, link) for run in text)
    end = "" if runs else f'<a:endParaRPr sz="{round(line.size * 100)}"/>'
    return f"<a:p>{_paragraph_style(line, start, place)}{runs}{end}</a:p>"


def _paragraph_style(line: Line, start: int, place: Place) -> str:
    said = f' marL="{emu(line.indent)}" indent="{-emu(line.hang) if line.marker else 0}"'
    if line.level:
        said += f' lvl="{line.level}"'
    said += direction(line, place)
    spacing = (
        f'<a:lnSpc><a:spcPts val="{round(line.leading * line.size * 100)}"/></a:lnSpc>'
        f'<a:spcBef><a:spcPts val="{round(line.before * 100)}"/></a:spcBef>'
    )
    return f"<a:pPr{said}>{spacing}{_bullet(line, start)}</a:pPr>"


def direction(line: Line, place: Place) -> str:
    """At which side a paragraph stands where its place says otherwise, and which way it runs if either runs leftward.

    LibreOffice does not ask a footer's place for the latter.
    """
    said = f' algn="{ALIGNS[line.side]}"' if line.side != place.align else ""
    return f'{said} rtl="{int(_is_leftward(line))}"' if _is_leftward(line) or place.is_leftward else said


def _is_leftward(line: Line) -> bool:
    """A paragraph that runs leftward has its indent and its marker at the right, and no other has."""
    return line.hangs_right if line.indent else line.is_leftward


def _held_rightward(text: Text) -> Text:
    return (Run(_RIGHTWARD), *text, Run(_RIGHTWARD))


def _bullet(line: Line, start: int) -> str:
    if not line.marker:
        return "<a:buNone/>"
    accent = f'<a:buClr><a:schemeClr val="{SCHEME["accent"]}"/></a:buClr>'
    color = "<a:buClrTx/>" if line.color == "hero_ink" else accent
    if 0 < start <= MOST_COUNTED:
        return f'{color}<a:buFontTx/><a:buAutoNum type="arabicPeriod" startAt="{start}"/>'
    face = '<a:buFont typeface="Segoe UI Symbol"/>' if line.marker in _BOXES else "<a:buFontTx/>"
    return f'{color}{face}<a:buChar char="{escape(line.marker)}"/>'


def _first_numbers(lines: Sequence[Line]) -> list[int]:
    """For each line the number that its list begins with: PowerPoint counts on from there by itself."""
    starts, counting = list[int](), dict[int, tuple[int, int]]()
    for line in lines:
        if not line.marker.removesuffix(".").isdecimal():
            starts.append(0)
            continue
        number = int(line.marker.removesuffix("."))
        first, last = counting.get(line.level, (number, number - 1))
        first = first if number == last + 1 else number
        counting = {level: kept for level, kept in counting.items() if level < line.level}
        counting[line.level] = (first, number)
        starts.append(first)
    return starts


def _run(run: Run, line: Line, place: Place, theme: Theme, link: Link) -> str:
    said, inside = _run_style(run, line, place), _run_look(run, line, place, theme, link)
    style = f"<a:rPr{said}>{inside}</a:rPr>" if inside else f"<a:rPr{said}/>"
    parts = (
        f"<a:r>{style}<a:t>{escape(part, quote=False)}</a:t></a:r>" if part else "" for part in run.text.split("\n")
    )
    return f"<a:br>{style}</a:br>".join(parts)


def _run_style(run: Run, line: Line, place: Place) -> str:
    bold, italic = run.bold or line.bold, run.italic or line.italic
    said = f' sz="{round(line.size * (CODE if run.code else 1) * 100)}"'
    if bold != place.bold:
        said += f' b="{int(bold)}"'
    if italic:
        said += ' i="1"'
    if run.strike:
        said += ' strike="sngStrike"'
    return said + ' noProof="1"' if run.code else said


def _run_look(run: Run, line: Line, place: Place, theme: Theme, link: Link) -> str:
    """What stands within a run's style, in the order that the format wants."""
    inside, color = "", TONES[run.tone] if run.tone else line.color
    if color != place.color and (not run.link or line.color == "hero_ink"):
        inside += fill(color, theme)
    if run.code and line.face != MONO and line.color != "hero_ink":
        inside += f'<a:highlight><a:schemeClr val="{SCHEME["card"]}"/></a:highlight>'
    inside += _face(MONO if run.code else line.face, place, theme)
    if run.link:
        inside += f'<a:hlinkClick r:id="{link(run.link)}">{_KEEPS_ITS_COLOR if line.color == "hero_ink" else ""}</a:hlinkClick>'
    return inside


def _face(face: Face, place: Place, theme: Theme) -> str:
    if face == MONO:
        return f'<a:latin typeface="{CODE_FACE}" pitchFamily="{_FIXED_PITCH}"/><a:cs typeface="{CODE_FACE}" pitchFamily="{_FIXED_PITCH}"/>'
    if face == place.face:
        return ""
    return f'<a:latin typeface="{"+mj-lt" if face == theme.head else "+mn-lt"}"/>'
