"""What a process writes of what it does."""

import subprocess
import sys


def said(level: str) -> str:
    code = (
        f"import logging; from agent_tools import logs; logs.begin({level!r}); "
        "logging.getLogger('backburner.worker').info('a job ended'); logging.getLogger('httpx2').info('HTTP Request: GET')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr


def test_requests_are_written_down_only_where_everything_is_wanted() -> None:
    usually, in_full = said("INFO"), said("DEBUG")

    assert "INFO backburner.worker a job ended" in usually
    assert "HTTP Request" not in usually
    assert "HTTP Request: GET" in in_full
