"""Speech for tests: spoken by flite or read by people, as files, as a video, and served with a page and a feed."""

import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from shelf_given import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

READ_BY_PEOPLE = Path("/usr/share/pocketsphinx/test/data/librivox")
SHORT = "Good morning. The harbour wall has stood for ninety years."
NEWS = (
    "Good morning, this is the news from the harbour. The harbour wall has stood for many years, and the winter storms have opened "
    "a gap in its northern end. The council wants to close the gap before the autumn. Stone for the wall will come from the quarry "
    "across the bay. Fishing boats can use the southern entrance while the wall is repaired. Half of the money is paid by the state. "
    "The library opens on Sundays from the first of March. Readers had asked for Sundays in a survey. Children can borrow as many "
    "books as they can carry. The weather stays dry with a light wind from the west. That was the news, and thank you for listening."
)


def speak(text: str, path: Path) -> Path:
    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", path], check=True, capture_output=True)
    return path


def read_by_people() -> tuple[list[Path], str]:
    """The clips of one chapter, and what is read."""
    said, paths = list[str](), list[Path]()
    for row in (READ_BY_PEOPLE / "transcription").read_text().splitlines():
        if found := re.match(r"<s> (.*) </s> \((.*)\)", row):
            said.append(found[1])
            paths.append(READ_BY_PEOPLE / f"{found[2]}.wav")
    return paths, " ".join(said)


def words(text: str) -> str:
    """As they are compared: without marks, and spelt in one way."""
    bare = re.sub(r"[^\w\s]", " ", text.lower())
    for one, other in (
        ("harbor", "harbour"),
        (" mr ", " mister "),
        ("ill disposed", "illdisposed"),
        ("cold hearted", "coldhearted"),
    ):
        bare = f" {bare} ".replace(one, other)
    return " ".join(bare.split())


def video(sound: Path, path: Path) -> Path:
    """The sound with a picture that changes, as MP4."""
    import av
    import numpy as np

    with av.open(str(sound)) as heard, av.open(str(path), "w") as film:
        film.metadata["title"] = "News on film"
        picture = film.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        said = film.add_stream("aac", rate=44100, layout="mono")
        resampler = av.AudioResampler("fltp", "mono", 44100)
        seconds = 0.0
        for frame in heard.decode(audio=0):
            for each in resampler.resample(frame):
                seconds += each.samples / 44100
                film.mux(said.encode(each))
        film.mux(said.encode(None))
        for number in range(int(seconds * 5)):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), number % 250, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            film.mux(picture.encode(frame))
        film.mux(picture.encode(None))
    return path


def silent_film(path: Path) -> Path:
    """A picture without a sound."""
    import av
    import numpy as np

    with av.open(str(path), "w") as film:
        picture = film.add_stream("libx264", rate=5)
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        for _ in range(5):
            film.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((120, 160, 3), np.uint8), format="rgb24")))
        film.mux(picture.encode(None))
    return path


CAPTIONS = """WEBVTT

00:00:00.500 --> 00:00:03.000
Good morning, says the page.

00:00:03.000 --> 00:00:06.000
These are its captions.
"""


@dataclass
class Station:
    """A site with recordings on it. `asked` counts the requests for each path."""

    url: str
    asked: Counter[str] = field(default_factory=Counter)


@asynccontextmanager
async def on_air(folder: Path) -> AsyncIterator[Station]:
    """Serves the files of a folder, and pages and a feed about them."""
    station = Station("")

    async def file(request: Request) -> Response:
        station.asked[request.url.path] += 1
        return FileResponse(folder / request.path_params["name"])

    def page(body: str) -> Response:
        return HTMLResponse(f"<!doctype html><title>The news page</title><body>{body}")

    async def with_video(request: Request) -> Response:
        return page('<video src="/files/news.mp4"></video>')

    async def with_captions(request: Request) -> Response:
        return page('<video src="/files/news.mp4"><track kind="subtitles" srclang="en" src="/captions.vtt"></video>')

    async def inward(request: Request) -> Response:
        return page('<video src="http://10.1.2.3/secret.mp4"></video>')

    async def without(request: Request) -> Response:
        return page("<p>Nothing to hear.</p>")

    async def captions(request: Request) -> Response:
        return PlainTextResponse(CAPTIONS, media_type="text/vtt")

    async def feed(request: Request) -> Response:
        items = "".join(
            f'<item><title>News {n}</title><enclosure url="{station.url}/files/{name}" type="audio/wav" length="1"/></item>'
            for n, name in enumerate(["news.wav", "short.wav"], 1)
        )
        return Response(
            f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{items}</channel></rss>',
            media_type="application/rss+xml",
        )

    async def large(request: Request) -> Response:
        async def bytes_of_unsaid_length() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b"\0" * 100_000

        return StreamingResponse(bytes_of_unsaid_length(), media_type="audio/mpeg")

    async def busy(request: Request) -> Response:
        return PlainTextResponse("later", 503)

    routes = {
        "/files/{name}": file, "/video": with_video, "/captioned": with_captions, "/inward": inward, "/nothing": without,
        "/captions.vtt": captions, "/feed.xml": feed, "/large.mp3": large, "/busy.mp3": busy,
    }  # fmt: skip
    async with serving(Starlette(routes=[Route(path, answer) for path, answer in routes.items()])) as url:
        station.url = url
        yield station
