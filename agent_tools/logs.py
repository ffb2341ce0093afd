"""What a process says of what it does: a line for each event, on its error output."""

import logging
import sys

_CHATTY = ("httpx2", "httpcore2")
"""A line for each request: of what is asked every few seconds, that is all one reads."""


def begin(level: str) -> None:
    """Write from this level on; what others say of each request only where everything is wanted."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    if logging.getLogger().level > logging.DEBUG:
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
