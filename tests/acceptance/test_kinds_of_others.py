"""A package with a kind of its own, installed beside Backburner, without a change there."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from installed import Installation
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

ROOT = Path(__file__).parents[2]
QUIZ = ROOT / "examples" / "backburner-quiz"
MOON = {"text": "What makes the tide?", "answers": ["The moon", "Whales"], "right": 0}


@pytest.fixture
def beside(installation: Installation, tmp_path: Path) -> Iterator[Installation]:
    """The installation, run from a fresh environment in which the example was installed as well."""
    fresh = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", fresh], check=True)
    python = fresh / "bin" / "python"
    # What Backburner itself needs is borrowed from the environment of the tests: only the example is installed here.
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    (site / "backburner.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--prefix", fresh, QUIZ],
        check=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    )  # fmt: skip
    installation.command = (str(python), "-m", "agent_tools.cli")
    return installation


async def test_a_kind_of_others_is_seen_by_agents_page_and_doctor(beside: Installation) -> None:
    doctor = beside.run("doctor").stdout
    (said,) = [each for each in beside.json("kinds") if each["name"] == "quiz"]
    watched = beside.run("run", "quiz", "topic=Tides", f"questions={json.dumps([MOON])}", "--watch", "--subject", "Sea")

    assert "kind quiz" in doctor
    assert said["unavailable"] is None
    assert Path(watched.stdout.splitlines()[-1].strip()).name == "quiz.html"
    made = await _by_an_agent(beside)
    assert (made["status"], made["kind"]) == ("completed", "quiz")
    page, form = await _by_a_person(beside)
    assert "Tides" in page
    assert 'name="values/topic"' in form
    assert 'name="values/questions"' in form


async def _by_an_agent(installation: Installation) -> dict[str, Any]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {installation.token}"}) as http,
        Client(streamable_http_client(f"{installation.runtime['http_url']}/mcp", http_client=http)) as agent,
    ):
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        assert "write the questions yourself" in (tools["create_quiz"].description or "").lower()
        wrong = await agent.call_tool("create_quiz", {"topic": "Tides", "questions": [{**MOON, "right": 7}]})
        assert wrong.is_error
        assert "there are 2 answers" in wrong.content[0].text
        made = await agent.call_tool("create_quiz", {"topic": "Tides again", "questions": [MOON]})
        job = (made.structured_content or {})["job_id"]
        seen = await agent.call_tool("job_status", {"job_ids": [job], "wait_seconds": 30})
        return dict((seen.structured_content or {})["jobs"][0])


async def _by_a_person(installation: Installation) -> tuple[str, str]:
    link = next(line for line in installation.run("link").stdout.splitlines() if line.startswith("http"))
    base, key = link.split("/sign-in?key=")
    async with httpx2.AsyncClient(base_url=base, headers={"Accept": "text/html", "Origin": base}) as browser:
        await browser.post("/sign-in", data={"key": key})
        return (await browser.get("/")).text, (await browser.get("/new/quiz")).text
