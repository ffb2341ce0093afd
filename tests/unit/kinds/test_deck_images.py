"""The pictures of a deck, from wherever they are."""

import base64
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from worker.kinds.presentation.deck import Column, Columns, Deck, Image, Paragraph, Run, Slide
from worker.kinds.presentation.reading.images import LONGEST_SIDE, load_images


def picture(mode="RGB", size=(40, 30), kind="PNG", color=None, **options):
    file = io.BytesIO()
    made = Pillow.new(mode, size) if color is None else Pillow.new(mode, size, color)
    made.save(file, kind, **options)
    return file.getvalue()


def noise(size=(200, 200), mode="RGB"):
    return Pillow.effect_noise(size, 90).convert(mode)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def data(content, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def deck(*blocks):
    return Deck("T", (Slide(3, (Run("T"),), blocks),))


async def nowhere(job_id: str, name: str) -> Path:
    raise LookupError(f"Job {job_id} has no artifact '{name}'.")


@pytest.fixture
def load(tmp_path):
    async def load(*blocks, find=nowhere):
        loaded, changes = await load_images(deck(*blocks), tmp_path / "job", find)
        return loaded.slides[0].blocks, changes

    return load


@pytest.fixture
def files(tmp_path, monkeypatch):
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setenv("BACKBURNER_FILES", str(folder))
    return folder


def only(blocks):
    (image,) = blocks
    assert image.file is not None
    with Pillow.open(image.file.path) as opened:
        opened.load()
    assert opened.size == (image.file.width, image.file.height)
    return opened


async def test_a_deck_without_pictures_stays_as_it_is(tmp_path):
    given = deck(Paragraph((Run("a"),)))

    assert await load_images(given, tmp_path / "absent", nowhere) == (given, [])
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("content", "mode", "kind"),
    [
        (picture("RGB"), "RGB", "PNG"),
        (picture("RGBA", color=(9, 9, 9, 100)), "RGBA", "PNG"),
        (picture("RGBA", color=(9, 9, 9, 255)), "RGB", "PNG"),
        (picture("LA", color=(9, 100)), "RGBA", "PNG"),
        (picture("P"), "RGB", "PNG"),
        (picture("P", transparency=0), "RGBA", "PNG"),
        (picture("1"), "RGB", "PNG"),
        (picture("I;16", color=40_000), "RGB", "PNG"),
        (picture("L", kind="JPEG"), "RGB", "JPEG"),
        (picture("CMYK", kind="JPEG"), "RGB", "JPEG"),
        (picture("RGB", kind="GIF"), "RGB", "PNG"),
        (picture("RGB", kind="WEBP", lossless=True), "RGB", "PNG"),
        (picture("RGBA", kind="WEBP"), "RGBA", "PNG"),
        (encoded(noise().convert("RGB"), "JPEG"), "RGB", "JPEG"),
        (encoded(Pillow.merge("RGB", [noise(mode="L") for _ in range(3)]), "PNG"), "RGB", "JPEG"),
    ],
)
async def test_pictures_of_every_sort_become_rgb_or_rgba(load, content, mode, kind):
    blocks, changes = await load(Image(data(content), "a"))

    opened = only(blocks)
    assert (opened.mode, opened.format) == (mode, kind)
    assert not changes


async def test_sixteen_bits_keep_their_lightness(load):
    blocks, _ = await load(Image(data(picture("I;16", color=128 * 256)), "a"))

    assert only(blocks).getpixel((0, 0)) == (128, 128, 128)


async def test_a_large_picture_is_scaled_down_and_a_small_one_stays(load):
    large, _ = await load(Image(data(picture(size=(4800, 1000))), "a"))
    small, _ = await load(Image(data(picture(size=(7, 5))), "a"))

    assert only(large).size == (LONGEST_SIDE, 500)
    assert only(small).size == (7, 5)


async def test_a_picture_stands_upright_and_carries_nothing_else(load):
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    content = encoded(noise((40, 20), "RGB"), "JPEG", exif=exif, comment=b"secret", dpi=(300, 300))
    blocks, _ = await load(Image(data(content), "a"))

    opened = only(blocks)
    assert opened.size == (20, 40)
    assert not opened.getexif()
    written = Path(blocks[0].file.path).read_bytes()
    assert b"where I live" not in written
    assert b"secret" not in written


async def test_a_picture_has_the_same_file_every_time(load):
    content = data(encoded(noise().convert("RGB"), "JPEG"))
    first, _ = await load(Image(content, "a"))
    name, written = first[0].file.path, Path(first[0].file.path).read_bytes()
    again, _ = await load(Image(content, "b"))

    assert re.fullmatch(r"picture-[0-9a-f]{12}\.jpg", Path(name).name)
    assert (again[0].file.path, Path(name).read_bytes()) == (name, written)


async def test_what_moves_shows_its_first_frame_and_that_is_said(load):
    frames = [Pillow.new("RGB", (9, 9), color) for color in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    blocks, changes = await load(Image(data(content, "image/gif"), "a"))

    assert only(blocks).getpixel((0, 0)) == (255, 0, 0)
    assert len(changes) == 1
    assert changes[0].endswith(" moves: its first frame is shown.")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (picture()[:60], "is damaged"),
        (encoded(noise(), "JPEG")[:2000], "is damaged"),
        (b"\x89PNG\r\n\x1a\n", "is damaged"),
        (picture(size=(10_000, 10_000), mode="1"), "is 10,000 × 10,000 pixels; at most 50 million are taken"),
        (picture(size=(20_000, 20_000), mode="1"), "has more than 50 million pixels, and no more are taken"),
        (b"<!DOCTYPE html><p>Not found", "is a web page and no picture"),
        (
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
            "is an SVG, and only PNG, JPEG, GIF and WebP are taken",
        ),
        (picture(kind="TIFF"), "is no picture of a kind that is known: PNG, JPEG, GIF and WebP are taken"),
        (b"%PDF-1.7", "is no picture of a kind that is known: PNG, JPEG, GIF and WebP are taken"),
    ],
)
async def test_what_is_no_picture_is_its_description_and_that_is_said(load, content, why):
    blocks, changes = await load(Image(data(content), "A map", (Run("of Fundy"),)))

    assert blocks == (Paragraph((Run("A map"),)), Paragraph((Run("of Fundy"),)))
    assert len(changes) == 1
    assert re.fullmatch(
        rf"Slide 3's picture data:image/png;base64,\S* {re.escape(why)}, so its description is shown\.", changes[0]
    )


async def test_a_picture_without_a_description_that_cannot_be_shown_is_left_out(load):
    blocks, changes = await load(Image("data:image/png;base64,%%%"))

    assert blocks == ()
    assert changes == ["Slide 3's picture data:image/png;base64,%%% is no base64, so it is left out."]


async def test_pictures_in_columns_are_loaded_too(load):
    (columns,), changes = await load(
        Columns((Column((Run("A"),), (Image(data(picture()), "a"), Image("data:image/png;base64,", "b"))),))
    )

    image, paragraph = columns.columns[0].blocks
    assert image.file is not None
    assert paragraph == Paragraph((Run("b"),))
    assert len(changes) == 1


async def test_an_artifact_is_found_by_either_way_of_naming_it(load, tmp_path):
    (tmp_path / "a.png").write_bytes(picture())
    asked = []

    async def find(job_id: str, name: str) -> Path:
        asked.append((job_id, name))
        return tmp_path / "a.png"

    blocks, changes = await load(
        Image("job://7f3a/artifacts/my%20map.png"), Image("artifact:7f3a/my%20map.png"), find=find
    )

    assert asked == [("7f3a", "my map.png")] * 2
    assert all(image.file for image in blocks)
    assert not changes


async def test_an_artifact_that_is_not_there_is_said_in_the_words_of_who_looked(load):
    _, changes = await load(Image("job://7f3a/artifacts/a.png", "a"))

    assert changes == [
        "Slide 3's picture job://7f3a/artifacts/a.png is not there, so its description is shown. "
        "Job 7f3a has no artifact 'a.png'."
    ]


@pytest.mark.parametrize("source", ["file:a/b%20c.png", "file:./a/../a/b%20c.png", "file://a/b%20c.png"])
async def test_files_are_read_below_the_folder_that_the_settings_name(load, files, source):
    (files / "a").mkdir()
    (files / "a" / "b c.png").write_bytes(picture())

    blocks, changes = await load(Image(source, "a"))

    assert not changes
    only(blocks)


async def test_files_may_be_named_in_full(load, files):
    (files / "a.png").write_bytes(picture())

    for source in (f"file:{files}/a.png", f"file://{files}/a.png", f"file://localhost{files}/a.png"):
        assert only((await load(Image(source, "a")))[0])


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("file:../secret.png", "is not below the folder that BACKBURNER_FILES names"),
        ("file:%2e%2e/secret.png", "is not below the folder that BACKBURNER_FILES names"),
        ("file:///etc/passwd", "is not below the folder that BACKBURNER_FILES names"),
        ("file:out.png", "is not below the folder that BACKBURNER_FILES names"),
        ("file:round.png", "is no file's name"),
        ("file:a%00b.png", "is no file's name"),
        ("file:absent.png", "is not there"),
        ("file:.", "is not there"),
        (f"file:{'a' * 300}", "is no file's name"),
        ("file:large.png", "has more than 20 MB, and no more are taken"),
    ],
)
async def test_no_other_file_is_read(load, files, source, why):
    (files.parent / "secret.png").write_bytes(picture())
    (files / "out.png").symlink_to(files.parent / "secret.png")
    (files / "round.png").symlink_to(files / "round.png")
    with (files / "large.png").open("wb") as large:
        large.truncate(20_000_001)

    blocks, changes = await load(Image(source, "a"))

    assert blocks == (Paragraph((Run("a"),)),)
    assert len(changes) == 1
    assert changes[0].endswith(f" {why}, so its description is shown.")


async def test_without_the_setting_no_file_is_read_and_it_says_how_to_allow_it(load, monkeypatch):
    monkeypatch.delenv("BACKBURNER_FILES", raising=False)

    _, changes = await load(Image("file:a.png", "a"))

    assert changes == [
        "Slide 3's picture file:a.png may not be read, so its description is shown. "
        "Whoever runs this can allow it: BACKBURNER_FILES names the folder of such files."
    ]


async def test_an_address_that_is_not_asked_is_said(load):
    _, changes = await load(Image("https://127.0.0.1/a.png", "a"))

    assert changes == [
        "Slide 3's picture https://127.0.0.1/a.png could not be fetched, so its description is shown. "
        "127.0.0.1 is no public address, and others are not asked."
    ]


async def test_a_picture_too_many_is_said(load):
    _, changes = await load(*(Image(f"file:{n}.png", "a") for n in range(101)))

    assert changes[-1] == (
        "Slide 3's picture file:100.png is one too many: at most 100 are taken, so its description is shown."
    )


SEEDS = [
    picture("P", transparency=0),
    encoded(noise((9, 9)), "JPEG"),
    encoded(Pillow.new("P", (9, 9)), "GIF", save_all=True, append_images=[Pillow.new("P", (9, 9), 1)]),
    picture("RGBA", (9, 9), "WEBP"),
    b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02D\x01\x00;",
]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8))
@settings(max_examples=150, deadline=None)
async def test_no_bytes_make_it_stumble(tmp_path_factory, seed, changed):
    content = bytearray(seed)
    for at, byte in changed:
        content[at % len(content)] = byte

    loaded, _ = await load_images(deck(Image(data(bytes(content)), "a")), tmp_path_factory.getbasetemp(), nowhere)

    assert loaded.slides[0].blocks
