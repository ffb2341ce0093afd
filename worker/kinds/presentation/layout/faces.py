"""Faces of type: how wide each sets a piece of text, and which of all that are here has a character."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby, pairwise
from pathlib import Path

import typst
import uharfbuzz as hb  # type: ignore[import-untyped]

from worker.kinds.presentation.theme import MONO, SOURCE_SANS, SOURCE_SERIF, THEMES, Face, Theme

MONO_WIDTH = 1233 / 2048
"""How wide each letter of the face for code is, in sizes of the text."""
EMOJI = "Noto Color Emoji"
_PICTURED = "\ufe0f"
"""Behind a character that is to be drawn in colour though it need not be."""
_IN_MONO = re.compile(
    "[ -~\u00a0-\u01c3\u01cd-\u01e3\u01fc-\u0221\u0224-\u0241\u0250-\u02b9\u0300-\u033f\u03a3-\u03ce\u03f0-\u045f"
    "\u04cf-\u04f9\u0531-\u0556\u0561-\u0587\u0621-\u063a\u0640-\u0655\u10d0-\u10fc\u1e18-\u1e2d\u1e30-\u1e4d"
    "\u1e7c-\u1e99\u1f00-\u1f15\u1f20-\u1f45\u1f5f-\u1f7d\u1f80-\u1fb4\u2010-\u2015\u2018-\u201f\u2020-\u2023\u2026"
    "\u2074-\u208e\u20a0-\u20b5\u2190-\u2213\u2241-\u2269\u226d-\u228b\u228d-\u22a5\u2335-\u237a\u2500-\u262f"
    "\u2638-\u268b\u270c-\u2727\u2729-\u274b\u2798-\u27af]"
)
"""What DejaVu Sans Mono has: only the ranges without holes, as Typst carries the file where nobody can look into it."""
_PREFERRED = (
    "Noto Sans",
    "Noto Sans Symbols",
    "Noto Sans Symbols 2",
    "Noto Sans Symbols2",
    "Noto Sans Math",
    "DejaVu Sans",
)
_LAST = ("Noto Sans Mono CJK", "Noto Serif CJK", EMOJI, "Noto Emoji", "Droid Sans Fallback")


@dataclass(frozen=True)
class OtherFaces:
    """Who draws what the theme's own faces lack.

    `families` are to be named after those, in order, each with the characters that it is to draw. `missing` are the
    characters that nothing here can draw.
    """

    families: tuple[tuple[str, str], ...] = ()
    missing: str = ""

    @property
    def are_ours(self) -> bool:
        """Whether the system's faces are not needed."""
        ours = {MONO.family, *_families(with_systems=False)}
        return all(family in ours for family, _ in self.families)


def path(face: Face, *, bold: bool = False, italic: bool = False) -> str:
    """Where the file of this face lies."""
    return _own(face, bold, italic).path


@dataclass(frozen=True)
class _File:
    """One file of a family, or one of the faces in it. A variable one is set to its `weight`."""

    path: str
    index: int = 0
    weight: int = 0


def advance(piece: str, face: Face, *, bold: bool = False, italic: bool = False) -> float:
    """How wide the piece is, in sizes of the text: as Typst sets it, times what the face is to spare."""
    return ruler(face, bold, italic)(piece)


@cache
def ruler(face: Face, bold: bool, italic: bool) -> Callable[[str], float]:
    """`advance` for this face, with its own memory: looking a face up takes longer than a word."""
    if face == MONO:
        return lru_cache(maxsize=20_000)(partial(_mono_advance, bold=bold))
    own, spare = _own(face, bold, italic), face.spare_bold if bold else face.spare
    measure = lru_cache(maxsize=50_000)(partial(_advance, own=own, spare=spare, bold=bold))
    if own == _own(face, bold, False):
        return measure
    upright = ruler(face, bold, False)
    # Some italics are narrow, and those of the faces that may stand in for them are not.
    return lambda piece: max(measure(piece), upright(piece))


def _mono_advance(piece: str, *, bold: bool) -> float:
    return sum(MONO_WIDTH if _IN_MONO.match(cluster) else _elsewhere(cluster, bold) for cluster in clusters(piece))


def _advance(piece: str, *, own: _File, spare: float, bold: bool) -> float:
    has = _letters(own)
    if has.issuperset(map(ord, piece)):
        return _shaped(piece, own) * spare
    total = 0.0
    for is_own, group in groupby(clusters(piece), key=lambda cluster: ord(cluster[0]) in has):
        parts = list(group)
        total += _shaped("".join(parts), own) * spare if is_own else sum(_elsewhere(part, bold) for part in parts)
    return total


def clusters(piece: str) -> list[str]:
    """The characters, each with the marks and joiners behind it."""
    clusters = list[str]()
    for character in piece:
        joined = clusters and (_is_mark(character) or clusters[-1][-1] == "\u200d")
        if joined:
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def other_faces(text: str, theme: Theme) -> OtherFaces:
    """Who draws the characters of this text that the theme's faces, or some style of them, lack."""
    everywhere, somewhere = _had_by(theme)
    lacking = sorted(c for c in set(text) - everywhere if not _is_invisible(c))
    if not lacking:
        return OtherFaces()
    region = _region(text)
    pictured = {before for before, after in pairwise(text) if after == _PICTURED}
    drawn, missing = dict[str, str](), ""
    for character in lacking:
        family = _drawer(character, region, character in pictured)
        if family is not None:
            drawn[family] = drawn.get(family, "") + character
        elif character not in somewhere:
            missing += character
    return OtherFaces(tuple(drawn.items()), missing)


@cache
def fonts(*, with_systems: bool) -> typst.Fonts:
    """The faces that Typst may use: those of our packages, and the system's where others are needed."""
    return typst.Fonts(include_system_fonts=with_systems, font_paths=[str(folder) for folder in _folders()])


@cache
def _folders() -> tuple[Path, ...]:
    """Where the faces of our packages lie."""
    packages = sorted({face.package for theme in THEMES.values() for face in (theme.head, theme.body)})
    folders = [Path(import_module(package).font_directory) for package in packages]
    more = find_spec("manimgx_fonts_cjk")
    if more and more.origin:
        folders.append(Path(more.origin).parent)
    return tuple(folders)


@cache
def _own(face: Face, bold: bool, italic: bool) -> _File:
    name = (face.bold_italic if italic else face.bold) if bold else face.italic if italic else face.regular
    return _File(str(Path(import_module(face.package).font_directory, name)))


@cache
def _font(file: _File) -> hb.Font:
    font = hb.Font(hb.Face(hb.Blob.from_file_path(file.path), file.index))
    if file.weight:
        font.set_variations({"wght": file.weight})
    return font


@cache
def _letters(file: _File) -> frozenset[int]:
    return frozenset(_font(file).face.unicodes)


def _shaped(piece: str, file: _File) -> float:
    font, buffer = _font(file), hb.Buffer()
    buffer.add_str(piece)
    buffer.guess_segment_properties()
    hb.shape(font, buffer)
    units: int = sum(position.x_advance for position in buffer.glyph_positions or ())
    return units / int(font.face.upem)


def _is_mark(character: str) -> bool:
    if character < "\u0300":
        return False
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf") or "\U0001f3fb" <= character <= "\U0001f3ff"


def _is_invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf") or "\ufe00" <= character <= "\ufe0f"


@lru_cache(maxsize=20_000)
def _elsewhere(cluster: str, bold: bool) -> float:
    """How wide it is in the face that draws it because the text's own lacks it; estimated where none does."""
    character = cluster[0]
    family = None if _is_invisible(character) else _drawer(character, "SC", _PICTURED in cluster)
    if family is None:
        return _estimate(character)
    if family == MONO.family:
        return MONO_WIDTH
    return _shaped(cluster, _file(family, bold))


def _estimate(character: str) -> float:
    if _is_mark(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.3 if character >= "\U0001f000" else 1.0
    return 0.9 if character >= "\u2010" else 0.75 if character.isupper() else 0.6


@lru_cache(maxsize=20_000)
def _drawer(character: str, region: str, is_pictured: bool) -> str | None:
    """The first family that has it: our own, then the system's by its script, then any."""
    for family in _candidates(character, region, is_pictured):
        if family == MONO.family and _IN_MONO.match(character):
            return family
        if _styles(family) and all(ord(character) in _letters(file) for file in _styles(family)):
            return family
    return None


def _candidates(character: str, region: str, is_pictured: bool) -> Iterator[str]:
    name = unicodedata.name(character, "")
    script = name.split(" ")[0].title()
    if is_pictured or _is_emoji(character):
        yield EMOJI
    yield from (SOURCE_SANS.family, SOURCE_SERIF.family, "Manrope")
    if unicodedata.east_asian_width(character) in "WF":
        yield from (f"Noto Sans CJK {region}", "Noto Sans CJK SC", "Noto Sans CJK JP")
    if "ARABIC" in name:  # digits are ARABIC-INDIC, or EXTENDED ARABIC-INDIC
        yield "Noto Naskh Arabic"
    yield f"Noto Sans {script}"
    yield from _PREFERRED
    yield MONO.family
    yield from _by_preference()


def _is_emoji(character: str) -> bool:
    """Whether it is drawn in colour unless something else is asked for."""
    is_wide = unicodedata.east_asian_width(character) == "W"
    return is_wide and ("\u231a" <= character <= "\u2b55" or character >= "\U0001f000") and character < "\U00020000"


def _region(text: str) -> str:
    """Whose ideographs these are, by the letters that only Japanese or Korean has."""
    if re.search("[\u3040-\u30ff]", text):
        return "JP"
    return "KR" if re.search("[\uac00-\ud7a3]", text) else "SC"


@cache
def _families(*, with_systems: bool) -> dict[str, tuple[typst.FontInfo, ...]]:
    """All families of which there are files."""
    families = dict[str, list[typst.FontInfo]]()
    for info in fonts(with_systems=with_systems).fonts():
        if info.path:
            families.setdefault(info.family, []).append(info)
    return {family: tuple(infos) for family, infos in families.items()}


def _infos(family: str) -> tuple[typst.FontInfo, ...]:
    """The family's files. Looking through the system's takes a while, so ours come first."""
    return _families(with_systems=False).get(family) or _families(with_systems=True).get(family, ())


@cache
def _by_preference() -> tuple[str, ...]:
    def rank(family: str) -> tuple[bool, bool, str]:
        return family.startswith(_LAST), not family.startswith("Noto Sans"), family

    return tuple(sorted(_families(with_systems=True), key=rank))


@cache
def _styles(family: str) -> tuple[_File, ...]:
    """The files that Typst may take for this family. Some italics have fewer letters than the upright face."""
    if not _infos(family):
        return ()
    styles = [_file(family, bold, italic) for italic in (False, True) for bold in (False, True)]
    return tuple(dict.fromkeys(styles))


@cache
def _file(family: str, bold: bool, italic: bool = False) -> _File:
    """The family's file whose style and weight are nearest."""
    weight, style = (700 if bold else 400), ("italic", "oblique") if italic else ("normal",)

    def distance(info: typst.FontInfo) -> tuple[bool, float, int, str, int]:
        return info.style not in style, abs(info.stretch - 1), abs(info.weight - weight), info.path or "", info.index

    best = min(_infos(family), key=distance)
    file = _File(str(best.path), best.index)
    varies = any(axis.tag == "wght" for axis in _font(file).face.axis_infos)
    return replace(file, weight=weight) if varies else file


@cache
def _had_by(theme: Theme) -> tuple[frozenset[str], frozenset[str]]:
    """What every style of the theme's faces has, and what at least one has."""
    every = [
        _letters(_own(face, bold, italic))
        for face in (theme.head, theme.body)
        for bold in (False, True)
        for italic in (False, True)
    ]
    return _characters(frozenset.intersection(*every)), _characters(frozenset.union(*every))


def _characters(numbers: Iterable[int]) -> frozenset[str]:
    return frozenset(map(chr, numbers))
