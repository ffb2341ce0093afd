"""What importing costs."""

import subprocess
import sys

import pytest

HEAVY = {"mcp", "arq", "psycopg", "redis", "starlette", "obstore"}


@pytest.mark.parametrize(
    ("module", "loads"),
    [
        ("agent_tools", set()),
        ("worker", set()),
        ("agent_tools.jobs.why", set()),
        ("agent_tools.jobs.artifact_store", set()),
        ("sql.connect", {"psycopg"}),
    ],
)
def test_importing_loads_no_technology_that_is_not_its_own(module: str, loads: set[str]) -> None:
    code = f"import {module}, sys; print(*{HEAVY!r} & set(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert set(loaded) == loads
