"""Files of this machine that arguments may name: `file:NAME`, below the folder that whoever runs it allows."""

import re
from pathlib import Path
from urllib.parse import unquote

from agent_tools.settings import Settings

_SCHEME = re.compile(r"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)


class NotAllowed(LookupError):
    """Why a file may not be read: what is wrong, to stand behind its name, and perhaps a sentence more."""

    def __init__(self, what: str, more: str = "") -> None:
        super().__init__(f"It {what}. {more}".rstrip())
        self.what, self.more = what, more


def local_path(address: str) -> Path:
    """What `file:NAME` means, whether or not anything is there: below the folder of BACKBURNER_FILES, wherever links lead.

    A name is taken as it is written, else with its %20 as what they stand for; one that begins with / may also begin at the
    folder. Raises NotAllowed.
    """
    named = Settings.read().files
    if not named:
        raise NotAllowed(
            "may not be read", "Whoever runs this can allow it: BACKBURNER_FILES names the folder of such files."
        )
    written = _SCHEME.sub("", address, count=1)
    folder, meant = Path(named).resolve(), list[Path]()
    try:
        for name in dict.fromkeys((written, unquote(written))):
            meant += [(folder / name).resolve(), (folder / name.lstrip("/")).resolve()]
        below = [path for path in meant if path.is_relative_to(folder)]
        found = next((path for path in below if path.exists()), None)
    except (ValueError, RuntimeError, OSError):  # a NUL in it, links that lead in a circle, a name too long
        raise NotAllowed("is no file's name") from None
    if found is None and len(below) < len(meant):
        raise NotAllowed("is not below the folder that BACKBURNER_FILES names")
    return found or meant[-1]
