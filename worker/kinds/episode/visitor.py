"""The process that visits a page: yt-dlp, held to public addresses, to a size, and to this one folder."""

import ipaddress
import re
import resource
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent_tools.fetch import PORTS, is_public
from worker.kinds.episode import child

MOST_CAPTIONS = 8_000_000
_NOISE = re.compile(
    r"\x1b\[[\d;]*m|^ERROR:\s*|\[[\w:+]+\]\s*|; please report this issue.*|\(caused by .*|https?://\S+", re.DOTALL
)
_REFUSED = "is no public address, and others are not asked"


class _Silent:
    def debug(self, said: str) -> None:
        """Nobody listens."""

    info = warning = error = debug


def main() -> None:
    """Visit what is given on the standard input."""
    given, say = child.begin()
    resource.setrlimit(resource.RLIMIT_FSIZE, (given["most_bytes"],) * 2)
    sys.addaudithook(_only_public(given["loopback"]))
    try:
        import yt_dlp  # noqa: PLC0415 - a second, only here
    except ImportError:
        say(wrong="yt-dlp is not installed: pip install 'backburner[media]'.")
        return
    folder = Path(given["folder"])
    try:
        with yt_dlp.YoutubeDL(_options(given, folder, say)) as visitor:
            about = visitor.extract_info(given["url"], download=False, process=True)
            say(**_visited(visitor, about or {}, given, folder))
    except yt_dlp.utils.DownloadError as error:
        said = " ".join(_NOISE.sub("", str(error)).split()).rstrip(" .:")
        if _REFUSED in str(error):
            said = f"It leads to what {_REFUSED}"
        say(wrong=f"{said[:300] or 'There is none'}.")
    except OSError as error:
        too_large = "File too large" in str(error) or getattr(error, "errno", 0) == 27
        say(
            wrong=f"It is larger than {given['most_bytes'] / 1e6:g} MB, and no more is taken."
            if too_large
            else f"{error}"[:300]
        )


def _visited(visitor: Any, about: dict[str, Any], given: dict[str, Any], folder: Path) -> dict[str, Any]:
    entries = [each for each in about.get("entries") or () if each]
    if len(entries) == 1:
        about, entries = entries[0], []
    found: dict[str, Any] = {
        "title": str(about.get("title") or "")[:200],
        "language": str(about.get("language") or "").partition("-")[0],
        "duration_s": about.get("duration"),
        "entries": [
            {
                "source": each.get("webpage_url") or each.get("url"),
                "title": str(each.get("title") or "")[:200],
                "duration_s": each.get("duration"),
            }
            for each in entries[:200]
            if each.get("webpage_url") or each.get("url")
        ],
    }
    if given["only_look"] or entries:
        return found
    if captions := _captions(visitor, about, given["language"], folder):
        found["captions"], found["captions_language"] = captions
    visitor.process_ie_result(about, download=True)
    media = next((path for path in sorted(folder.glob("media.*")) if path.stat().st_size), None)
    return found | {"media": media.name if media else None}


def _captions(visitor: Any, about: dict[str, Any], language: str | None, folder: Path) -> tuple[str, str] | None:
    """The captions that people made, in the language that is spoken; none where that is not known."""
    offered: dict[str, list[dict[str, Any]]] = about.get("subtitles") or {}
    wanted = (
        language
        or str(about.get("language") or "").partition("-")[0]
        or (next(iter(offered)) if len(offered) == 1 else "")
    )
    wanted = wanted.partition("-")[0].lower()
    for code, files in offered.items():
        if not wanted or code.partition("-")[0].lower() != wanted:
            continue
        for file in files:
            if file.get("ext") not in ("vtt", "srt"):
                continue
            with suppress(Exception):  # captions that cannot be had are no captions
                data = file.get("data") or visitor.urlopen(file["url"]).read(MOST_CAPTIONS)
                path = folder / f"captions.{file['ext']}"
                path.write_bytes(data.encode() if isinstance(data, str) else data)
                return path.name, wanted
    return None


def _options(given: dict[str, Any], folder: Path, say: Any) -> dict[str, Any]:
    height = given["quality"].removesuffix("p")
    of_height = f"best[height<={height}]/bestvideo[height<={height}]/best"
    return {
        "format": "bestaudio/best" if given["quality"] == "audio" else of_height,
        "outtmpl": {"default": str(folder / "media.%(ext)s")},
        "paths": {"home": str(folder), "temp": str(folder)},
        "noplaylist": True, "playlistend": 200, "extract_flat": "in_playlist",
        "quiet": True, "no_warnings": True, "noprogress": True, "logger": _Silent(),
        "proxy": "", "cachedir": False, "nopart": True, "updatetime": False, "fixup": "never",
        "max_filesize": given["most_bytes"], "socket_timeout": 30, "retries": 3, "fragment_retries": 3, "extractor_retries": 2,
        "hls_prefer_native": True,
        "ffmpeg_location": str(folder),  # where there is none: it would ask addresses that nobody judged
        "progress_hooks": [lambda told: say(done=told.get("downloaded_bytes") or 0, of=told.get("total_bytes"))],
    }  # fmt: skip


def _only_public(may_loopback: bool) -> Any:
    """Refuses every connection of this process to what is no public address, after names were resolved."""

    def judge(event: str, args: tuple[Any, ...]) -> None:
        if event != "socket.connect":
            return
        family, address = args[0].family, args[1]
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise PermissionError(f"A socket of another family {_REFUSED}.")
        ip, port = ipaddress.ip_address(str(address[0]).partition("%")[0]), address[1]
        if may_loopback and ip.is_loopback:
            return
        if not is_public(ip) or port not in PORTS:
            raise PermissionError(f"{ip} {_REFUSED}.")

    return judge


if __name__ == "__main__":
    main()
