"""The embedded Valkey."""

import signal
import socket

from agent_tools.embedded.binaries import find_redis
from agent_tools.embedded.child import Child, server_lock, spawn
from agent_tools.embedded.home import Home, saying_why


class Valkey:
    """One Valkey, or Redis, on a Unix socket, in a home folder that exists."""

    name = "valkey"

    def __init__(self, home: Home) -> None:
        self._home = home
        self._socket = home.sockets / "valkey.sock"
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """What redis-py and arq connect to, the same before and after a start."""
        return f"unix://{self._socket}"  # not quoted: arq's from_dsn takes the path as it stands

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it, without waiting until it is ready."""
        # The lock matters: a second server on these files starts without complaint and writes into the same log.
        with saying_why(self._home.path), server_lock(self._home.path / "valkey.lock", "Valkey") as lock:
            log = self._home.logs / "valkey.log"
            self._child = spawn("Valkey", self._command(), log=log, lock=lock, last_signal=signal.SIGTERM)

    def wait_ready(self) -> None:
        """Wait until it has read its data and answers; raises StartFailed with the end of its log."""
        self._started.wait_until(self._answers)

    def poll(self) -> int | None:
        """None while it runs, else its exit code."""
        return self._started.poll()

    def stop(self) -> None:
        """Stop it, keeping every write; nothing to do if it was never started."""
        if self._child is not None:
            self._child.stop((signal.SIGTERM, 10))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._started.pid

    @property
    def _started(self) -> Child:
        if self._child is None:
            raise RuntimeError("Valkey was not started.")
        return self._child

    def _command(self) -> list[str]:
        settings = {
            "dir": str(self._home.valkey),
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [str(find_redis()), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")  # -LOADING while it reads its log
        except OSError:
            return False
