"""Outlive the process that started us by a moment, to tell a server that its owner is gone.

For where the kernel cannot: outside Linux, and for servers started from a thread, whose end Linux would take for ours.
"""

import os
import signal
import sys
from contextlib import suppress


def main(pid: str, last_signal: str) -> None:
    """Signal the server when the pipe from our owner closes, unless a byte in it says that the server has ended."""
    if sys.stdin.buffer.read(1):
        return
    with suppress(ProcessLookupError):
        os.kill(int(pid), int(last_signal))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(*sys.argv[1:])
