"""Which face draws which character, and how wide."""

import os
import re
from pathlib import Path

import pytest
import typst
import uharfbuzz as hb

from worker.kinds.presentation.layout import faces
from worker.kinds.presentation.layout.faces import OtherFaces, advance, other_faces
from worker.kinds.presentation.theme import CLEAN, HANKEN, LATO, MONO, PAPER, SOURCE_SANS, THEMES, VIVID

FACES = list({face.family: face for theme in THEMES.values() for face in (theme.head, theme.body)}.values())
STYLES = {(False, False): "Regular", (True, False): "Bold", (False, True): "Italic", (True, True): "BoldItalic"}
MORE = """Der schnelle braune Fuchs springt über den faulen Hund und freut sich sehr darüber.
Portez ce vieux whisky au juge blond qui fume, où naît l'été sur les îles.
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío, añoraba a su querido cachorro."""


@pytest.fixture(scope="session")
def sentences(tides):
    lines = [re.sub(r"[*_`#>|\-]+|\(http\S+\)", " ", line) for line in f"{tides}\n{MORE}".splitlines()]
    found = [part.strip() for line in lines for part in re.split(r"(?<=[.!?:])\s", line)]
    return [" ".join(part.split()) for part in found if len(part) >= 40]


def installed(family, style):
    """The system's file for a face that may stand in for ours."""
    for info in typst.Fonts().fonts():
        if info.family == family and info.path and Path(info.path).stem.endswith(f"-{style}"):
            return Path(info.path)
    assert not os.environ.get("CI"), f"CI needs {family}: make setup-system"
    return pytest.skip(f"{family} is not installed")


def shaped(words, path):
    face, buffer = hb.Face(hb.Blob.from_file_path(str(path))), hb.Buffer()
    buffer.add_str(words)
    buffer.guess_segment_properties()
    hb.shape(hb.Font(face), buffer)
    return sum(position.x_advance for position in buffer.glyph_positions) / face.upem


@pytest.mark.office
@pytest.mark.parametrize("style", STYLES, ids=STYLES.values())
@pytest.mark.parametrize("stand_in", ["Liberation Sans", "Carlito"])
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.family)
def test_what_is_measured_is_room_enough_for_the_faces_that_may_stand_in(face, stand_in, style, sentences):
    bold, italic = style
    theirs = installed(stand_in, STYLES[style])

    ratios = sorted(shaped(words, theirs) / advance(words, face, bold=bold, italic=italic) for words in sentences)

    assert ratios[int(0.95 * len(ratios))] <= 1
    assert ratios[-1] <= 1.02


def test_each_face_has_its_files():
    for face in FACES:
        for bold, italic in STYLES:
            assert Path(faces.path(face, bold=bold, italic=italic)).is_file()


def test_kerning_brings_letters_nearer():
    assert advance("AVAVAV", LATO) < advance("A", LATO) * 3 + advance("V", LATO) * 3


def test_every_letter_of_code_is_as_wide():
    assert advance("iW→é", MONO) == pytest.approx(4 * advance("x", MONO, bold=True))


def test_characters_of_no_face_are_estimated_and_marks_take_no_room():
    assert advance("\U0010fffd", HANKEN) == 0.9
    assert advance("e\u0301\u200b", HANKEN) == pytest.approx(advance("é", HANKEN), rel=0.05)


def test_ideographs_are_as_wide_as_they_are_high():
    assert advance("漢字", SOURCE_SANS) == 2.0


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_what_the_theme_has_needs_no_other_face(theme):
    assert other_faces("Plain words, \u201cquoted\u201d\u00a0– and €5…\n\t\u200b", theme) == OtherFaces()


def test_our_own_faces_help_each_other_before_the_systems_do():
    found = other_faces("a → b, x² ✓ Привет", VIVID)

    assert found.families == (("Manrope", "Пвеирт"), ("Source Sans Pro", "→✓"))
    assert found.are_ours
    assert other_faces("x²", CLEAN).families == (("Source Sans Pro", "²"),)


def test_a_letter_that_only_the_upright_face_has_gets_another_for_its_italics():
    assert other_faces("Привет", PAPER).families == (("Manrope", "Пвеирт"),)


def test_what_nothing_here_can_draw_is_told_once_each():
    assert other_faces("\U0010fffd a \U0010fffc \U0010fffd", CLEAN) == OtherFaces((), "\U0010fffc\U0010fffd")


@pytest.mark.office
@pytest.mark.parametrize(
    ("said", "families"),
    [
        ("日本語のテキスト", {"Noto Sans CJK JP"}),
        ("中文字符", {"Noto Sans CJK SC"}),
        ("한국어 漢字", {"Noto Sans CJK KR"}),
        ("مرحبا", {"Noto Naskh Arabic"}),
        ("हिन्दी", {"Noto Sans Devanagari"}),
        ("😀 ✔\ufe0f", {"Noto Color Emoji"}),
        ("✔", {"Noto Sans Symbols2"}),
    ],
)
def test_each_script_gets_the_face_that_is_made_for_it(said, families):
    here = {info.family for info in typst.Fonts().fonts()}
    if missing := families - here:
        assert not os.environ.get("CI"), f"CI needs {missing}: make setup-system"
        pytest.skip(f"{missing} is not installed")

    found = other_faces(said, CLEAN)

    assert {family for family, _ in found.families} == families
    assert found.missing == ""
