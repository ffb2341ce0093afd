"""Where a running `backburner up` can be reached."""

import json
import os
from dataclasses import asdict, dataclass

from agent_tools.embedded.home import Home, saying_why


@dataclass(frozen=True)
class Runtime:
    """The addresses of a running `up`, and its process id; `http_url` is None where it serves no pages."""

    http_url: str | None
    database_url: str
    redis_url: str
    pid: int

    def write(self, home: Home) -> None:
        """Tell every reader at once; a reader sees the old file or the new one, never half of one."""
        draft = home.runtime.with_suffix(f".{os.getpid()}.tmp")
        with saying_why(home.path):
            draft.unlink(missing_ok=True)  # a killed writer's, with a mode that we did not choose
            draft.touch(0o600)
            with draft.open("w") as file:
                json.dump(asdict(self), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(home.runtime)

    @classmethod
    def read(cls, home: Home) -> "Runtime | None":
        """The running `up` of this home, or None: no file, not readable as one, or its writer is gone."""
        with saying_why(home.path):
            try:
                said = home.runtime.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
            runtime = _parse(said)
            # A new owner holds the home for an instant before it removes what a killed one left.
            return runtime if runtime and home.is_held() and home.owner() == runtime.pid else None


def _parse(said: bytes) -> Runtime | None:
    try:
        runtime = Runtime(**json.loads(said))
    except (ValueError, TypeError):
        return None
    texts = (runtime.database_url, runtime.redis_url, runtime.http_url or "")
    is_sound = all(isinstance(text, str) for text in texts) and isinstance(runtime.pid, int)
    return runtime if is_sound else None
