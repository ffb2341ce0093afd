"""What is malformed, too large, misspelt or meant to break: refused in a sentence, and nothing is kept."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from callers import TAKING_BODIES, Callers, ask, assert_is_problem, each_as, name_of, statuses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from web.api.asked import AnyQuery
from web.api.reading import MAX_BODY_BYTES
from web.api.table import OPERATIONS

Drill = Callable[..., Awaitable[dict[str, Any]]]
JOBS = "/api/v1/jobs"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def client(callers: Callers) -> httpx2.AsyncClient:
    """Somebody who may do everything, so that it is what is sent that is refused."""
    return await callers.allowed("admin")


async def test_a_body_that_is_no_json_is_refused_everywhere(client: httpx2.AsyncClient) -> None:
    malformed = {"json": None, "content": b'{"kind": ', "headers": JSON}

    assert await statuses(client, TAKING_BODIES, **malformed) == each_as(400, TAKING_BODIES)


async def test_a_body_of_another_type_is_refused_everywhere(client: httpx2.AsyncClient) -> None:
    form = {"json": None, "content": b"kind=drill", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}

    assert await statuses(client, TAKING_BODIES, **form) == each_as(415, TAKING_BODIES)


async def test_a_body_that_is_too_large_is_refused_everywhere(client: httpx2.AsyncClient) -> None:
    large = {"json": None, "content": b" " * (MAX_BODY_BYTES + 1), "headers": JSON}

    assert await statuses(client, TAKING_BODIES, **large) == each_as(413, TAKING_BODIES)


async def test_a_body_without_end_is_not_read_to_the_end(client: httpx2.AsyncClient) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 100_000
            yield b" " * 100_000

    refused = await client.post(JOBS, content=endless(), headers=JSON)

    assert (refused.status_code, refused.headers["connection"]) == (413, "close")
    assert sent <= MAX_BODY_BYTES + 200_000


async def test_an_unknown_query_parameter_is_refused_everywhere_by_its_name(client: httpx2.AsyncClient) -> None:
    strict = [operation for operation in OPERATIONS if operation.query is not AnyQuery]
    answered = {name_of(operation): await ask(client, operation, params={"wiat": "5"}) for operation in strict}

    assert {name: answer.status_code for name, answer in answered.items()} == each_as(422, strict)
    assert {answer.json()["errors"][0]["field"] for answer in answered.values()} == {"wiat"}
    assert "Did you mean 'wait'?" in answered["create_job"].json()["detail"]


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({"kind": "drill", "subjct": "Biology"}, "subjct", "Did you mean 'subject'?"),
        ({"kind": "drill", "webhook": "https://example.org"}, "webhook", "Did you mean 'webhook_url'?"),
        ({"kind": "drill", "webhook_url": "http://example.org"}, "webhook_url", "only https is"),
        ({"kind": "drill", "webhook_url": "https://169.254.169.254/"}, "webhook_url", "no public address"),
        ({"kind": "drill", "webhook_url": "https://example.org:22/"}, "webhook_url", "at port 22"),
        (
            {"kind": "drill", "webhook_url": "https://me:secret@example.org/"},
            "webhook_url",
            "carries a name or a password",
        ),
        ({"kind": "drill", "webhook_url": "file:///etc/passwd"}, "webhook_url", "no https address"),
        ({"kind": "drill", "afters": ["0e8z453fk1krg"]}, "afters", "is not an argument"),
        ({"kind": "drill", "after": ["there"]}, "after", "'there' is no job id"),
        ({"kind": "drill", "args": {"stepz": 1}}, "stepz", "Did you mean 'steps'?"),
        ({"kind": "drill", "args": {"steps": "many"}}, "steps", "integer"),
        ({"kind": "drill", "args": []}, "args", "dictionary"),
        ({"kind": "drill", "priority": "urgent"}, "priority", "'low', 'normal' or 'high'"),
        ({"kind": "drill", "labels": {"a": 1}}, "labels/a", "string"),
        ({"kind": "drill", "labels": {"a" * 61: "b"}}, "labels", "60 characters"),
        ({"kind": "drill", "run_after": "tomorrow"}, "run_after", "ISO 8601"),
        ({"kind": "drill", "run_after": "0001-01-01T00:00:00+14:00"}, "run_after", "ISO 8601"),
        ({"kind": "drill", "run_after": "9999-12-31T23:59:59-14:00"}, "run_after", "ISO 8601"),
        ({"kind": "drill", "run_after": 5}, "run_after", "ISO 8601"),
        ({"args": {}}, "kind", "is required"),
        ([], "", "must be a JSON object"),
        (None, "", "must be a JSON object"),
    ],
)
async def test_what_is_wrong_with_a_job_is_said_by_field(
    client: httpx2.AsyncClient, sent: Any, field: str, said: str
) -> None:
    refused = await client.post(JOBS, content=json.dumps(sent), headers=JSON)

    assert_is_problem(refused)
    problems = {each["field"]: each["message"] for each in refused.json()["errors"]}
    assert (refused.status_code, list(problems)) == (422, [field])
    assert said in problems[field]


async def test_a_misspelt_field_deep_in_a_batch_is_named_with_the_right_one(client: httpx2.AsyncClient) -> None:
    refused = await client.post(f"{JOBS}/batch", json={"jobs": [{"kind": "drill"}, {"kind": "drill", "titel": "x"}]})

    assert refused.json()["errors"] == [
        {"field": "jobs/1/titel", "message": "is not an argument. Did you mean 'title'?"}
    ]


async def test_an_unknown_kind_is_refused_with_the_nearest_one(client: httpx2.AsyncClient) -> None:
    refused = await client.post(JOBS, json={"kind": "dril"})

    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_kind")
    assert "Did you mean 'drill'?" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"[" * 1000 + b"]" * 1000, 400),
        (b'{"kind":"drill","args":' + b'{"a":' * 1000 + b"1" + b"}" * 1001, 400),
        (b'{"a":' * 100_000, 400),
        (b'{"kind":"drill","args":{"steps":NaN}}', 400),
        (b'{"kind":"drill","args":{"steps":-Infinity}}', 400),
        (b'{"kind":"drill","args":{"seconds":1e999}}', 422),
        (b'{"kind":"drill","args":{"steps":' + b"9" * 5000 + b"}}", 400),
        (b'{"kind":"drill","kind":"page"}', 400),
        (b'{"kind":"drill","args":{"steps":1,"steps":2}}', 400),
        (b'{"kind":"drill","args":{"effect_url":"\\u0000"}}', 422),
        (b'{"kind":"drill","args":{"effect_url":"\\ud800"}}', 422),
        (b'{"kind":"drill","title":"\\u0000"}', 422),
        (b'{"kind":"drill","title":"\\udfff"}', 422),
        (b'{"kind":"drill","labels":{"a":"\\u0000"}}', 422),
        (b'{"kind":"drill","\\ud800":1}', 422),
        (b'{"kind":"drill","\\ud800":1,"\\ud800":1}', 400),
        (b'{"kind":"\\u0000"}', 422),
        (b'{"kind":"drill","args":{"x":"' + b"y" * 2_000_000 + b'"}}', 422),
        ('{"kind":"drill"}'.encode("utf-16"), 400),
        (b'{"kind":"\xff"}', 400),
        (b'\xef\xbb\xbf{"kind":"drill"}', 400),
        (b"\x00", 400),
    ],
    ids=lambda each: repr(each)[:60],
)
async def test_a_hostile_body_is_refused_and_nothing_is_kept(
    client: httpx2.AsyncClient, content: bytes, status: int
) -> None:
    refused = await client.post(JOBS, content=content, headers=JSON)

    assert_is_problem(refused)
    assert refused.status_code == status
    assert len(refused.content) < 3000
    assert (await client.get(JOBS)).json()["jobs"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "{job}", {"title": "\0"}),
        ("PATCH", "{job}", {"labels": {"\0": "a"}}),
        ("PATCH", "{job}", {"labels": None}),
        ("PATCH", "{job}", {}),
        ("POST", "{job}/cancel", {"reason": "\0"}),
        ("POST", "organise", {"job_ids": ["\0"], "subject": "x"}),
        ("POST", "organise", {"where": {"search": "\0"}, "subject": "x"}),
        ("POST", "organise", {"where": {"created_after": ["7d"]}, "subject": "x"}),
        ("POST", "organise", {"where": {"created_after": "9" * 400 + "w"}, "subject": "x"}),
        ("POST", "batch", {"jobs": []}),
        ("POST", "batch", {"jobs": [{"kind": "drill"}] * 1001}),
    ],
)
async def test_what_cannot_be_kept_is_refused_and_changes_nothing(
    client: httpx2.AsyncClient, drill: Drill, method: str, path: str, body: dict[str, Any]
) -> None:
    job = await drill()

    refused = await client.request(method, f"{JOBS}/{path.format(job=job['job_id'])}", json=body)

    assert_is_problem(refused)
    assert refused.status_code in (404, 422)
    assert (await client.get(f"{JOBS}/{job['job_id']}")).json()["version"] == job["version"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=ten", "limit=1&limit=2", "status=pending", "label=apollo", "cursor=x", "cursor=%00", "cursor=ÿ",
        "search=%00", "kind=%00", "subject=%00", "batch_id=%00", "label=a:%00", "created_after=soon", "created_after=99999999999w", "mine=perhaps", "wait=1",
    ],
)  # fmt: skip
async def test_a_filter_that_means_nothing_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    refused = await client.get(f"{JOBS}?{query}")

    assert_is_problem(refused)
    assert refused.status_code == 422


@pytest.mark.parametrize("wait", ["-1", "51", "nan", "inf", "soon", ""])
async def test_nobody_waits_for_longer_than_a_connection_lasts(client: httpx2.AsyncClient, wait: str) -> None:
    refused = await client.post(JOBS, params={"wait": wait}, json={"kind": "drill"})

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "wait")


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb"])
async def test_a_key_that_cannot_be_kept_is_refused(client: httpx2.AsyncClient, key: str) -> None:
    refused = await client.post(JOBS, json={"kind": "drill"}, headers={"Idempotency-Key": key})

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "idempotency_key")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("jobs/not-an-id", 404),
        ("jobs/%00", 404),
        ("jobs/" + "x" * 5000, 404),
        ("jobs/..%2f..%2fetc", 404),
        ("jobs/0e8z453fk1krg/artifacts/..%2f..%2fpasswd", 404),
        ("jobs/0e8z453fk1krg/artifacts/%00", 404),
        ("nothing/here", 404),
        ("jobs/0e8z453fk1krg/nothing", 404),
    ],
)
async def test_a_path_that_leads_nowhere_says_so(client: httpx2.AsyncClient, path: str, status: int) -> None:
    refused = await client.get(f"/api/v1/{path}")

    assert_is_problem(refused)
    assert refused.status_code == status


@pytest.mark.parametrize("move", ["x", "-1", "0", "9" * 18, "9" * 5000, "%00", "١"])
async def test_a_move_that_never_was_cannot_be_undone(client: httpx2.AsyncClient, move: str) -> None:
    refused = await client.post(f"/api/v1/moves/{move}/undo")

    assert_is_problem(refused)
    assert refused.status_code == 409


async def test_a_method_that_is_not_offered_says_which_are(client: httpx2.AsyncClient) -> None:
    refused = await client.put(JOBS, json={})

    assert_is_problem(refused)
    assert refused.status_code == 405
    assert {"GET", "POST"} <= {method.strip() for method in refused.headers["allow"].split(",")}


async def test_what_was_not_foreseen_is_told_to_nobody_but_the_log(
    client: httpx2.AsyncClient, site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(type(site.backburner), "subjects", broken)
    refused = await client.get("/api/v1/subjects")

    assert_is_problem(refused)
    assert (refused.status_code, refused.json()["code"]) == (500, "unexpected")
    assert "swordfish" not in refused.text
    assert "swordfish" in caplog.text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "kind",
    "args",
    "subject",
    "title",
    "labels",
    "again",
    "priority",
    "run_after",
    "jobs",
    "where",
    "job_ids",
    "expect",
    "changes",
    "reason",
]


async def test_whatever_is_sent_is_answered_and_never_breaks_anything(client: httpx2.AsyncClient, drill: Drill) -> None:
    job = (await drill())["job_id"]

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(
        body=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), ANYTHING, max_size=4),
        row=st.sampled_from(TAKING_BODIES),
    )
    def collect(body: dict[str, Any], row: Any) -> None:
        sent.append((row, json.dumps(body).encode()))

    sent: list[tuple[Any, bytes]] = []
    collect()
    for operation, content in sent:
        answered = await ask(client, operation, job=job, json=None, content=content, headers=JSON)
        assert answered.status_code < 500, (operation.path, content, answered.text)
