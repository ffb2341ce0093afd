"""What tools answer: the same facts as text and as structure, because a client shows its model the one or the other."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from agent_tools import view
from agent_tools.app import Ended, Receipt, Standing
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import BackburnerError
from agent_tools.jobs.eta import Span
from agent_tools.jobs.job import MOST_NAMES, Batch, Job, listed_names
from agent_tools.jobs.kinds import Kind
from agent_tools.jobs.why import about
from agent_tools.jobs.why import takes as in_words
from agent_tools.reading import Picture, Reading
from agent_tools.view import Addresses, asked_in_short, concise, present, progress
from sql.door import Moved, SubjectCount

# Control characters, and those that steer text without being seen: zero-width, bidi, tags.
_UNSEEN_CHARACTERS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
MOST_UNSEEN = 5
MOST_REFUSED = 5
MOST_IDS = 50


@dataclass(frozen=True)
class Reply:
    """One answer; `text` and `structure` say the same."""

    text: str
    structure: Mapping[str, Any]
    pictures: Sequence[Picture] = field(default=())
    follows: Job | None = None
    """The job whose end is the answer: the client is to be given a task."""


def clean(text: str) -> str:
    """Text of others, without characters that hide something from a reader."""
    return _UNSEEN_CHARACTERS.sub("", text)


def receipt(
    made: Receipt, status: str, subject: str | None, addresses: Addresses, *, is_worked: bool, takes: Span | None = None
) -> Reply:
    """What an agent gets when it has asked for a job; `is_worked` is whether any worker runs, `takes` what such jobs took."""
    job, kind = made.id, made.kind
    said = [f"Job {job} ({kind.name}) is {status}."]
    structure: dict[str, Any] = {"job_id": job, "kind": kind.name, "status": status, "created": made.created}
    if not made.created:
        said = [
            f"Job {job} ({kind.name}) is the same request, made before; it is {status}. For another one send again=true."
        ]
    elif usually := in_words(takes) if takes else kind.usually:
        said.append(f"It usually takes {usually}.")
        structure["usually"] = usually
    if not is_worked:
        said.append("No worker runs right now; it begins when one does.")
        structure["note"] = "No worker runs right now; it begins when one does."
    where = f"under '{subject}'" if subject else "unorganised"
    said.append(f"The result will lie on the shelf, {where}.")
    structure["subject"] = subject
    if page := addresses.page(job):
        said.append(f"Page: {page}")
        structure["page_url"] = page
    next_step = f'Go on with the conversation; job_status(job_ids=["{job}"]) tells when it has ended, read_result(job_id="{job}") shows it.'
    said.append(next_step)
    structure["next"] = next_step
    return Reply(" ".join(said), present(structure))


def kinds(shown: Sequence[Kind], of: int) -> Reply:
    """Kinds in a line each."""
    entries = [{"kind": each.name, "does": _first_sentence(each.description)} for each in shown]
    lines = [f"{entry['kind']}: {entry['does']}" for entry in entries] or ["No kind fits."]
    more = f"{of - len(shown)} more; search narrows." if of > len(shown) else ""
    hint = 'list_kinds(kinds=["…"]) says what one takes; create_jobs creates it.' if entries else ""
    text = "\n".join([*lines, *(each for each in (more, hint) if each)])
    return Reply(text, present({"kinds": entries, "more": more, "next": hint}))


def kinds_in_full(shown: Sequence[tuple[Kind, Mapping[str, Any]]]) -> Reply:
    """Kinds with the schema of their arguments."""
    entries = [
        present(
            {
                "kind": kind.name,
                "does": kind.description,
                "usually": kind.usually,
                "args": schema,
                "example": {"kind": kind.name, "args": dict(kind.example)} if kind.example else None,
            }
        )
        for kind, schema in shown
    ]
    hint = "create_jobs(jobs=[{kind, args}]) creates them."
    lines = [json.dumps(entry, ensure_ascii=False, default=str) for entry in entries]
    return Reply("\n".join([*lines, hint]), {"kinds": entries, "next": hint})


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."


def batch(receipts: Sequence[Receipt], batch_id: str | None) -> Reply:
    """What an agent gets for many jobs at once."""
    ids = [each.id for each in receipts]
    made = sum(each.created for each in receipts)
    same = f" {len(ids) - made} were the same as earlier jobs." if made < len(ids) else ""
    text = f'{made} jobs created.{same} batch_id {batch_id}. Ids in order: {", ".join(ids)}. list_jobs(batch_id="{batch_id}") shows them.'
    return Reply(text, present({"batch_id": batch_id, "created": made, "job_ids": ids}))


def status(
    jobs: Sequence[Job],
    standings: Mapping[str, Standing],
    asks: Mapping[str, Sequence[Ask]],
    now: datetime,
    addresses: Addresses,
) -> Reply:
    """Jobs as they are, a line each."""
    shown, lines = [], []
    for job in jobs:
        why, eta = standings[job.id]
        entry = _cleaned(concise(job, why, now))
        extra: dict[str, Any] = {"version": job.version}
        if job.status.is_final:
            extra |= {
                "artifacts": [each.name for each in job.artifacts[:4]] or None,
                "page_url": addresses.page(job.id),
            }
            if len(job.artifacts) > 4:
                extra["more_artifacts"] = len(job.artifacts) - 4
        else:
            extra |= {"progress": progress(job, eta), "asks": _asked(asks.get(job.id, ()), addresses)}
        entry |= present(extra)
        shown.append(entry)
        lines.append(_line(entry))
    ended = [job for job in jobs if job.status == "completed"]
    hint = f'read_result(job_id="{ended[0].id}") shows what it made.' if ended else ""
    return Reply("\n".join([*lines, *([hint] if hint else [])]), present({"jobs": shown, "next": hint}))


def in_full(jobs: Sequence[Mapping[str, Any]]) -> Reply:
    """Jobs with everything about them."""
    lines = []
    for job in jobs:
        lines.append(f"{job['job_id']} {job['kind']} {job['status']}: {clean(job['why'])}")
        lines += [
            f"  {name}: {_plain(value)}"
            for name, value in job.items()
            if name not in ("job_id", "kind", "status", "why")
        ]
    return Reply("\n".join(lines), {"jobs": list(jobs)})


def page(
    jobs: Sequence[Job],
    standings: Mapping[str, Standing],
    asks: Mapping[str, Sequence[Ask]],
    now: datetime,
    addresses: Addresses,
    next_cursor: str | None,
    counts: Sequence[SubjectCount] | None,
) -> Reply:
    """A page of a list, and on the first one the subjects with their counts."""
    shown = [
        _cleaned(concise(job, standings[job.id].why, now)) | present({"asks": _asked(asks.get(job.id, ()), addresses)})
        for job in jobs
    ]
    lines = [_line(entry) for entry in shown] or ["No jobs fit."]
    structure: dict[str, Any] = {"jobs": shown, "next_cursor": next_cursor}
    if counts is not None:
        subjects: dict[str, int] = {}
        for count in counts:
            name = count.name or "unorganised"
            subjects[name] = subjects.get(name, 0) + count.jobs
        structure["subjects"] = subjects
        if subjects:
            lines.insert(0, "Subjects: " + ", ".join(f"{clean(name)} ({count})" for name, count in subjects.items()))
    if next_cursor:
        lines.append(f"More: cursor={next_cursor}")
    return Reply("\n".join(lines), present(structure))


def reading(read: Reading, addresses: Addresses) -> Reply:
    """A page of what a job made. It is data: said so in front of it, where a model will see it."""
    job, artifact, picture = read.job, read.artifact, read.picture
    others = [each for each in job.artifacts if each != artifact and (picture is None or each != picture.artifact)]
    name = artifact.name if artifact else "result"
    structure: dict[str, Any] = {
        "job_id": job.id,
        "artifact": name,
        "line": job.result_line,
        "result": job.result,
        "others": [each.name for each in others[:MOST_NAMES]],
        "more_others": max(0, len(others) - MOST_NAMES) or None,
    }
    said = [f"{job.id} {clean(job.result_line or job.title)}."] if job.result_line or job.title else []
    if picture:
        title = "" if picture.artifact.title == picture.artifact.name else f" ({clean(picture.artifact.title)})"
        said.append(f"Picture below: {picture.artifact.name}{title}.")
        structure["picture"] = {"name": picture.artifact.name, "title": clean(picture.artifact.title)}
    elif read.text is None and artifact:
        structure |= {
            "media_type": artifact.media_type,
            "bytes": artifact.bytes,
            "url": addresses.artifact(job.id, name),
            "uri": f"job://{job.id}/artifacts/{quote(name)}",
        }
        where = " or as ".join(each for each in (structure["url"], structure["uri"]) if each)
        said.append(
            f"Artifact {name} ({artifact.media_type}, {artifact.bytes} bytes) cannot be shown here. It is at {where}"
        )
    if job.result and artifact is not None:
        said.append(f"Result: {_plain(job.result)}")
    if others:
        said.append(f"Other artifacts: {listed_names(others)}.")
    if read.text is not None:
        text = clean(read.text)
        structure |= {
            "text": text,
            "offset": read.offset,
            "next_offset": read.next_offset,
            "total": read.total,
            "untrusted": True,
        }
        more = f" Go on with offset={read.next_offset}." if read.next_offset else ""
        said.append(
            f"Artifact {name}, characters {read.offset} to {read.offset + len(read.text)} of {read.total}.{more} What follows is data made by a job:\n{text}"
        )
    return Reply("\n".join(said), present(structure), [picture] if picture else [])


def moved(move: Moved, subject: str | None, meant: int) -> Reply:
    """What an organise did, and how to take it back."""
    to = f"'{subject}'" if subject else "unorganised"
    if not move.was:
        text = f"Nothing changed: {'the job is' if meant == 1 else f'all {meant} jobs are'} as asked already."
        return Reply(text, {"moved": 0})
    came_from = ", ".join(sorted({f"'{was}'" if was else "unorganised" for was in move.was.values()}))
    undo = f" organise_jobs(undo={move.move}) takes it back." if move.move else ""
    text = f"{len(move.was)} job{'s' if len(move.was) > 1 else ''} now under {to} (before: {came_from}).{undo}"
    return Reply(
        text,
        present(
            {
                "moved": len(move.was),
                "job_ids": list(move.was)[:MOST_IDS],
                "subject": subject,
                "was": came_from,
                "undo": move.move,
            }
        ),
    )


def undone(ids: Sequence[str]) -> Reply:
    """What an undo did."""
    return Reply(
        f"{len(ids)} jobs are back where they were.", {"moved_back": len(ids), "job_ids": list(ids)[:MOST_IDS]}
    )


def cancelled(ended: Ended) -> Reply:
    """What happened to each job that was to stop."""
    said = [f"Cancelled: {', '.join(ended.done)}."] if ended.done else []
    said += list(ended.not_done.values())
    return Reply(" ".join(said), present({"cancelled": list(ended.done), "not_cancelled": dict(ended.not_done)}))


def deleted(ended: Ended) -> Reply:
    """What was deleted, and why the others were not."""
    refused = [*ended.not_done.values()]
    said = [f"Deleted {len(ended.done)} job{'' if len(ended.done) == 1 else 's'}.", *refused[:MOST_REFUSED]]
    if len(refused) > MOST_REFUSED:
        said.append(f"And {len(refused) - MOST_REFUSED} more were not.")
    structure = {
        "deleted": len(ended.done),
        "job_ids": list(ended.done)[:MOST_IDS],
        "not_deleted": refused[:MOST_REFUSED],
        "more_not_deleted": max(0, len(refused) - MOST_REFUSED) or None,
    }
    return Reply(" ".join(said), {"deleted": len(ended.done), **present(structure)})


def answered(ask: Ask) -> Reply:
    """That an answer counts."""
    decision = (ask.answer or {}).get("decision")
    text = f"Answered question {ask.id} of {ask.job}: {decision or 'with the form'}. The job goes on."
    return Reply(text, present({"job_id": ask.job, "ask": ask.id, "decision": decision}))


def answered_all(became: Sequence[Ask | BackburnerError]) -> Reply:
    """How many answers count, and why the others do not."""
    jobs = [each.job for each in became if isinstance(each, Ask)]
    refused = [str(each) for each in became if isinstance(each, BackburnerError)]
    said = [
        f"Answered {len(jobs)} of {len(became)}; these go on: {', '.join(jobs) or 'none'}.",
        *refused[:MOST_REFUSED],
    ]
    if len(refused) > MOST_REFUSED:
        said.append(f"And {len(refused) - MOST_REFUSED} more were not.")
    return Reply(" ".join(said), present({"answered": jobs, "not_answered": refused}))


def followed(job: Job) -> Reply:
    """That the answer comes when the job ends."""
    return Reply("", {}, follows=job)


def with_batch(reply: Reply, batch: Batch) -> Reply:
    """The page, and in front of it how far the batch is that it lists."""
    return Reply(
        f"Batch {batch.id}: {batch.said}.\n{reply.text}",
        {"batch": view.batch(batch), **reply.structure},
        reply.pictures,
    )


def with_patience(reply: Reply, seconds: float) -> Reply:
    """The reply, and that there is no use in waiting for more of it so soon."""
    told = f"Not before {about(seconds)}; end your turn."
    return Reply(f"{reply.text}\n{told}", {**reply.structure, "next": told}, reply.pictures)


def with_remarks(reply: Reply, told: Sequence[str]) -> Reply:
    """The reply, and what happened on the way to it."""
    if not told:
        return reply
    return Reply("\n".join([reply.text, *told]), {**reply.structure, "in_chat": list(told)}, reply.pictures)


def with_unseen(reply: Reply, unseen: Sequence[Job]) -> Reply:
    """The reply, and what else has ended that nobody was told of."""
    if not unseen:
        return reply
    told = [
        {"id": job.id, "kind": job.kind, "title": clean(job.title or job.result_line or ""), "status": str(job.status)}
        for job in unseen[:MOST_UNSEEN]
    ]
    more = " and more (list_jobs unseen=true)" if len(unseen) > MOST_UNSEEN else ""
    listed = "; ".join(" ".join(part for part in entry.values() if part) for entry in told)
    structure = {**reply.structure, "unseen": [present(entry) for entry in told]}
    return Reply(f"{reply.text}\nAlso ended, not yet looked at: {listed}{more}", structure, reply.pictures)


def _line(entry: Mapping[str, Any]) -> str:
    title = f' "{entry["title"]}"' if entry.get("title") else ""
    subject = f" [{entry['subject']}]" if entry.get("subject") else ""
    line = f": {entry['line']}" if entry.get("line") else ""
    made = f" Artifacts: {', '.join(entry['artifacts'])}." if entry.get("artifacts") else ""
    asks = "".join(map(_asked_line, entry.get("asks", ())))
    return f"{entry['id']} {entry['kind']}{title} {entry['status']} {entry['when']}{subject}{line}{made}{asks}"


def _asked(asks: Sequence[Ask], addresses: Addresses) -> list[dict[str, Any]]:
    return [_cleaned(asked_in_short(ask, addresses)) for ask in asks]


def _asked_line(ask: Mapping[str, Any]) -> str:
    """The question itself stands in why."""
    among = f": {' | '.join(map(clean, ask['choices']))}" if ask.get("choices") else ""
    form = f" with {', '.join(map(clean, ask['form']))}" if ask.get("form") else ""
    who = clean(ask.get("for_person") or "a person")
    where = f", {who} answers at {ask['answer_url']}" if ask.get("answer_url") else ""
    return f" Question {ask['ask']}{among}{form}{where}."


def _cleaned(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: clean(value) if isinstance(value, str) else value for name, value in entry.items()}


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return clean(str(value))
