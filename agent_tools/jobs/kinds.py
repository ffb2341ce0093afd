"""Job kinds: a decorated function whose signature is its schema."""

import difflib
import inspect
import json
import logging
import math
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, NoReturn, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from agent_tools.jobs.artifacts import Artifact, Result
from agent_tools.jobs.context import seconds
from agent_tools.jobs.errors import BadRequest, Problem, UnknownKind
from agent_tools.jobs.files import InputFile, JobFile, Upload, files_in, takes_file
from agent_tools.jobs.signature import Check, Person, lack, read_signature

log = logging.getLogger("backburner.kinds")

ENTRY_POINT_GROUP = "agent_tools.kinds"
MAX_ARGS_BYTES = 1_000_000
MAX_DEPTH = 100
MAX_VARIANT = 40
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NOTHING: Mapping[str, str] = MappingProxyType({})

Made = Artifact | Iterable[Artifact] | Result | Mapping[str, Any] | None
"""What a handler may return: files, a small JSON object, or a Result with both."""
Handler = Callable[..., Awaitable[Made]]
Variant = Callable[[Mapping[str, Any]], str]
"""The arguments as they are kept → a word for the way that such a job goes."""


@dataclass(frozen=True)
class Kind:
    """One sort of job: what it is called, what it takes, how it is run."""

    name: str
    description: str
    handler: Handler
    arguments: type[BaseModel]
    absent: Mapping[str, str]
    """Parameters that do not exist here, and why."""
    check: Check | None
    timeout_s: float
    retries: int
    usually: str
    queue: str
    needs: tuple[str, ...]
    aliases: tuple[str, ...]
    agent: bool
    keep_days: int | None
    at_once: int | None
    example: Mapping[str, Any] | None
    labels: tuple[str, ...] = ()
    """Arguments that are labels of the job, too."""
    anew: bool = False
    """Whether one that has completed is never the same as a new one with equal arguments."""
    variant: Variant | None = None

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.arguments.model_json_schema()

    @cached_property
    def people(self) -> tuple[str, ...]:
        """The arguments that name a person of the tenant."""
        fields = self.arguments.model_fields.items()
        return tuple(name for name, field in fields if any(isinstance(mark, Person) for mark in field.metadata))

    @cached_property
    def takes_files(self) -> frozenset[str]:
        """The parameters that take a file."""
        return frozenset(
            name
            for name, field in self.arguments.model_fields.items()
            if any(isinstance(mark, InputFile) for mark in field.metadata) or takes_file(field.annotation)
        )

    def files_in(self, args: Mapping[str, Any]) -> list[tuple[str, Upload | JobFile]]:
        """The files that these arguments, which fit, name; each with where."""
        return [found for name in self.takes_files for found in files_in(args[name], name)]

    def parse(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they will be kept: validated, defaults filled in. Raises BadRequest naming each bad one."""
        refuse_unstorable(args)
        _refuse_too_large(args)
        try:
            return self.arguments.model_validate(self._present(args)).model_dump(mode="json")
        except ValidationError as error:
            self._refuse(error)

    async def run(self, job: Any, args: Mapping[str, Any]) -> Made:
        """Call the handler. Raises BadRequest when arguments that were kept no longer fit its signature."""
        try:
            parsed = self.arguments.model_validate(self._present(args))
        except ValidationError as error:
            self._refuse(error)
        return await self.handler(job, **{name: getattr(parsed, name) for name in type(parsed).model_fields})

    def labels_of(self, args: Mapping[str, Any]) -> dict[str, str]:
        """What these arguments, once parsed, label the job with."""
        return {name: str(args[name]) for name in self.labels if args.get(name)}

    def variant_of(self, args: Mapping[str, Any]) -> str:
        """Which way a job with these arguments goes; empty where the kind knows only one, or not these arguments."""
        try:
            return self.variant(args)[:MAX_VARIANT] if self.variant else ""
        except Exception as error:  # whatever a kind's own function raises: only a guess of how long it takes is lost
            log.warning("the kind %s cannot say its variant: %s: %s", self.name, type(error).__name__, error)
            return ""

    def missing(self, environment: Mapping[str, str]) -> str | None:
        """Why this kind cannot run here, as a sentence; None when it can."""
        return lack(self.needs, environment)

    def under(self, environment: Mapping[str, str]) -> "Kind":
        """The same kind as it is where these settings are set."""
        arguments, absent = read_signature(self.name, self.handler, self.check, environment)
        return replace(self, arguments=arguments, absent=absent)

    def _present(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Without what does not exist here but says no more than its default: so it is kept where it does exist."""
        return {
            name: value
            for name, value in args.items()
            if name not in self.absent or value != to_jsonable_python(getattr(self.arguments, name))
        }

    def _refuse(self, error: ValidationError) -> NoReturn:
        problems = problems_of(error, self.arguments, self.absent)
        raise BadRequest(f"{self.name} was not created. {listed(problems)}", problems)


def job_kind(
    name: str,
    *,
    timeout: str | float = "10m",
    retries: int = 2,
    usually: str = "",
    queue: str = "default",
    needs: Iterable[str] = (),
    aliases: Iterable[str] = (),
    agent: bool = True,
    keep: int | None = None,
    at_once: int | None = None,
    example: Mapping[str, Any] | None = None,
    check: Check | None = None,
    labels: Iterable[str] = (),
    anew: bool = False,
    variant: Variant | None = None,
) -> Callable[[Handler], Kind]:
    """Make a job kind of an async function `(job: JobContext, …) -> Artifact`.

    The docstring is what agents read, the parameters after `job` are the schema. `timeout` counts one attempt's
    running time. `retries` is how many further attempts follow an error. `usually` says how long it takes until
    there are samples. `needs` lists settings and modules it cannot run without. `agent=False` hides it from
    agents. `keep` is for how many days finished jobs are kept; None: the installation's rule. `at_once` is how many
    run at once in a tenant; None: the installation's rule, which is as many as there are slots. `example` is a set of
    arguments that works, shown to an agent whose call did not. `check` is a rule across arguments: it gets all of them,
    validated, as attributes, and raises ValueError with a sentence. `labels` names arguments that label the job, too: by them
    it is listed, and found by later jobs. `anew` is for what may mean something else each time, such as a message: one that
    has completed is not the same as the next with equal arguments. `variant` gives, for arguments as they are kept, a word
    for the way that the job goes, where ways take very different times: when it will be done is told by those that went the same.
    """

    def decorate(handler: Handler) -> Kind:
        for each in (name, *aliases):
            if not _NAME.fullmatch(each):
                raise TypeError(f"{each!r} is no name for a kind: lower-case letters, digits and _, at most 40.")
        if not inspect.iscoroutinefunction(handler):
            raise TypeError(f"The handler of kind '{name}' must be an async function.")
        if not (handler.__doc__ or "").strip():
            raise TypeError(f"Kind '{name}' needs a docstring: it is what an agent reads to choose it.")
        arguments, absent = read_signature(name, handler, check, os.environ)
        if unknown := set(labels) - {*arguments.model_fields, *absent}:
            raise TypeError(f"Kind '{name}' has no parameter {', '.join(sorted(unknown))} that could be a label.")
        return Kind(
            name=name,
            description=inspect.cleandoc(handler.__doc__ or ""),
            handler=handler,
            arguments=arguments,
            absent=absent,
            check=check,
            timeout_s=seconds(timeout),
            retries=retries,
            usually=usually,
            queue=queue,
            needs=tuple(needs),
            aliases=tuple(aliases),
            agent=agent,
            keep_days=keep,
            at_once=at_once,
            example=example,
            labels=tuple(labels),
            anew=anew,
            variant=variant,
        )

    return decorate


class Kinds(Mapping[str, Kind]):
    """The installed kinds by name. Aliases are found, but not listed."""

    def __init__(self, kinds: Iterable[Kind], broken: Mapping[str, str] | None = None) -> None:
        self._kinds: dict[str, Kind] = {}
        self._by_alias: dict[str, Kind] = {}
        self.broken = dict(broken or {})
        for kind in kinds:
            for name in (kind.name, *kind.aliases):
                if name in self._kinds or name in self._by_alias:
                    raise TypeError(f"Two kinds are called '{name}'.")
            self._kinds[kind.name] = kind
            self._by_alias.update(dict.fromkeys(kind.aliases, kind))

    def __getitem__(self, name: str) -> Kind:
        return self._kinds.get(name) or self._by_alias[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def find(self, name: str) -> Kind:
        """The kind of this name or alias. Raises UnknownKind, naming the nearest one."""
        try:
            return self[name]
        except KeyError:
            pass
        if name in self.broken:
            raise UnknownKind(f"The kind '{name}' is installed but could not be loaded: {self.broken[name]}")
        near = difflib.get_close_matches(name, [*self._kinds, *self._by_alias], n=1)
        hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(sorted(self)) or 'none'}."
        raise UnknownKind(f"There is no kind '{name[:60]}'.{hint}")


def load_kinds(only: Iterable[str] = ()) -> Kinds:
    """The kinds that the installed packages offer, all of them or `only` those named.

    One that cannot be loaded is left out and reported in `Kinds.broken`: it must not take the others along.
    """
    offered = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name)
    wanted, kinds = frozenset(only), list[Kind]()
    broken = dict.fromkeys(wanted - {entry.name for entry in offered}, "No installed package offers it.")
    for entry in offered:
        if wanted and entry.name not in wanted:
            continue
        try:
            kind = entry.load()
            if not isinstance(kind, Kind):
                raise TypeError(f"{entry.value} is not decorated with @job_kind")
            Kinds([*kinds, kind])  # raises where its name is taken
            kinds.append(kind.under(os.environ))
        except Exception as error:  # whatever somebody else's package raises on import
            log.warning("the kind %s could not be loaded: %s: %s", entry.name, type(error).__name__, error)
            log.debug("the kind %s could not be loaded", entry.name, exc_info=True)
            is_taken = any(
                kind.name == entry.name for kind in kinds
            )  # the kind that has the name is not the broken one
            broken[entry.value if is_taken else entry.name] = f"{type(error).__name__}: {error}"
    return Kinds(kinds, broken)


def refuse_unstorable(value: Any) -> None:
    """Raise BadRequest for what Postgres or JSON cannot hold: NUL bytes, lone surrogates, not JSON, nested too deep."""
    problems = [Problem(path or "/", message) for path, message in _unstorable(value, "", 0)]
    if problems:
        raise BadRequest(" ".join(f"{field}: {message}" for field, message in problems[:5]), problems)


def _refuse_too_large(value: Any) -> None:
    size = len(json.dumps(value, ensure_ascii=False, default=str).encode())
    if size > MAX_ARGS_BYTES:
        raise BadRequest(
            f"The arguments are {size / 1e6:.1f} MB of JSON; at most {MAX_ARGS_BYTES / 1e6:.0f} MB is accepted. "
            "Put large content into a file, or split the work into several jobs."
        )


def _unstorable(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        yield path, f"is nested more than {MAX_DEPTH} deep."
        return
    match value:
        case str() if "\0" in value:
            yield path, "contains a NUL character, which cannot be kept. Remove it."
        case str() if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            yield path, "contains half of a surrogate pair, which is no text. Send valid Unicode."
        case float() if not math.isfinite(value):
            yield path, "is not a finite number."
        case int() if value.bit_length() > 4000:  # Python refuses to write down numbers of more than 4,300 digits
            yield path, "is a number too long to keep."
        case None | str() | int() | float():
            pass
        case Mapping():
            for key, inner in value.items():
                yield from _unstorable(key, f"{path}/{key!r}" if path else repr(key), depth + 1)
                yield from _unstorable(inner, f"{path}/{key}" if path else str(key), depth + 1)
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from _unstorable(inner, f"{path}/{index}", depth + 1)
        case _:
            yield path, f"is a {type(value).__name__}, which is not JSON."


def problems_of(error: ValidationError, model: type[BaseModel], absent: Mapping[str, str] = _NOTHING) -> list[Problem]:
    """What pydantic found wrong, as sentences; an unknown name comes with the nearest right one, or why it is `absent`."""
    return [_problem(detail, model, absent) for detail in error.errors(include_url=False)]


def listed(problems: Sequence[Problem]) -> str:
    """The first few problems as one text."""
    more = f" And {len(problems) - 5} more." if len(problems) > 5 else ""
    return " ".join(f"{problem.field}: {problem.message}" for problem in problems[:5]) + more


def _problem(detail: Any, model: type[BaseModel], absent: Mapping[str, str]) -> Problem:
    field = "/".join(str(part) for part in detail["loc"]) or "arguments"
    if detail["type"] == "extra_forbidden" and field in absent:
        return Problem(field, f"is not available here: {absent[field]}")
    if detail["type"] == "extra_forbidden":
        fields = _model_at(model, detail["loc"][:-1]).model_fields
        near = difflib.get_close_matches(str(detail["loc"][-1]), fields, n=1)
        allowed = f"Did you mean '{near[0]}'?" if near else f"Allowed: {', '.join(fields) or 'none at all'}."
        return Problem(field, f"is not an argument. {allowed}")
    if detail["type"] == "missing":
        return Problem(field, "is required.")
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if detail["type"] == "value_error":
        named, _, rest = message.partition(": ")  # a rule across arguments may name the one it is about
        return Problem(named, rest) if not detail["loc"] and named in model.model_fields else Problem(field, message)
    return Problem(field, f"{message[0].lower()}{message[1:]}, not {_shown(detail['input'])}.")


def _model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The model of what lies at `path`, through lists and models in models."""
    for part in path:
        if field := model.model_fields.get(str(part)):
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _shown(value: Any) -> str:
    text = repr(value)
    length = f" of length {len(value)}" if isinstance(value, Sized) else ""
    return text if len(text) <= 60 else f"{text[:50]}… ({type(value).__name__}{length})"
