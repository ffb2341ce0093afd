"""The sound of a media file: taken out with FFmpeg's libraries, frame by frame, so that it can be stopped."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from agent_tools import GiveUp
from worker.kinds.episode.parts import Part, cuts

MOST_HOURS = 12
PEAKS = 400
"""How many bars a picture of the sound has."""
_RATE = 24_000
_HEARD_AT = 16_000
"""Samples a second, as models take them."""
_BEFORE_S = 1.0
"""How much is decoded before what is wanted: an MP3's frames lean on those before them."""
_FORMATS = "mov,matroska,mp3,wav,w64,flac,ogg,aac,aiff,caf,amr,asf,avi,mpegts,mpeg,flv,wv,ape,au,ac3,eac3"
"""Containers that hold media themselves: no playlist, which could name files and addresses for it to open."""

T = TypeVar("T")


class Heard(BaseModel):
    """What is known of a recording once its sound was taken out."""

    duration_s: float
    title: str
    has_picture: bool
    peaks: list[int]
    """How loud it is, from 0 to 100, over its length."""
    cuts: list[float] = []
    """At which seconds it may be parted."""


class _Stopped(Exception):
    """Nobody waits for it any more."""


async def take_sound(path: Path, to: Path, progress: Callable[[float, float], None]) -> Heard:
    """Write the sound of a media file as MP3. Raises GiveUp with a sentence for what has none."""
    return await _in_thread(lambda stop: _take(path, to, progress, stop))


async def length_of(path: Path) -> tuple[float, str]:
    """How long a media file says it is, and what it is called inside. Raises GiveUp."""
    return await _in_thread(lambda _: _length_of(path))


async def _in_thread(work: Callable[[threading.Event], T]) -> T:
    stop = threading.Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()  # where this was cancelled: the thread ends at the next frame


def between(audio: Path, part: Part) -> Any:
    """A part of what `take_sound` wrote, as a model takes it: numbers from -1 to 1."""
    import av  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    begins_s, samples = part.start_s, [np.zeros(0, np.int16)]
    with av.open(str(audio)) as container:
        stream: Any = container.streams.audio[0]
        early_s = float((stream.start_time or 0) * stream.time_base)  # what the encoder put in front is counted, too
        container.seek(max(round((part.start_s - _BEFORE_S) * 1_000_000), 0))
        resampler = av.AudioResampler(format="s16", layout="mono", rate=_HEARD_AT)
        for frame in container.decode(stream):
            at_s = frame.time - early_s
            if at_s >= part.end_s:
                break
            if at_s + frame.samples / frame.sample_rate > part.start_s:
                begins_s = min(begins_s, at_s)
                samples += [each.to_ndarray().ravel() for each in resampler.resample(frame)]
        samples += [each.to_ndarray().ravel() for each in resampler.resample(None)]
    first = round((part.start_s - begins_s) * _HEARD_AT)
    wanted = np.concatenate(samples)[first : first + round((part.end_s - part.start_s) * _HEARD_AT)]
    return wanted.astype(np.float32) / 32768


def bit_rate(duration_s: float) -> int:
    """As good as speech needs, and less for what is long, so that a page can carry it."""
    return 64_000 if duration_s < 1800 else 48_000 if duration_s < 3900 else 32_000


def _length_of(path: Path) -> tuple[float, str]:
    with _opened(path) as container:
        _speech_of(container)
        return (container.duration or 0) / 1_000_000, str(container.metadata.get("title", ""))


def _take(path: Path, to: Path, progress: Callable[[float, float], None], stop: threading.Event) -> Heard:
    import av  # noqa: PLC0415 - a hundred megabytes, loaded only where media are read
    import av.error  # noqa: PLC0415

    with _opened(path) as container:
        stream = _speech_of(container)
        says_s = (container.duration or 0) / 1_000_000
        if says_s > MOST_HOURS * 3600:
            raise GiveUp(
                f"The recording is {says_s / 3600:.0f} hours long; at most {MOST_HOURS} are taken. Cut it into parts."
            )
        try:
            duration_s, loudness = _encode(
                container, stream, to, bit_rate(says_s), lambda at: progress(min(at, says_s or at), says_s or at), stop
            )
        except av.error.FFmpegError as error:
            raise GiveUp(f"The recording cannot be read: {_said(error)}.") from error
        if not duration_s:
            raise GiveUp("The recording is empty: there is no sound in it, not a moment.")
        title = str(container.metadata.get("title", ""))
        has_picture = any(not each.disposition & 0x400 for each in container.streams.video)
    return Heard(
        duration_s=duration_s,
        title=" ".join(title.split())[:200],
        has_picture=has_picture,
        peaks=_peaks(loudness),
        cuts=cuts(loudness),
    )


def _encode(
    container: Any, stream: Any, to: Path, rate: int, progress: Callable[[float], None], stop: threading.Event
) -> tuple[float, list[float]]:
    """How long the sound is that was written, and how loud each tenth of a second."""
    import av  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415 - comes with the model's engine

    loudness, samples = list[float](), 0
    with av.open(str(to), "w", format="mp3") as out:
        sink: Any = out.add_stream("libmp3lame", rate=_RATE, layout="mono")
        sink.bit_rate, sink.options = rate, {"compression_level": "7"}  # as good for speech, in half the time
        resampler = av.AudioResampler(format="s16p", layout="mono", rate=_RATE, frame_size=_RATE // 10)
        for frame in _frames(container, stream, resampler, stop):
            sound = frame.to_ndarray().ravel()
            loudness.append(float(np.abs(sound.astype(np.int32)).mean()) if sound.size else 0.0)
            samples += frame.samples
            frame.pts = None
            out.mux(sink.encode(frame))
            if samples % _RATE == 0:
                progress(samples / _RATE)
                if samples > MOST_HOURS * 3600 * _RATE:
                    raise GiveUp(f"The recording goes on for more than {MOST_HOURS} hours, and no more is taken.")
        out.mux(sink.encode(None))
    return samples / _RATE, loudness


def _frames(container: Any, stream: Any, resampler: Any, stop: threading.Event) -> Iterator[Any]:
    """The sound in frames of equal length. What is damaged within is passed over; raises where all of it is."""
    import av.error  # noqa: PLC0415

    good, bad = 0, None
    for packet in container.demux(stream):
        if stop.is_set():
            raise _Stopped
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            bad = error
            continue
        good += len(frames)
        for frame in frames:
            yield from resampler.resample(frame)
    if not good and bad:
        raise bad
    if good:
        yield from resampler.resample(None)


def _opened(path: Path) -> Any:
    import av  # noqa: PLC0415
    import av.error  # noqa: PLC0415

    # It writes what it thinks of a file to the process's error output otherwise, once for each frame.
    av.logging.set_level(None)
    if not path.stat().st_size:
        raise GiveUp("The recording is empty: the file has no bytes.")
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        return av.open(str(path), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise GiveUp(
            f"This is no recording that can be read: {_said(error)}. Taken are audio and video files, such as MP3, M4A, WAV, "
            "FLAC, MP4, MKV and WebM."
        ) from error


def _speech_of(container: Any) -> Any:
    if not container.streams.audio:
        raise GiveUp("There is no sound in this recording, only a picture.")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise GiveUp("The sound of this recording is packed in a way that is not known here.")
    return stream


def _said(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


def _peaks(loudness: list[float]) -> list[int]:
    """So many bars; as tall as loud, and the tallest 100."""
    if not loudness:
        return []
    many = min(PEAKS, len(loudness))
    parts = [
        loudness[len(loudness) * n // many : max(len(loudness) * (n + 1) // many, len(loudness) * n // many + 1)]
        for n in range(many)
    ]
    levels = [max(part) for part in parts]
    top = max(levels) or 1.0
    return [round(100 * (level / top) ** 0.7) for level in levels]
