"""Sending one notice to one address, which its person gave: by a process of its own, that can be ended and does nothing else."""

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.notices import Notice
from agent_tools.settings import Settings

WITHIN_S = 20
"""How long one sending may take."""
MAX_ADDRESS = 2000
_MAIL = re.compile(r"[^\s@:/?#&%]+@[^\s@:/?#&%]+\.[^\s@:/?#&%.]+")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/]\S*", re.IGNORECASE)
_HOST = re.compile(r"(?:[\w-]+\.)+[\w-]+(?::\d+)?\Z")
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_HOSTED = frozenset({"mailto", "ntfy", "gotify", "matrix", "mmost", "rocket", "signal", "bark", "workflow", "json"})
"""What is written as `service://secrets@host/secrets`: elsewhere the place of the host is a secret, too."""


class NotTaken(Exception):
    """Why a notice was not taken, as a sentence for whoever gave the address; and how long to wait, where that was said."""

    def __init__(self, why: str, after_s: float = 0) -> None:
        super().__init__(why)
        self.after_s = after_s


@dataclass(frozen=True)
class Postman:
    """What the operator lets notices go to: these services, and beside the internet these hosts; `mail` is their mail server."""

    services: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    mail: str = ""

    @classmethod
    def of(cls, settings: Settings) -> "Postman":
        """As the settings say."""
        return cls(settings.notice_services, settings.notice_hosts, settings.notice_mail.get_secret_value())

    async def check(self, address: str) -> str:
        """The address, tidied. Raises BadRequest for what is none, or is none that may be used here. Sends nothing."""
        address = address.strip()
        is_one = _URL.fullmatch(address) or _MAIL.fullmatch(address)
        if not is_one or len(address) > MAX_ADDRESS or not address.isprintable():
            raise BadRequest("An address looks like ntfy://my-topic or mailtos://user:password@host?to=you@host.")
        try:
            await self._run(address, None)
        except NotTaken as error:
            raise BadRequest(str(error)) from None
        return address

    async def send(self, address: str, notice: Notice) -> None:
        """Send it. Raises NotTaken."""
        await self._run(address, notice)

    async def _run(self, address: str, notice: Notice | None) -> None:
        url, services, hosts = address, self.services, self.hosts
        if _MAIL.fullmatch(address):
            if not self.mail:
                raise NotTaken(
                    "This installation has no mail server of its own (BACKBURNER_NOTICE_MAIL). Give the whole address: "
                    "mailtos://user:password@host?to=you@host."
                )
            url = f"{self.mail}{'&' if '?' in self.mail else '?'}to={quote(address)}"
            services, hosts = (*services, urlsplit(self.mail).scheme), (*hosts, *_hosts_of(self.mail))
        asked = {
            "url": url,
            "services": services,
            "hosts": hosts,
            "notice": notice and notice._asdict(),
            "within_s": WITHIN_S,
        }
        answer = await _in_a_process_of_its_own(json.dumps(asked).encode())
        if answer.get("why"):
            raise NotTaken(answer["why"], float(answer.get("after_s", 0)))


def masked(address: str) -> str:
    """What may be shown of an address: the service, and the host where that is no secret; of a mail address the place."""
    if _MAIL.fullmatch(address):
        name, _, host = address.rpartition("@")
        return f"{name[0]}•••@{host}"
    service, _, rest = address.partition("://")
    found = _HOST.match(rest.partition("/")[0].partition("?")[0].rpartition("@")[2])
    has_more = "/" in rest or service.startswith("mailto")  # of `ntfy://topic` the topic is all there is
    if found and has_more and service.lower().removesuffix("s") in _HOSTED:
        return f"{service}://{found[0]}/•••"
    return f"{service}://•••"


async def _in_a_process_of_its_own(asked: bytes) -> dict[str, Any]:
    environment = {name: value for name in _KEPT if (value := os.environ.get(name))}
    # No HOME, and so no .netrc whose passwords would be sent along; no proxy, as what is judged is where it goes.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # what lies in the folder that we were started in is none of its program
        "-m",
        "agent_tools.postman_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**environment, "HOME": os.devnull},
    )
    try:
        async with asyncio.timeout(WITHIN_S + 5):  # it ends itself before
            said, _ = await process.communicate(asked)
    except TimeoutError:
        said = b""
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        is_late = process.returncode in (-signal.SIGALRM, -signal.SIGKILL)
        return {
            "why": f"It was not taken within {WITHIN_S} s." if is_late else "The service's answer could not be read."
        }
    return answer


def _hosts_of(url: str) -> list[str]:
    host = urlsplit(url).hostname
    return [host] if host else []
