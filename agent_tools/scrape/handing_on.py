"""Kept pages become jobs: each once, also where it is stopped in the middle and begun again."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest
from agent_tools.opus import Input, Workflow
from agent_tools.requests import NewJob
from sql.pages import NewPage, PageStore, TakenPage

FIELDS = ("title", "link", "text", "author", "date")
"""What of a page goes into an input, written as `{title}`."""
_MEANT: Mapping[str, frozenset[str]] = {
    "title": frozenset({"title", "headline", "subject", "article title", "page title"}),
    "link": frozenset({"link", "url", "source", "source url", "address", "article url", "page url"}),
    "author": frozenset({"author", "byline", "by", "written by"}),
    "date": frozenset({"date", "day", "published", "published at", "publication date"}),
    "text": frozenset(
        {
            "text",
            "article",
            "content",
            "body",
            "page",
            "story",
            "article text",
            "scraped data",
            "scraped content",
            "data",
            "input",
        }
    ),
}
_PAGE = "{page}"
_FIELD = re.compile(r"\{(\w+)\}")
_FITTING = {"str": frozenset(FIELDS), "date": frozenset({"date"})}


class Handed(NamedTuple):
    """A page's job."""

    job: str
    title: str


# --------------------------------------------------------------------------------------------------------- which job it is


def for_opus(workflow: Workflow, given: Mapping[str, str], subject: str | None) -> Callable[[NewPage], NewJob]:
    """Pages as runs of a workflow. `given` says what goes into which input; the rest goes where it is called so.

    Raises BadRequest where an input is not the workflow's, or nobody said what goes into one that it needs.
    """
    templates = _templates(workflow, given)

    def job(page: NewPage) -> NewJob:
        inputs = {
            name: value for name, template in templates.items() if (value := _filled(template, page)) not in ("", None)
        }
        return _job("opus_run", {"workflow": workflow.named, "inputs": inputs}, page, subject)

    return job


def for_approval(question: str, who: str | None, subject: str | None) -> Callable[[NewPage], NewJob]:
    """Pages as questions to a person, in our own inbox."""

    def job(page: NewPage) -> NewJob:
        source = " · ".join(each for each in (page.author, page.published, f"<{page.address}>") if each)
        text = page.content if page.content.startswith("# ") else f"# {page.title}\n\n{page.content}"
        asked = {"question": str(_filled(question, page))[:2000], "content": f"{text}\n\n{source}"}
        return _job("approval", asked | ({"who": who} if who else {}), page, subject)

    return job


def _job(kind: str, args: Mapping[str, Any], page: NewPage, subject: str | None) -> NewJob:
    return NewJob(kind, args, subject, page.title, {"page": page.address[:200]})


def _templates(workflow: Workflow, given: Mapping[str, str]) -> dict[str, str]:
    templates = dict[str, str]()
    for name, template in given.items():
        wanted = workflow.find(name)
        if wanted is None:
            raise BadRequest(f"--input: '{name[:60]}' is no input of it. {workflow.in_words()}")
        if unknown := [field for field in _FIELD.findall(template) if field not in FIELDS]:
            raise BadRequest(
                f"--input: there is no {{{unknown[0]}}}. There are: {', '.join(f'{{{each}}}' for each in FIELDS)}."
            )
        templates[wanted.name] = template
    open_ones = [each for each in workflow.inputs if each.name not in templates]
    templates |= {each.name: meant for each in open_ones if (meant := _meant_by(each))}
    still_open = [each for each in open_ones if each.name not in templates and each.type == "str"]
    if not any(template == _PAGE or "{text}" in template for template in templates.values()):
        only = [each for each in still_open if each.is_required] or still_open
        if len(only) == 1:
            templates[only[0].name] = "{text}"
    if missing := [each.name for each in workflow.inputs if each.is_required and each.name not in templates]:
        raise BadRequest(
            f"{workflow.in_words()} Say what goes into {', '.join(missing)}: --input '{missing[0]}=…', where "
            f"{', '.join(f'{{{each}}}' for each in FIELDS)} stand for what is in the page."
        )
    if not templates:
        raise BadRequest(
            f"Nothing of a page would go into it. {workflow.in_words()} Say what does: --input 'NAME={{text}}'."
        )
    return templates


def _meant_by(wanted: Input) -> str | None:
    """What goes into an input by its name."""
    if wanted.type == "object":
        return _PAGE
    name = " ".join(wanted.name.replace("_", " ").casefold().split())
    meant = next((field for field, names in _MEANT.items() if name in names), None)
    return f"{{{meant}}}" if meant in _FITTING.get(wanted.type, ()) else None


def _filled(template: str, page: NewPage) -> Any:
    values = {
        "title": page.title,
        "link": page.address,
        "text": page.content,
        "author": page.author,
        "date": page.published,
    }
    if template == _PAGE:
        return {name: value for name, value in values.items() if value}
    return _FIELD.sub(lambda found: values.get(found[1], found[0]), template)


# ---------------------------------------------------------------------------------------------------------- once and only once


async def hand_on(
    backburner: Backburner, store: PageStore, most: int, as_job: Callable[[NewPage], NewJob]
) -> list[Handed]:
    """Make jobs of the oldest pages that have none, and first of those with which another round was stopped.

    The page says which job it becomes, and under which key, before that is created: whoever comes later creates the same one.
    """
    handed = list[Handed]()
    for batch, pages in groupby(await store.taken(), key=lambda page: page.batch):
        handed += await _create(backburner, store, batch, list(pages))
    if (left := most - len(handed)) <= 0:
        return handed
    requests = {page.id: _request(backburner, as_job(page)) for page in await store.new(left)}
    batch = secrets.token_hex(16)
    taken = await store.take(batch, requests) if requests else []
    if not taken:
        return handed
    try:
        return handed + await _create(
            backburner, store, batch, [TakenPage(each, batch, requests[each]) for each in taken]
        )
    except BadRequest:
        await store.give_back(batch)  # nothing was created
        raise


async def _create(backburner: Backburner, store: PageStore, batch: str, pages: Sequence[TakenPage]) -> list[Handed]:
    jobs = [NewJob(**page.request) for page in pages]
    receipts = await backburner.create_many(jobs, idempotency_key=f"pages:{batch}")
    made = {page.id: receipt.id for page, receipt in zip(pages, receipts, strict=True)}
    await store.hand_on(batch, made)
    return [Handed(made[page.id], str(page.request["title"])) for page in pages]


def _request(backburner: Backburner, job: NewJob) -> dict[str, Any]:
    """The job as it is kept with its page. Raises BadRequest for one that would be refused."""
    backburner.kinds.find(job.kind).parse(job.args)
    return {
        "kind": job.kind,
        "args": dict(job.args),
        "subject": job.subject,
        "title": job.title,
        "labels": dict(job.labels),
    }
