"""A ntfy server that takes notices as ntfy does, also on bad days.

`with StubNtfy() as ntfy:` serves it on loopback. `ntfy.then(…)` says how the next posts go, one each: a status, with
seconds of Retry-After where it has them, or `HANGS`: an answer that never ends. All others are taken.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from agent_tools.jobs.notices import Notice

HANGS = -1
HOST = "127.0.0.1"
_ERRORS = {
    401: {"code": 40101, "http": 401, "error": "unauthorized", "link": "https://ntfy.sh/docs/publish/#authentication"},
    429: {"code": 42908, "http": 429, "error": "limit reached: too many requests", "link": "https://ntfy.sh/docs/"},
    500: {"code": 50001, "http": 500, "error": "internal server error"},
}


class Post(NamedTuple):
    """What came: to which topic, and what it says."""

    topic: str
    notice: Notice


class StubNtfy:
    """The server. `posts` has what came, also what was not taken; `on_post` is called with each before it is answered."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.on_post: Callable[[Post], object] = lambda post: None
        self._script: list[tuple[int, float]] = []
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # whoever posted was killed before the answer
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "StubNtfy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def then(self, status: int, retry_after_s: float = 0) -> None:
        """How the next post goes."""
        self._script.append((status, retry_after_s))

    def address(self, topic: str) -> str:
        """The topic, as apprise writes it."""
        return f"ntfy://{HOST}:{self._server.server_port}/{topic}"

    def of(self, topic: str) -> list[Notice]:
        """What came to this topic."""
        return [post.notice for post in self.posts if post.topic == topic]

    def _handler(ntfy: "StubNtfy") -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the inner one's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
                post = Post(sent["topic"], Notice(sent.get("title", ""), sent["message"]))
                ntfy.posts.append(post)
                ntfy.on_post(post)
                status, retry_after_s = ntfy._script.pop(0) if ntfy._script else (200, 0)
                if status == HANGS:
                    self._drip()
                    return
                taken = {
                    "id": f"m{len(ntfy.posts)}",
                    "event": "message",
                    "topic": post.topic,
                    "message": sent["message"],
                }
                self._answer(status, _ERRORS.get(status, taken), retry_after_s)

            def _answer(self, status: int, said: dict[str, Any], retry_after_s: float) -> None:
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if retry_after_s:
                    self.send_header("Retry-After", f"{retry_after_s:g}")
                self.end_headers()
                self.wfile.write(body)

            def _drip(self) -> None:
                """A byte now and then: no wait for the next one is ever long."""
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                while not ntfy._closing.wait(0.5):
                    self.wfile.write(b" ")

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
