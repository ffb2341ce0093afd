"""The pictures of a deck: got from where they are, found to be pictures, made ready to be shown."""

import asyncio
import base64
import binascii
import hashlib
import io
import re
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from agent_tools.fetch import Fetched, NotFetched, fetch
from agent_tools.local_files import NotAllowed, local_path
from worker.kinds.presentation.deck import Block, Columns, Deck, Image, ImageFile, Paragraph, Run
from worker.kinds.presentation.reading.runs import shown_source

MOST_PICTURES = 100
MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
LONGEST_SIDE = 2400
AT_ONCE = 4
WITHIN_S = 20.0
ALL_WITHIN_S = 90.0
"""How long getting all pictures of a deck may take."""
FEW_COLOURS = 1024
"""What has no more of them is no photograph, and stays as sharp as it is."""

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_DRAWN = ("PNG", "GIF", "WEBP")
"""What may be a drawing, and may move: a JPEG of several pictures is one photograph with its preview."""
_TAKEN = "PNG, JPEG, GIF and WebP are taken"
_DATA = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_ARTIFACT = re.compile(r"(?:job://(?P<job>[^/]+)/artifacts/|artifact:/*(?P<id>[^/]+)/)(?P<name>.+)", re.IGNORECASE)
_one_at_a_time = threading.Lock()

FindArtifact = Callable[[str, str], Awaitable[Path]]
"""The file of a job's artifact. Raises LookupError with a sentence for what is not there."""


class NoPicture(Exception):
    """What is wrong with a picture, to stand behind its name; `more` is a sentence of its own."""

    def __init__(self, what: str, more: str = "") -> None:
        super().__init__(what)
        self.what, self.more = what, more


@dataclass(frozen=True)
class _Loaded:
    file: ImageFile
    is_animated: bool


async def load_images(deck: Deck, folder: Path, find_artifact: FindArtifact) -> tuple[Deck, list[str]]:
    """The deck with its pictures' files, and a sentence for each that cannot be shown: its description stands there."""
    sources = dict.fromkeys(image.source for slide in deck.slides for image in _images(slide.blocks))
    if not sources:
        return deck, []
    loader = _Loader(folder, find_artifact)
    found = await asyncio.gather(*(loader.load(source, number) for number, source in enumerate(sources, 1)))
    loaded, changes = dict(zip(sources, found, strict=True)), list[str]()
    for slide in deck.slides:
        changes += dict.fromkeys(
            sentence
            for image in _images(slide.blocks)
            if (sentence := _said(slide.number, image, loaded[image.source]))
        )
    slides = (replace(slide, blocks=tuple(_with_files(slide.blocks, loaded))) for slide in deck.slides)
    return replace(deck, slides=tuple(slides)), changes


def _images(blocks: Iterable[Block]) -> Iterator[Image]:
    for block in blocks:
        match block:
            case Image():
                yield block
            case Columns():
                for column in block.columns:
                    yield from _images(column.blocks)


def _with_files(blocks: Iterable[Block], loaded: dict[str, _Loaded | NoPicture]) -> Iterator[Block]:
    """The blocks, with each picture's file in it, or its words in its place."""
    for block in blocks:
        match block:
            case Columns():
                columns = (
                    replace(column, blocks=tuple(_with_files(column.blocks, loaded))) for column in block.columns
                )
                yield Columns(tuple(columns))
            case Image():
                found = loaded[block.source]
                if isinstance(found, _Loaded):
                    yield replace(block, file=found.file)
                    continue
                yield from (Paragraph(text) for text in ((Run(block.alt),) * bool(block.alt), block.caption) if text)
            case _:
                yield block


def _said(slide: int, image: Image, found: _Loaded | NoPicture) -> str:
    name = f"Slide {slide}'s picture {shown_source(image.source)}"
    if isinstance(found, _Loaded):
        return f"{name} moves: its first frame is shown." if found.is_animated else ""
    instead = "its description is shown" if image.alt or image.caption else "it is left out"
    return f"{name} {found.what}, so {instead}. {found.more}".rstrip()


@dataclass
class _Loader:
    """Gets the pictures of one deck, a few at once, and all of them within a time."""

    folder: Path
    find_artifact: FindArtifact
    until: float = field(default_factory=lambda: asyncio.get_running_loop().time() + ALL_WITHIN_S)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def load(self, source: str, number: int) -> _Loaded | NoPicture:
        """The `number`th picture, or why there is none."""
        if number > MOST_PICTURES:
            return NoPicture(f"is one too many: at most {MOST_PICTURES} are taken")
        async with self.gate:
            try:
                got = await self._get(source)
                return await asyncio.to_thread(_ready, got, self.folder)
            except NotFetched as error:
                return NoPicture("could not be fetched", str(error))
            except NoPicture as error:
                return error

    async def _get(self, source: str) -> Fetched:
        if _DATA.match(source):
            return _from_data(source)
        if artifact := _ARTIFACT.fullmatch(source):
            return await self._from_artifact(unquote(artifact["job"] or artifact["id"]), unquote(artifact["name"]))
        if source.lower().startswith("file:"):
            return await asyncio.to_thread(_from_file, source)
        left_s = self.until - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise NoPicture(f"was not reached within the {ALL_WITHIN_S:g} s that all pictures of a deck may take")
        return await fetch(source, most_bytes=MOST_BYTES, within_s=min(WITHIN_S, left_s))

    async def _from_artifact(self, job_id: str, name: str) -> Fetched:
        try:
            path = await self.find_artifact(job_id, name)
            return Fetched(await asyncio.to_thread(_read, path), "")
        except LookupError as error:
            raise NoPicture("is not there", str(error.args[0]) if error.args else "") from error


def _from_data(source: str) -> Fetched:
    head, _, payload = source.partition(",")
    try:
        data = base64.b64decode(re.sub(r"\s", "", unquote(payload)), validate=True)
    except (binascii.Error, ValueError):
        raise NoPicture("is no base64") from None
    return Fetched(data, head[5:].partition(";")[0].lower())


def _from_file(address: str) -> Fetched:
    try:
        return Fetched(_read(local_path(address)), "")
    except NotAllowed as error:
        raise NoPicture(error.what, error.more) from None


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise NoPicture("is not there")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError:
        raise NoPicture("cannot be read") from None
    if len(data) > MOST_BYTES:
        raise NoPicture(f"has more than {MOST_BYTES // 1_000_000} MB, and no more are taken")
    return data


def _ready(got: Fetched, folder: Path) -> _Loaded:
    """The picture upright, in RGB, no larger than slides need, written to the folder without what else it carried."""
    # One at a time: fifty million pixels are two hundred megabytes, and catching warnings is no thread's own.
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _opened(got) as opened:
                may_be_photo = opened.format not in _DRAWN
                is_animated = not may_be_photo and bool(getattr(opened, "is_animated", False))
                picture = _in_rgb(_upright(opened))
            data, suffix = _written(picture, may_be_photo)
        except NoPicture:
            raise
        except Exception as error:  # whatever hostile bytes make a decoder say, the answer is the same
            raise NoPicture("is damaged") from error
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"picture-{hashlib.sha256(data).hexdigest()[:12]}.{suffix}"
    path.write_bytes(data)
    return _Loaded(ImageFile(str(path), *picture.size), is_animated)


def _opened(got: Fetched) -> Pillow.Image:
    if not got.data:
        raise NoPicture("is empty")
    try:
        opened = Pillow.open(io.BytesIO(got.data), formats=_FORMATS)
    except Pillow.DecompressionBombError:
        raise NoPicture(f"has more than {MOST_PIXELS // 1_000_000} million pixels, and no more are taken") from None
    except UnidentifiedImageError:
        raise NoPicture(_no_picture(got)) from None
    width, height = opened.size
    if width * height > MOST_PIXELS:
        raise NoPicture(f"is {width:,} × {height:,} pixels; at most {MOST_PIXELS // 1_000_000} million are taken")
    return opened


def _no_picture(got: Fetched) -> str:
    """What it is instead, as far as that is easily told."""
    begins = got.data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if got.media_type == "image/svg+xml" or b"<svg" in begins:
        return f"is an SVG, and only {_TAKEN}"
    if got.media_type == "text/html" or begins.startswith((b"<!doctype html", b"<html")):
        return "is a web page and no picture"
    if begins.startswith((b"\x89png", b"\xff\xd8\xff", b"gif8")) or (begins[:4], begins[8:12]) == (b"riff", b"webp"):
        return "is damaged"
    return f"is no picture of a kind that is known: {_TAKEN}"


def _upright(picture: Pillow.Image) -> Pillow.Image:
    """The picture's pixels, turned as its camera was held, and no larger than slides need."""
    picture.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # a picture is worth more than what is written beside it
        return picture.copy()


def _in_rgb(picture: Pillow.Image) -> Pillow.Image:
    """As RGB; as RGBA when something of it can be seen through."""
    if picture.mode.startswith("I"):
        picture = picture.convert("I").point(lambda level: level * (1 / 256)).convert("L")
        picture.info = {}
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return picture if picture.getchannel("A").getextrema() != (255, 255) else picture.convert("RGB")


def _written(picture: Pillow.Image, may_be_photo: bool) -> tuple[bytes, str]:
    """The picture's file: PNG for what is seen through or drawn, JPEG for photographs."""
    as_png = picture.mode == "RGBA" or (not may_be_photo and picture.getcolors(FEW_COLOURS) is not None)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    picture.info = {}
    file = io.BytesIO()
    if as_png:
        picture.save(file, "PNG")
    else:
        picture.save(file, "JPEG", quality=88, optimize=True)
    return file.getvalue(), "png" if as_png else "jpg"
