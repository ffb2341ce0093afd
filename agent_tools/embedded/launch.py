"""Take on an account, ask the kernel to be told of our parent's end, and become another program.

Run as a script, by its path, so that it starts in 30 ms and needs nothing of the package. It replaces `preexec_fn`,
which runs Python between fork and exec and so can deadlock in a process with threads. And it is root until the program
takes its place, because the account may be unable to reach Python (a virtual environment below /root); so nothing may
be imported once the account has changed.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: str, last_signal: str, uid: str, gid: str, *command: str) -> None:
    """Become `command`; an empty parent asks for no signal at its end, an empty uid keeps the account."""
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if uid:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if parent:  # after setuid, which forgets it
        die_with(int(parent), int(last_signal))
    os.execv(command[0], command)  # noqa: S606  # no shell is what we want


def die_with(parent: int, last_signal: int) -> None:
    """Have the kernel send us this signal when our parent ends (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, last_signal)
    if os.getppid() != parent:
        raise SystemExit("The process that asked for this server ended before it began.")


if __name__ == "__main__":
    main(*sys.argv[1:])
