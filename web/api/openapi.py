"""The OpenAPI document: what the table and the models of its handlers say."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from web.api.operation import Content, Operation
from web.api.problems import phrase
from web.api.replies import Problem
from web.site import COOKIE

_IN_PATH = re.compile(r"{(\w+)}")
_PATH_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "job": ("The job's id; case does not matter.", {"type": "string", "examples": ["0e8z453fk1krg"]}),
    "name": ("The artifact's name.", {"type": "string"}),
    "ask": ("The question's number.", {"type": "integer"}),
    "proof": ("Proves that the address was given out here.", {"type": "string"}),
    "file": ("The upload's id.", {"type": "string", "examples": ["0e8z453fk1krg"]}),
    "webhook": ("The webhook's number.", {"type": "integer"}),
    "delivery": ("The delivery's id, which is its webhook-id.", {"type": "string"}),
    "schedule": ("The schedule's number, or its name.", {"type": "string", "examples": ["nightly"]}),
    "move": ("`move_id` of the move.", {"type": "integer"}),
}
_REPLIES = {
    200: "As it is now.",
    201: "Made, and kept.",
    202: "Kept, and not done yet.",
    204: "There is nothing more.",
    206: "The part that was asked for.",
    304: "Not changed.",
    416: "The file has no such part.",
    503: "Not now: Postgres is away.",
}
Schema = dict[str, Any]


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """OpenAPI 3.1, as JSON."""
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    refusals = sorted({status for operation in operations for status in operation.problems})
    for model in {operation.query.__name__ for operation in operations}:
        schemas.pop(model, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Backburner",
            "version": version("backburner"),
            "description": "Where slow work is put. Errors are problem+json; their `code` stays the same, their sentence need not.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {f"Problem{status}": _refusal(status) for status in refusals},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def _schemas(operations: Sequence[Operation]) -> dict[str, Schema]:
    sent: set[type[BaseModel]] = {each.query for each in operations} | {each.body for each in operations if each.body}
    given = {
        model
        for each in operations
        for content in each.replies.values()
        for model in content.values()
        if model is not None
    }
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in _by_name(sent)),
        *((model, "validation") for model in _by_name(given | {Problem})),
    ]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Schema] = found["$defs"]
    return schemas


def _by_name(models: set[type[BaseModel]]) -> list[type[BaseModel]]:
    return sorted(models, key=lambda model: model.__name__)


def _operation(operation: Operation, schemas: Mapping[str, Schema]) -> dict[str, Any]:
    summary, _, description = inspect.cleandoc(operation.handler.__doc__ or "").partition("\n")
    said: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": summary,
        "parameters": list(_parameters(operation, schemas[operation.query.__name__])),
        "responses": {
            **{str(status): _reply(status, content) for status, content in operation.replies.items()},
            **{
                str(status): {"$ref": f"#/components/responses/Problem{status}"}
                for status in sorted(operation.problems)
            },
        },
        "security": [{"token": [operation.scope]}, {"session": []}] if operation.scope else [],
    }
    if description.strip():
        said["description"] = " ".join(description.split())
    if operation.body:
        content = {"application/json": {"schema": _ref(operation.body)}}
        said["requestBody"] = {"content": content, "required": bool(schemas[operation.body.__name__].get("required"))}
    if operation.takes:
        said["requestBody"] = {"content": {media_type: {} for media_type in operation.takes}, "required": True}
    return said


def _parameters(operation: Operation, query: Schema) -> Iterator[dict[str, Any]]:
    for name in _IN_PATH.findall(operation.path):
        description, schema = _PATH_PARAMETERS[name]
        yield {"name": name, "in": "path", "required": True, "description": description, "schema": dict(schema)}
    for name, schema in query.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": schema}
        if "description" in schema:
            parameter["description"] = schema["description"]
        yield parameter
    for name, description in operation.headers.items():
        yield {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _reply(status: int, content: Content) -> dict[str, Any]:
    said: dict[str, Any] = {"description": _REPLIES[status]}
    if content:
        said["content"] = {
            media_type: {"schema": _ref(model) if model else {"type": "string"}}
            for media_type, model in content.items()
        }
    return said


def _refusal(status: int) -> dict[str, Any]:
    return {"description": phrase(status), "content": {"application/problem+json": {"schema": _ref(Problem)}}}


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
