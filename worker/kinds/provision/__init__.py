"""The kind `provision`: a project's stack, rendered from templates into an archive."""

import keyword
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from agent_tools import JobContext, Result, job_kind

MOST_NAME, MOST_LINE = 40, 200
_TAKEN = frozenset(
    {"api", "migrations", "src", "test", "tests", "web"}
    | {"fastapi", "hatchling", "httpx", "psycopg", "psycopg_pool", "pydantic", "pytest", "ruff", "starlette", "uvicorn"}
)
"""Folders that a stack has anyway, and what it stands on."""
_OF_STACK = {
    "python-package": frozenset[str](),
    "fastapi-postgres": frozenset({"port", "postgres"}),
    "static-api": frozenset({"port"}),
}


def package_name(name: str) -> str:
    """The project's name as Python spells it."""
    return name.replace("-", "_")


# Not in the schema, which every conversation pays for.
def _good_name(name: str) -> str:
    if len(name) > MOST_NAME or not re.fullmatch(r"[a-z][a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(
            f"is 2 to {MOST_NAME} lower-case letters, digits and single hyphens, and begins with a letter, such as pottery-shop."
        )
    package = package_name(name)
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in _TAKEN:
        raise ValueError(
            f"'{name}' means something else in Python or in the stack. Take another one, such as {name}-app."
        )
    return name


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    if len(line) > MOST_LINE:
        raise ValueError(f"has {len(line)} characters; at most {MOST_LINE}.")
    if not line.isprintable():
        raise ValueError("has characters that cannot be printed. Remove them.")
    return line


def _label(name: str) -> str:
    if not re.fullmatch(r"[\w.:-]{1,80}", name):
        raise ValueError("is up to 80 letters, digits and any of . _ : - without spaces, such as shop-1.")
    return name


def _port(port: int) -> int:
    if not 1024 <= port <= 65535:
        raise ValueError(f"is 1024 to 65535, not {port}.")
    return port


def _one_of(*versions: str) -> Callable[[str], str]:
    def known(version: str) -> str:
        if version not in versions:
            raise ValueError(f"is one of {', '.join(versions)}, not '{version[:20]}'.")
        return version

    return known


Line = Annotated[str, AfterValidator(_one_line)]


def variables_of_the_stack(args: Any) -> None:
    """The rule across arguments: only what the stack's templates use."""
    for name in ("port", "postgres"):
        if getattr(args, name) is not None and name not in _OF_STACK[args.stack]:
            has = ", ".join(stack for stack, names in _OF_STACK.items() if name in names)
            raise ValueError(f"{name}: is no variable of {args.stack}, only of {has}. Leave it out.")


@job_kind(
    "provision",
    timeout="2m",
    usually="a second",
    aliases=["project_provisioning"],
    check=variables_of_the_stack,
    labels=["project"],
    example={"stack": "fastapi-postgres", "name": "pottery-shop", "description": "A web shop for a potter"},
)
async def provision(
    job: JobContext,
    stack: Literal["python-package", "fastapi-postgres", "static-api"],
    name: Annotated[str, AfterValidator(_good_name)],
    description: Line = "",
    author: Line = "",
    python: Annotated[str, AfterValidator(_one_of("3.11", "3.12", "3.13", "3.14"))] = "3.12",
    port: Annotated[int, AfterValidator(_port)] | None = None,
    postgres: Annotated[str, AfterValidator(_one_of("15", "16", "17"))] | None = None,
    project: Annotated[str, AfterValidator(_label)] | None = None,
) -> Result:
    """Write a new software project into a .zip."""
    from worker.kinds.provision.make import Variables, make_stack  # noqa: PLC0415 - only where it runs

    return await make_stack(
        job,
        stack,
        Variables(name, package_name(name), description, author, python, port or 8000, postgres or "17"),
    )
