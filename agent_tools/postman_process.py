"""The process that sends one notice: `python -m agent_tools.postman_process`, asked and answering in JSON.

What apprise sends with is written for an operator who trusts the addresses. Here a person gave it, so this process may
reach public addresses and those of the operator's hosts, starts nothing, and reads no files but its own program's.
"""

import ipaddress
import json
import logging
import mimetypes
import os
import resource
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from agent_tools.fetch import IP, is_public

_MOST_MEMORY = 1 << 30
_REFUSED = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "syslog.",
)


class Guard:
    """Judges what this process does to the outside, from now until its end. `refused` says what it was that was not allowed."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.refused = ""
        self._hosts = hosts
        places = {sys.prefix, sys.base_prefix, *sys.path, *filter(None, ssl.get_default_verify_paths()[:2])}
        ours = [os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), os.environ.get("REQUESTS_CA_BUNDLE")]
        self._readable = [str(Path(place).resolve()) for place in (*places, *ours) if place]
        self._here = threading.local()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook: raises PermissionError."""
        if getattr(self._here, "is_judging", False):
            return  # what judging itself needs
        self._here.is_judging = True
        try:
            if event in ("socket.connect", "socket.sendto"):
                self._judge(args[1])
            elif event == "socket.bind" or event.startswith(_REFUSED):
                self._refuse("This service acts on the machine itself, and is not used here.")
            elif event == "open":
                self._judge_file(args[0])
        finally:
            self._here.is_judging = False

    def _judge(self, address: Any) -> None:
        try:
            ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        except (ValueError, IndexError, TypeError):
            self._refuse("This service acts on the machine itself, and is not used here.")
        if not is_public(ip) and ip not in self._allowed():
            self._refuse(
                f"It leads to {ip}, which is no public address. The operator may allow its host in BACKBURNER_NOTICE_HOSTS."
            )

    def _allowed(self) -> set[IP]:
        found = set[IP]()
        for host in self._hosts:
            try:
                found |= {ipaddress.ip_address(each[4][0]) for each in socket.getaddrinfo(host.strip("[]"), None)}
            except (OSError, ValueError):
                continue
        return found

    def _judge_file(self, path: Any) -> None:
        if isinstance(path, int) or path in (os.devnull, "/dev/urandom"):
            return
        asked = str(Path(os.fsdecode(path)).resolve())
        if not any(asked == place or asked.startswith(f"{place}{os.sep}") for place in self._readable):
            self._refuse("This address names a file of the machine, which is not read.")

    def _refuse(self, why: str) -> None:
        self.refused = why
        raise PermissionError(why)


class Answers:
    """What the service's server said last, where it speaks HTTP."""

    def __init__(self) -> None:
        self.why, self.after_s = "", 0.0

    def listen(self) -> None:
        """Overhear every answer: apprise keeps neither status nor Retry-After."""
        from requests import RequestException  # noqa: PLC0415
        from requests.adapters import HTTPAdapter  # noqa: PLC0415

        send = HTTPAdapter.send

        def overheard(adapter: Any, request: Any, *args: Any, **more: Any) -> Any:
            try:
                answer = send(adapter, request, *args, **more)
            except RequestException as error:
                self.why = f"It could not be reached ({type(error).__name__})."
                raise
            self.why = f"The service answered {_status(answer.status_code)}."
            self.after_s = _seconds(answer.headers.get("Retry-After", ""))
            return answer

        HTTPAdapter.send = overheard  # type: ignore[method-assign,assignment]


def main() -> None:
    """Send what stdin asks for; `why` on stdout is empty where it was taken."""
    asked = json.load(sys.stdin)
    signal.alarm(int(asked["within_s"]))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    logging.disable(logging.CRITICAL)  # addresses are secrets
    guard, answers = Guard(asked["hosts"]), Answers()
    why = _send(asked, guard, answers)
    json.dump({"why": guard.refused or why, "after_s": answers.after_s} if why else {}, sys.stdout)


def _send(asked: Mapping[str, Any], guard: Guard, answers: Answers) -> str:
    """Why it was not taken; empty where it was."""
    from apprise import Apprise, AppriseAsset, NotifyFormat  # noqa: PLC0415  # not before there is a limit on everything
    from apprise.plugins import url_to_dict  # noqa: PLC0415

    mimetypes.init()  # reads files of the machine
    answers.listen()
    sys.addaudithook(guard)
    parts = url_to_dict(asked["url"])  # type: ignore[no-untyped-call]
    if not parts:
        return "That is no address that notices can be sent to. It looks like ntfy://my-topic or mailtos://user:password@host."
    service = parts["schema"]
    if service not in asked["services"]:
        return f"Notices by {service} are not switched on here. The operator may name it in BACKBURNER_NOTICE_SERVICES."
    asset = AppriseAsset(
        app_id="Backburner",
        app_desc="Backburner",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
    )
    sender = Apprise.instantiate({**parts, "redirect": False}, asset=asset)
    if sender is None:
        return f"That is no address for {service}: something in it is missing or wrong."
    if asked["notice"] is None:
        return ""
    # As plain text: whatever the service writes in is made of it there, and escaped once.
    notice = asked["notice"]
    is_sent = Apprise([sender], asset=asset).notify(
        body=notice["body"], title=notice["title"], body_format=NotifyFormat.TEXT
    )
    return (
        "" if is_sent else answers.why or "The service did not take it. Is the address right, with name and password?"
    )


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _seconds(retry_after: str) -> float:
    """How long to wait, of at most a day; 0 where nothing sensible was said."""
    try:
        wait_s = float(retry_after)
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError):
            return 0.0
    return min(max(wait_s, 0.0), 86_400.0) if wait_s == wait_s else 0.0  # noqa: PLR0124 - a NaN is not itself


if __name__ == "__main__":
    main()
