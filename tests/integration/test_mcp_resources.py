"""Jobs, artifacts and subjects as resources of MCP: listed, completed, read."""

import base64
import json
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, ResourceTemplateReference, TextResourceContents
from mcp_given import connected

from agent_tools.app import Backburner
from agent_tools.server import resources
from agent_tools.settings import Settings
from sql.hands import Principal
from worker.hands import Hands

NOT_THERE = -32602
DOORS = pytest.mark.parametrize(
    ("over", "era"), [("memory", "auto"), ("memory", "legacy"), ("http", "auto"), ("http", "legacy")]
)


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


async def text(client: Client, uri: str) -> str:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    return contents.text


async def refused(client: Client, uri: str) -> str:
    with pytest.raises(MCPError) as error:
        await client.read_resource(uri)
    assert error.value.error.code == NOT_THERE
    assert error.value.error.data == {"uri": uri}
    return error.value.error.message


async def page(backburner: Backburner, title: str, **more: Any) -> str:
    """A page that is made."""
    made = await backburner.create("page", {"content": f"# {title}\n\nwords"}, title=title, **more)
    await backburner.wait([made.id], 20)
    return made.id


@DOORS
async def test_a_job_its_files_and_its_subject_are_read(
    backburner: Backburner, settings: Settings, working: Hands, over: str, era: str
) -> None:
    job = await page(backburner, "Tides", subject="The Sea")

    async with connected(backburner, settings, over, era) as client:
        listed = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        in_full = json.loads(await text(client, f"job://{job}"))
        uris = {artifact["name"]: artifact["uri"] for artifact in in_full["artifacts"]}
        read = [(await client.read_resource(uri)).contents[0] for uri in uris.values()]
        subject = json.loads(await text(client, "subject://the%20sea"))

    assert [(each.uri, each.title, each.mime_type) for each in listed] == [
        (f"job://{job}", "Tides", "application/json")
    ]
    assert [each.uri_template for each in templates] == [
        "job://{id}", "job://{id}/artifacts/{name}", "subject://{name}{?cursor}",
    ]  # fmt: skip
    assert (in_full["status"], in_full["subject"], in_full["page_url"].endswith(job)) == ("completed", "The Sea", True)
    assert any(isinstance(each, TextResourceContents) and "Tides" in each.text for each in read)
    assert [entry["uri"] for entry in subject["jobs"]] == [f"job://{job}"]


async def test_a_picture_is_a_blob_and_what_is_too_large_says_where_it_is(
    backburner: Backburner, settings: Settings, working: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = (await backburner.create("presentation", {"slides": ["# Tides"]})).id
    await backburner.wait([job], 60)
    made = await backburner.get(job)
    picture = next(each for each in made.artifacts if each.media_type == "image/png")

    async with connected(backburner, settings) as client:
        (contents,) = (await client.read_resource(f"job://{job}/artifacts/{picture.name}")).contents
        monkeypatch.setattr(resources, "MOST_BLOB_BYTES", 100)
        too_large = await text(client, f"job://{job}/artifacts/{picture.name}")

    assert isinstance(contents, BlobResourceContents)
    assert base64.b64decode(contents.blob).startswith(b"\x89PNG")
    assert f"/artifacts/{job}/{picture.name}" in too_large
    assert f"{picture.bytes:,} bytes" in too_large


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("https://example.org/x", "There is no resource 'https://example.org/x'. There are job://ID"),
        ("job://", "There is no resource 'job://'"),
        ("job://nonsense", "'nonsense' is no job id"),
        ("job://0e8z453fk1krg", "No job 0e8z453fk1krg"),
        ("job://0e8z453fk1krg/artifacts/x", "No job 0e8z453fk1krg"),
        ("subject://Biology", "There is no subject 'Biology'"),
        ("subject://unorganised?cursor=nonsense", "cursor: was not made here"),
    ],
)
async def test_what_is_not_there_is_refused_in_a_sentence(
    backburner: Backburner, settings: Settings, uri: str, sentence: str
) -> None:
    async with connected(backburner, settings) as client:
        assert (await refused(client, uri)).startswith(sentence)


async def test_files_that_are_not_there_and_jobs_of_others_are_refused(
    backburner: Backburner, settings: Settings, working: Hands
) -> None:
    job = await page(backburner, "Tides")
    made = await backburner.get(job)
    first = f"job://{job}/artifacts/{made.artifacts[0].name}"
    later = (await backburner.create("drill", {"seconds": 60})).id
    stranger = backburner.acting_as(Principal(backburner.who.tenant + 1, 1, "stranger", ()))

    async with connected(backburner, settings) as client, connected(stranger, settings) as foreign:
        unknown = await refused(client, f"job://{job}/artifacts/nothing.txt")
        unmade = await refused(client, f"job://{later}/artifacts/a.txt")
        backburner.artifact_path(made, made.artifacts[0]).unlink()
        gone = await refused(client, first)
        theirs = [await refused(foreign, uri) for uri in (f"job://{job}", first)]
        nothing = (await foreign.list_resources()).resources

    assert f"{job} has no artifact 'nothing.txt'" in unknown
    assert f"{later} has made nothing to read" in unmade
    assert f"of {job} is gone. redo_job makes it again." in gone
    assert all(said.startswith(f"No job {job}.") for said in theirs)
    assert nothing == []


async def test_a_token_without_the_scope_reads_nothing(backburner: Backburner, settings: Settings) -> None:
    async with connected(backburner, settings, scopes=("jobs:create",)) as client:
        with pytest.raises(MCPError, match="lacks the scope 'jobs:read'"):
            await client.list_resources()


async def test_a_subject_comes_in_pages(
    backburner: Backburner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "MOST_LISTED", 2)
    jobs = [(await backburner.create("page", {"content": f"# {n}"}, subject="Sea/Land")).id for n in range(3)]

    async with connected(backburner, settings) as client:
        first = json.loads(await text(client, "subject://Sea%2FLand"))
        second = json.loads(await text(client, first["next"]))

    assert [entry["id"] for entry in (*first["jobs"], *second["jobs"])] == jobs[::-1]
    assert "next" not in second


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_ids_names_and_subjects_are_completed(
    backburner: Backburner, settings: Settings, working: Hands, era: str
) -> None:
    job = await page(backburner, "Tides", subject="The Sea")
    await backburner.create("page", {"content": "# Other"}, title="Other")
    of_job = ResourceTemplateReference(type="ref/resource", uri="job://{id}")
    of_file = ResourceTemplateReference(type="ref/resource", uri="job://{id}/artifacts/{name}")
    of_subject = ResourceTemplateReference(type="ref/resource", uri="subject://{name}")

    async with connected(backburner, settings, era=era) as client:

        async def completed(ref: ResourceTemplateReference, name: str, value: str, **known: str) -> list[str]:
            return (await client.complete(ref, {"name": name, "value": value}, known or None)).completion.values

        by_id, by_title = await completed(of_job, "id", job[:12]), await completed(of_job, "id", "tid")
        files = await completed(of_file, "name", "", id=job)
        subjects = await completed(of_subject, "name", "sea")
        nothing = await completed(of_file, "name", "", id="nonsense")

    assert job in by_id
    assert by_title == [job]
    assert files == [artifact.name for artifact in (await backburner.get(job)).artifacts] != []
    assert subjects == ["The Sea"]
    assert nothing == []
