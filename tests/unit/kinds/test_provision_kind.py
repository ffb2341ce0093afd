"""A project's first files: from typed variables to an archive whose bytes can be compared."""

import ast
import io
import json
import tomllib
import zipfile
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some

from agent_tools.jobs.errors import BadRequest
from agent_tools.testing import Performed, perform
from worker.kinds.provision import provision

STACKS = ("python-package", "fastapi-postgres", "static-api")
NASTY = 'A "shop" for <b>pots</b> & *jugs* \\ {{ 7 * 7 }} {% raw %} ${HOME} 🌊'


async def made(stack: str, **args: Any) -> Performed:
    return await perform(provision, stack=stack, **{"name": "pottery-shop", **args})


def files(performed: Performed) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(performed.artifacts[0].data or b"")) as packed:
        assert packed.testzip() is None
        return {entry.filename: packed.read(entry).decode() for entry in packed.infolist()}


@pytest.mark.parametrize("stack", STACKS)
async def test_a_stack_is_an_archive_a_list_of_what_is_in_it_and_its_readme(stack: str) -> None:
    performed = await made(stack, description="Pots", python="3.11")

    packed = files(performed)
    assert [artifact.name for artifact in performed.artifacts] == ["pottery-shop.zip", "tree.txt", "README.md"]
    assert performed.data == {
        "stack": stack,
        "name": "pottery-shop",
        "files": [path.removeprefix("pottery-shop/") for path in packed],
        "python": "3.11",
    }
    assert performed.text("README.md") == packed["pottery-shop/README.md"]
    for path in packed:
        assert path.rpartition("/")[2] in performed.text("tree.txt")
    assert performed.line == f"pottery-shop: {len(packed)} files of {stack}"


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("described", [{}, {"description": NASTY, "author": 'Ada "A" 東京'}])
async def test_every_file_is_what_its_name_promises_whatever_the_variables_say(
    stack: str, described: dict[str, str]
) -> None:
    packed = files(await made(stack, **described))

    for path, text in packed.items():
        assert text.endswith("\n") or not text, path
        assert "\n\n\n\n" not in text, path
        match path.rpartition(".")[2]:
            case "py":
                ast.parse(text, path)
            case "toml":
                project = tomllib.loads(text)["project"]
                assert project["description"] == described.get("description", "")
                assert project.get("authors", []) == [{"name": each} for each in [described.get("author")] if each]
            case "yaml":
                assert yaml.safe_load(text)["services"]
            case "html":
                assert "<b>" not in text


async def test_a_tree_is_drawn_folders_first() -> None:
    assert (await made("python-package")).text("tree.txt") == (
        "pottery-shop/\n"
        "├── src/\n"
        "│   └── pottery_shop/\n"
        "│       ├── __init__.py\n"
        "│       ├── __main__.py\n"
        "│       └── py.typed\n"
        "├── tests/\n"
        "│   └── test_pottery_shop.py\n"
        "├── .gitignore\n"
        "├── README.md\n"
        "└── pyproject.toml\n"
    )


async def test_variables_arrive_where_they_belong() -> None:
    packed = files(await made("fastapi-postgres", port=9000, postgres="16", python="3.13"))

    compose = yaml.safe_load(packed["pottery-shop/compose.yaml"])
    assert compose["services"]["api"]["ports"] == ["127.0.0.1:9000:8000"]
    assert compose["services"]["db"]["image"] == "postgres:16"
    assert packed["pottery-shop/Dockerfile"].startswith("FROM python:3.13-slim\n")
    assert "from pottery_shop.settings import" in packed["pottery-shop/pottery_shop/main.py"]


@pytest.mark.parametrize("stack", STACKS)
async def test_the_same_arguments_give_the_same_bytes(stack: str) -> None:
    first, second = [await made(stack) for _ in range(2)]

    assert first.artifacts[0].data == second.artifacts[0].data
    with zipfile.ZipFile(io.BytesIO(first.artifacts[0].data or b"")) as packed:
        assert {(entry.date_time, entry.compress_type, entry.external_attr >> 16) for entry in packed.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 0o100644)
        }


async def test_each_file_is_told_as_it_is_rendered() -> None:
    performed = await made("python-package")

    said = [(progress.percent, progress.message) for progress in performed.progress]
    assert said[0] == (0, "Rendering README.md")
    assert said[-1] == (87, "Packing")
    assert len(said) == 8


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"name": "../../etc"}, "name: is 2 to 40 lower-case letters, digits and single hyphens"),
        ({"name": "a/b"}, "name: is 2 to 40 lower-case"),
        ({"name": "shop."}, "name: is 2 to 40 lower-case"),
        ({"name": "Shop"}, "name: is 2 to 40 lower-case"),
        ({"name": "shop--x"}, "name: is 2 to 40 lower-case"),
        ({"name": "shop\n"}, "name: is 2 to 40 lower-case"),
        (
            {"name": "import"},
            "'import' means something else in Python or in the stack. Take another one, such as import-app",
        ),
        ({"name": "json"}, "'json' means something else"),
        ({"name": "x" * 41}, "name: is 2 to 40"),
        ({"description": "x" * 201}, "description: has 201 characters; at most 200"),
        ({"project": "a b"}, "project: is up to 80 letters"),
        ({"postgres": "9"}, "postgres: is one of 15, 16, 17, not '9'"),
        ({"name": "fastapi"}, "'fastapi' means something else"),
        ({"name": "tests"}, "'tests' means something else"),
        ({"stack": "rails"}, "stack: input should be 'python-package', 'fastapi-postgres' or 'static-api'"),
        ({"stack": "python-package", "port": 8000}, "port: is no variable of python-package, only of fastapi-postgres"),
        ({"stack": "static-api", "postgres": "16"}, "postgres: is no variable of static-api"),
        ({"port": 80}, "port: is 1024 to 65535, not 80"),
        ({"port": "many"}, "port: input should be a valid integer"),
        ({"python": "2.7"}, "python: is one of 3.11, 3.12, 3.13, 3.14, not '2.7'"),
        ({"description": "a\x1b[31m"}, "description: has characters that cannot be printed"),
        ({"projct": "x"}, "Did you mean 'project'?"),
    ],
)
def test_what_cannot_be_made_is_refused_at_the_door(args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRequest) as refused:
        provision.parse({"stack": "fastapi-postgres", "name": "shop", **args})

    assert sentence in str(refused.value)


@settings(max_examples=200, deadline=None)
@given(some.text(max_size=45))
def test_no_name_leaves_its_folder(name: str) -> None:
    try:
        parsed = provision.parse({"stack": "python-package", "name": name})
    except BadRequest:
        return
    assert parsed["name"].replace("-", "").isalnum()
    assert parsed["name"].isascii()
    assert json.dumps(parsed["name"]) == f'"{name}"'
