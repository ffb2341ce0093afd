"""What a newcomer does in the first minutes, and what an agent and a person then meet."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
import psutil
from installed import BACKBURNER, Installation
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

TIDES = Path(__file__).parents[2] / "examples" / "tides.md"


def test_one_command_makes_a_deck_where_nothing_runs(installation: Installation) -> None:
    made = installation.run("run", "presentation", f"slides=@{TIDES}", "--watch")

    deck = next(Path(line.strip()) for line in made.stdout.splitlines() if line.strip().endswith(".pptx"))
    (job,) = installation.json("jobs", "list")
    assert deck.stat().st_size > 10_000
    assert (job["status"], job["result"]["slides"]) == ("completed", 9)
    shorter = installation.run("jobs", "redo", job["id"], "slides/8=null", "slides/+1=## Next").stdout.strip()
    (redone,) = [each for each in installation.json("jobs", "list") if each["id"] == shorter]
    assert (len(redone["args"]["slides"]), redone["args"]["slides"][1]) == (9, "## Next")
    assert "Completed" in installation.run("why", job["id"]).stdout
    assert "page" in installation.run("kinds").stdout
    assert "✗" not in installation.run("doctor").stdout
    assert "Stopped process" in installation.run("stop").stderr


def test_the_demo_kills_a_worker_and_the_deck_is_made_once(installation: Installation) -> None:
    shown = installation.run("demo", "--once").stdout

    assert "kill -9" in shown
    assert "9 slides: Backburner" in shown
    assert "/sign-in?key=" in shown
    assert not (installation.home / "runtime.json").exists()


def test_bad_input_is_a_sentence_and_nothing_is_kept(installation: Installation, tmp_path: Path) -> None:
    installation.run("run", "page", "content=# A", "--watch")
    large, many = tmp_path / "large.md", tmp_path / "many.md"
    large.write_text("# A\n" + "x" * 10_000_000)
    many.write_text("\n---\n".join(f"# {n}" for n in range(500)))
    bad = {
        (
            "presentation",
            "slides=# A",
            "theme=blue",
        ): "theme: input should be 'clean', 'paper', 'fresh', 'vivid', 'midnight' or 'graphite', not 'blue'",
        ("presentation", f"slides=@{large}"): "10.0 MB of JSON; at most 1 MB",
        ("presentation", f"slides=@{many}"): "500",
        ("presentation", "slides=@nowhere.md"): "'nowhere.md' cannot be read",
        ("page", "contnt=# A"): "Did you mean 'content'?",
        ("pag", "content=# A"): "Did you mean 'page'?",
        ("page", "content"): "is not name=value",
        ("page", "content=[1"): "begins like JSON, but is none",
    }

    said = {call: installation.run("run", *call, check=False) for call in bad}

    for call, sentence in bad.items():
        assert said[call].returncode == 2, call
        assert sentence in " ".join(said[call].stderr.split()), said[call].stderr
        assert "Traceback" not in said[call].stderr
    assert len(installation.json("jobs", "list")) == 1


def test_a_file_on_the_command_line_is_uploaded_for_the_job(installation: Installation, tmp_path: Path) -> None:
    talk = tmp_path / "a talk.mp3"
    talk.write_bytes(b"\xff\xfb" * 1_000_000)

    made = installation.run("run", "drill", f"source=@{talk}", "--watch", "--json")
    missing = installation.run("run", "drill", f"source=@{talk}.gone", check=False)
    no_file = installation.run("run", "drill", f"source={talk}", check=False)

    digest = hashlib.sha256(talk.read_bytes()).hexdigest()
    assert json.loads(made.stdout)["result"]["source"] == {"name": "a talk.mp3", "sha256": digest}
    assert (missing.returncode, no_file.returncode) == (2, 2)
    assert "cannot be read: No such file" in " ".join(missing.stderr.split())
    assert "is no file: give upload:ID" in " ".join(no_file.stderr.split())


def test_a_port_that_is_taken_and_a_home_that_is_taken_are_sentences(installation: Installation) -> None:
    installation.run("run", "page", "content=# A", "--watch")
    port = str(installation.runtime["http_url"].rsplit(":", 1)[1])

    second = installation.run("up", check=False)
    other = Installation(installation.home.parent / "other")
    taken = other.run("up", "--port", port, check=False)

    assert "is in use by process" in " ".join(second.stderr.split())
    assert f"Port {port} cannot be used" in " ".join(taken.stderr.split())
    assert (second.returncode, taken.returncode) == (1, 1)


def test_a_person_signs_in_once_by_the_link_and_sees_the_shelf(installation: Installation) -> None:
    installation.run("run", "page", "content=# A tide", "--watch", "--subject", "Sea")
    link = next(line for line in installation.run("link").stdout.splitlines() if line.startswith("http"))
    base, key = link.split("/sign-in?key=")

    with httpx2.Client(base_url=base, headers={"Accept": "text/html", "Origin": base}) as browser:
        stranger = browser.get("/")
        signed_in = browser.post("/sign-in", data={"key": key})
        shelf = browser.get("/")
    with httpx2.Client(base_url=base, headers={"Accept": "text/html", "Origin": base}) as another:
        again = another.post("/sign-in", data={"key": key})

    assert (stranger.status_code, signed_in.status_code, again.status_code) == (401, 303, 403)
    assert "Sea" in shelf.text
    assert "A tide" in shelf.text


def test_whoever_operates_signs_in_for_that_and_scrapers_of_this_machine_need_no_token(
    installation: Installation,
) -> None:
    installation.run("run", "page", "content=# A tide", "--watch")
    link = next(line for line in installation.run("link", "--admin").stdout.splitlines() if line.startswith("http"))
    base, key = link.split("/sign-in?key=")

    with httpx2.Client(base_url=base, headers={"Accept": "text/html", "Origin": base}) as browser:
        browser.post("/sign-in", data={"key": key})
        page = browser.get("/ops")
    with httpx2.Client(base_url=base) as scraper:
        metrics, proxied = scraper.get("/metrics"), scraper.get("/metrics", headers={"X-Forwarded-For": "192.168.1.9"})

    assert (page.status_code, metrics.status_code, proxied.status_code) == (200, 200, 401)
    assert "All is well" in page.text
    assert 'backburner_jobs_ended_total{kind="page",outcome="completed"} 1.0' in metrics.text


async def test_agents_come_over_http_in_both_eras_only_with_a_token(installation: Installation) -> None:
    await asyncio.to_thread(installation.run, "run", "page", "content=# A", "--watch")
    url = f"{installation.runtime['http_url']}/mcp"

    for mode in ("auto", "legacy"):
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {installation.token}"}) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as agent,
        ):
            made = (await agent.call_tool("create_page", {"content": f"# {mode}"})).structured_content or {}
            seen = await agent.call_tool("job_status", {"job_ids": [made["job_id"]], "wait_seconds": 20})
        assert (seen.structured_content or {})["jobs"][0]["status"] == "completed"

    async with httpx2.AsyncClient() as http:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        headers = {"Accept": "application/json, text/event-stream"}
        nobody = await http.post(url, json=call, headers=headers)
        wrong = await http.post(url, json=call, headers={**headers, "Authorization": "Bearer bb_wrong"})
        elsewhere = await http.post(
            url, json=call, headers={**headers, "Authorization": f"Bearer {installation.token}", "Host": "evil.example"}
        )
        page = {**headers, "Authorization": f"Bearer {installation.token}", "Origin": "http://evil.example"}
        other_site = await http.post(url, json=call, headers=page)
    assert (nobody.status_code, wrong.status_code) == (401, 401)
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    assert (elsewhere.status_code, other_site.status_code) == (421, 403)


async def test_agents_come_over_stdio_in_both_eras(installation: Installation) -> None:
    server = StdioServerParameters(command=BACKBURNER, args=["mcp"], env=installation.environment)

    for mode in ("auto", "legacy"):
        async with Client(server, mode=mode) as agent:
            tools = [tool.name for tool in (await agent.list_tools()).tools]
            made = (await agent.call_tool("create_page", {"content": f"# {mode}"})).structured_content or {}
            seen = await agent.call_tool("job_status", {"job_ids": [made["job_id"]], "wait_seconds": 30})

        assert "create_presentation" in tools
        assert (seen.structured_content or {})["jobs"][0]["status"] == "completed"


async def test_a_killed_chat_client_takes_neither_the_installation_nor_the_other_client_along(
    installation: Installation, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    first = subprocess.Popen(
        [BACKBURNER, "mcp"],
        env=installation.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    await asyncio.to_thread(eventually, (installation.home / "runtime.json").exists)
    server = StdioServerParameters(command=BACKBURNER, args=["mcp"], env=installation.environment)

    async with Client(server) as second:
        made = (
            await second.call_tool("create_presentation", {"slides": ["# A", "## B\n- c"]})
        ).structured_content or {}
        for process in [*psutil.Process(first.pid).children(recursive=True), psutil.Process(first.pid)]:
            process.kill()
        os.killpg(first.pid, signal.SIGKILL)
        assert first.stdin is not None
        first.stdin.close()
        first.wait()
        seen = await second.call_tool("job_status", {"job_ids": [made["job_id"]], "wait_seconds": 30})

    assert (seen.structured_content or {})["jobs"][0]["status"] == "completed"
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{installation.runtime['http_url']}/healthz")).status_code == 200
