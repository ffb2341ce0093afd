"""An outside service that remembers what was done to it."""

import json
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Receiver:
    """Does what a POST asks for once per Idempotency-Key, and counts how often it was asked."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.receipts: dict[str, int] = {}
        """Key → the number of what was done under it."""
        self.fences: dict[str, list[int]] = defaultdict(list)
        """Key → the attempts that asked for it, in order."""
        self.is_refusing = False
        self._looked_at: dict[str, float] = {}
        self._called_back = set[str]()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # whoever asked was killed before the answer
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/effects"

    def of(self, job: str) -> int:
        """How often this job's effect was asked for."""
        return self.effects[f"{job}:effect"]

    def record(self, key: str, said: dict[str, Any]) -> int:
        """Do what is asked for, if it was not done; gives its number."""
        with self._lock:
            self.effects[key] += 1
            self.fences[key].append(int(said.get("fence", 0)))
            return self.receipts.setdefault(key, len(self.receipts) + 1)

    def is_ready(self, key: str) -> bool:
        """Whether what was begun under the key is finished: up to 3 s after the first look."""
        with self._lock:
            first = self._looked_at.setdefault(key, time.monotonic())
        return time.monotonic() - first >= sum(key.encode()) % 30 / 10

    def begun(self) -> list[str]:
        """The jobs that something was begun for since this was last asked, in a third of them: their outside calls back."""
        with self._lock:
            jobs = [key.partition(":")[0] for key in self._looked_at.keys() - self._called_back]
            self._called_back = set(self._looked_at)
        return [job for job in jobs if sum(job.encode()) % 3 == 0]

    def _handler(receiver: "Receiver") -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the inner one's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"] or 0))
                if receiver.is_refusing:
                    return self._answer(503, {})
                receipt = receiver.record(self.headers["Idempotency-Key"], json.loads(sent or b"{}"))
                return self._answer(200, {"receipt": receipt})

            def do_GET(self) -> None:
                key = parse_qs(urlsplit(self.path).query).get("ready", [""])[0]
                self._answer(200 if receiver.is_ready(key) and not receiver.is_refusing else 404, {})

            def _answer(self, code: int, said: dict[str, Any]) -> None:
                body = json.dumps(said).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
