"""What is written about the API is so: the OpenAPI document, and the commands in docs/api.md."""

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
from callers import Callers
from given import Book
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import BaseRoute, Mount, Route

from agent_tools.app import Backburner
from web import api
from web.api import problems
from web.api.table import OPERATIONS

Work = Callable[[], Awaitable[None]]
FORM = '--b\r\nContent-Disposition: form-data; name="file"; filename="talk.mp3"\r\n\r\n{}\r\n--b--\r\n'
PAGE = Path(__file__).parents[3] / "docs" / "api.md"


async def test_the_document_is_openapi(client: httpx2.AsyncClient) -> None:
    OpenAPIV31SpecValidator((await client.get("/openapi.json")).json()).validate()


async def test_the_document_lists_exactly_the_routes(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    listed = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    assert listed == set(routed(api.routes()))
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(names)) == len(names) == len(OPERATIONS)


def routed(routes: list[BaseRoute], above: str = "") -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Mount):
            yield from routed(route.routes, above + route.path)
        elif isinstance(route, Route):
            yield from ((method, above + route.path) for method in route.methods or () if method != "HEAD")


async def test_everything_said_in_the_document_explains_itself(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"].endswith(".")
    unexplained = [
        name for name, schema in document["components"]["schemas"].items()
        if not schema.get("description")
    ]  # fmt: skip
    assert unexplained == []


async def test_answers_are_as_the_document_says(callers: Callers, client: httpx2.AsyncClient, work: Work) -> None:
    """One of each, with everything set that a drill can set."""
    new = {
        "kind": "drill",
        "args": {"result_bytes": 70_000},
        "subject": "A",
        "title": "B",
        "labels": {"c": "d"},
        "priority": "high",
        "again": True,
    }
    job = (await client.post("/api/v1/jobs", json=new)).json()["job_id"]
    question = {"question": "Publish?", "content": "# A", "form": {"price": {"type": "number"}}, "who": "owner"}
    asking = (await client.post("/api/v1/jobs", json={"kind": "approval", "args": question})).json()["job_id"]
    await work()
    asked: list[tuple[str, str, str, Any]] = [
        ("POST", "/api/v1/jobs", "/api/v1/jobs", new),
        ("POST", "/api/v1/jobs/batch", "/api/v1/jobs/batch", {"jobs": [new]}),
        ("GET", "/api/v1/jobs", "/api/v1/jobs", None),
        ("GET", "/api/v1/jobs/{job}", f"/api/v1/jobs/{job}", None),
        ("PATCH", "/api/v1/jobs/{job}", f"/api/v1/jobs/{job}", {"title": "E"}),
        ("POST", "/api/v1/jobs/organise", "/api/v1/jobs/organise", {"job_ids": [job], "subject": "F"}),
        ("GET", "/api/v1/jobs/{job}/events", f"/api/v1/jobs/{job}/events", None),
        ("POST", "/api/v1/jobs/{job}/redo", f"/api/v1/jobs/{job}/redo", {}),
        ("GET", "/api/v1/kinds", "/api/v1/kinds", None),
        ("GET", "/api/v1/subjects", "/api/v1/subjects", None),
        ("GET", "/api/v1/stats", "/api/v1/stats?days=7", None),
        ("GET", "/readyz", "/readyz", None),
        ("GET", "/healthz", "/healthz", None),
        ("GET", "/api/v1/asks", "/api/v1/asks", None),
        ("GET", "/api/v1/files", "/api/v1/files", None),
        ("POST", "/api/v1/files", "/api/v1/files", {"sent": "as it is"}),
        ("GET", "/api/v1/files/{file}", "/api/v1/files/0000000000000", None),
        ("GET", "/api/v1/jobs/{job}", f"/api/v1/jobs/{asking}", None),
        ("POST", "/api/v1/jobs/{job}/asks/{ask}", f"/api/v1/jobs/{asking}/asks/1", {"decision": "approve"}),
        ("POST", "/api/v1/asks/answers", "/api/v1/asks/answers", {"answers": [{"ask": 1, "decision": "approve"}]}),
        ("POST", "/api/v1/jobs", "/api/v1/jobs", {"kind": "drill", "subjct": "F"}),
        ("GET", "/api/v1/jobs/{job}", "/api/v1/jobs/unknown", None),
    ]
    nightly = {"name": "nightly", "cron": "0 2 * * *", "kind": "drill", "title": "G", "labels": {"h": "i"}}
    asked += [
        ("POST", "/api/v1/schedules", "/api/v1/schedules", nightly),
        ("GET", "/api/v1/schedules", "/api/v1/schedules", None),
        ("PATCH", "/api/v1/schedules/{schedule}", "/api/v1/schedules/nightly", {"timezone": "Asia/Tokyo"}),
        ("POST", "/api/v1/schedules/{schedule}/run", "/api/v1/schedules/nightly/run", None),
        ("POST", "/api/v1/schedules/{schedule}/pause", "/api/v1/schedules/nightly/pause", None),
        ("GET", "/api/v1/schedules/{schedule}", "/api/v1/schedules/unknown", None),
    ]
    document = (await client.get("/openapi.json")).json()
    admin = await callers.allowed("admin")
    hook = (await admin.post("/api/v1/webhooks", json={"url": "https://hooks.example/1"})).json()["id"]
    await client.post("/api/v1/jobs", json={"kind": "drill", "again": True, "webhook_url": "https://hooks.example/2"})
    asked += [
        ("POST", "/api/v1/webhooks", "/api/v1/webhooks", {"url": "https://hooks.example/3"}),
        ("GET", "/api/v1/webhooks", "/api/v1/webhooks", None),
        ("PATCH", "/api/v1/webhooks/{webhook}", f"/api/v1/webhooks/{hook}", {"enabled": False}),
        ("POST", "/api/v1/webhooks/{webhook}/rotate", f"/api/v1/webhooks/{hook}/rotate", {}),
        ("GET", "/api/v1/webhooks/{webhook}/deliveries", f"/api/v1/webhooks/{hook}/deliveries", None),
    ]
    for method, template, path, body in asked:
        caller = admin if "webhooks" in path else client
        answered = await caller.request(method, path, **({"json": body} if body is not None else {}))
        said = document["paths"][template][method.lower()]["responses"][str(answered.status_code)]
        if "$ref" in said:
            said = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
        schema = said["content"][answered.headers["content-type"]]["schema"]
        Draft202012Validator({**schema, "components": document["components"]}).validate(answered.json())


async def test_every_command_of_the_page_works(
    callers: Callers, client: httpx2.AsyncClient, book: Book, work: Work, backburner: Backburner
) -> None:
    book.run("TRUNCATE moves RESTART IDENTITY")
    decider = await callers.allowed("jobs:answer", "jobs:read", who=(await backburner.as_person()).who)
    admin = await callers.allowed("admin")
    known = {"BACKBURNER": "", "JOB": "", "OTHER": "", "ASK": ""}
    done: dict[str, int] = {}

    for command in commands(PAGE.read_text(encoding="utf-8")):
        method, path, headers, body = parsed(command, known)
        caller = decider if "$DECIDER" in command else admin if "$ADMIN" in command else client
        answered = await caller.request(method, path, headers=headers, content=body)
        assert answered.status_code < 400, (command, answered.text)
        done[command] = answered.status_code
        if "/jobs/" in answered.headers.get("location", ""):
            known["OTHER" if known["JOB"] else "JOB"] = answered.json()["job_id"]
        if path == "/api/v1/jobs":
            await work()
        if path.startswith("/api/v1/asks?"):
            known["ASK"] = str(answered.json()["asks"][0]["ask"])
    assert {200, 202} <= set(done.values())
    assert len(done) >= 12


def commands(page: str) -> list[str]:
    """The curl commands of a page, each in one line."""
    shown = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).replace("\\\n", "")
    return [line for line in shown.splitlines() if line.startswith("curl")]


def parsed(command: str, known: dict[str, str]) -> tuple[str, str, dict[str, str], str | None]:
    """What curl would send: method, path, headers (but for the token), body."""
    words = iter(shlex.split(re.sub(r"\$(\w+)", lambda name: known.get(name[1], name[0]), command))[1:])
    method, path, headers, body = None, "", {}, None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, value = next(words).split(": ", 1)
                headers |= {name: value} if name != "Authorization" else {}
            case "--json":
                body, headers["Content-Type"] = next(words), "application/json"
            case "-o":
                next(words)
            case "--data-binary":
                body = next(words)
            case "-F":
                body, headers["Content-Type"] = FORM.format(next(words)), "multipart/form-data; boundary=b"
            case "-N":
                pass
            case _:
                path = word
    return method or ("POST" if body else "GET"), path, headers, body


def test_the_page_names_every_code_that_is_used() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = {int(status): codes for status, codes in re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE)}

    for error, status in problems._STATUS.items():
        assert f"`{error.code}`" in rows[status]
    for example in re.findall(r"```json\n(.*?)```", page, re.DOTALL):
        json.loads(example)
