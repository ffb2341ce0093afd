"""What a handler's signature takes here: the model of its arguments, and which of them do not exist."""

import importlib.util
import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model, model_validator

RESERVED = frozenset({"subject", "title", "labels", "again"})
"""Argument names that every job has of its own."""
_OFF = frozenset({"", "0", "false", "no", "off"})
_PACKAGE = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")

Mark = TypeVar("Mark")
Check = Callable[[Any], None]
"""A rule across arguments: raises ValueError with a sentence, which may begin with the name of one: `topic: …`."""


class Needs:
    """Marks a parameter that only exists where all this is there: settings in capitals (of `A|B` one), or `module:name`.

    Elsewhere it is no part of the schema, and the handler gets its default.
    """

    def __init__(self, *needs: str) -> None:
        self.needs = needs


class RequiredUnless:
    """Marks a parameter (`… | None = None`) that must be given unless `other` is, or wherever `other` does not exist."""

    def __init__(self, other: str) -> None:
        self.other = other


class Person:
    """Marks a parameter (`str | None`) that names a person: whoever is not one of the tenant's is refused when the job is created."""


class Signature(NamedTuple):
    """The arguments that exist here as a model, and each of the others with the reason why it does not."""

    arguments: type[BaseModel]
    absent: Mapping[str, str]


def read_signature(
    name: str, handler: Callable[..., Any], check: Check | None, environment: Mapping[str, str]
) -> Signature:
    """What the handler of the kind `name` takes under these settings. Raises TypeError where that can be no kind's.

    An argument that does not exist here is an attribute of the model's class, with its default: `check` may look at it.
    """
    parameters = _parameters(name, handler)
    needs = {each.name: mark.needs for each in parameters if (mark := _mark(each, Needs))}
    absent = {each: why for each, needed in needs.items() if (why := lack(needed, environment))}
    others = {each.name: unless.other for each in parameters if (unless := _mark(each, RequiredUnless))}
    fields: dict[str, Any] = {each.name: _field(each, others.get(each.name), absent) for each in parameters}

    def judge(arguments: BaseModel) -> BaseModel:
        for required, other in others.items():
            if getattr(arguments, required) is None and getattr(arguments, other) is None:
                raise ValueError(f"{required}: is required unless {other} is given.")
        if check:
            check(arguments)
        return arguments

    config = ConfigDict(extra="forbid", protected_namespaces=(), hide_input_in_errors=True)
    validators: Any = {"judge": model_validator(mode="after")(judge)}
    return Signature(create_model(f"{name}_arguments", __config__=config, __validators__=validators, **fields), absent)


def lack(needs: Iterable[str], environment: Mapping[str, str]) -> str | None:
    """The first of these needs that is not met, as a sentence; None when all are."""
    return next(lacks(needs, environment), None)


def lacks(needs: Iterable[str], environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each need that is not met.

    A need in capitals is an environment variable that must be set; `module:name` must be importable; of `one|other`
    either will do.
    """
    for need in needs:
        of_each = [_lack(each, environment) for each in need.split("|")]
        if all(of_each):
            yield " ".join(of_each)


def _lack(need: str, environment: Mapping[str, str]) -> str:
    if not need.startswith("module:"):
        return f"{need} is not set." if environment.get(need, "").lower() in _OFF else ""
    module = need.removeprefix("module:")
    if _is_installed(module):
        return ""
    extra = _extra_with(module)
    return f"The Python package '{module}' is not installed" + (
        f": pip install 'backburner[{extra}]'." if extra else "."
    )


def _extra_with(module: str) -> str | None:
    """The extra of ours that brings the module; None where none does."""
    with suppress(PackageNotFoundError):
        for requirement in requires("backburner") or ():
            name, extra = _PACKAGE.match(requirement), _EXTRA.search(requirement)
            if name and extra and name[0].replace("-", "_").lower() == module and extra[1] != "dev":
                return extra[1]
    return None


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False


def _parameters(name: str, handler: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(handler, eval_str=True).parameters.values())[1:]
    for each in parameters:
        if each.name in RESERVED:
            raise TypeError(f"Kind '{name}' declares '{each.name}', which every job already has.")
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            raise TypeError(f"Kind '{name}' takes *{each.name}: its arguments must be named one by one.")
        if each.annotation is each.empty:
            raise TypeError(f"Kind '{name}' does not say what type '{each.name}' is.")
        if _mark(each, Needs) and each.default is each.empty:
            raise TypeError(f"Kind '{name}' gives '{each.name}' no default for where it does not exist.")
        unless = _mark(each, RequiredUnless)
        if unless and (each.default is not None or unless.other not in (other.name for other in parameters)):
            raise TypeError(
                f"Kind '{name}' requires '{each.name}' unless '{unless.other}' is given: "
                "that must be a parameter, and the default None."
            )
    return parameters


def _field(parameter: inspect.Parameter, other: str | None, absent: Mapping[str, str]) -> tuple[Any, Any]:
    if parameter.name in absent:
        return ClassVar[Any], parameter.default
    if other in absent:
        return _without_none(parameter.annotation), ...
    return parameter.annotation, ... if parameter.default is parameter.empty else parameter.default


def _mark(parameter: inspect.Parameter, mark: type[Mark]) -> Mark | None:
    return next((each for each in getattr(parameter.annotation, "__metadata__", ()) if isinstance(each, mark)), None)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return Annotated[(_without_none(inner), *marks)]
    if get_origin(annotation) in (Union, types.UnionType):
        return Union[tuple(each for each in get_args(annotation) if each is not types.NoneType)]  # noqa: UP007
    return annotation
