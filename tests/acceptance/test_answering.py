"""What a job asks, answered by whoever sits at the terminal."""

from collections.abc import Callable
from pathlib import Path

import httpx2
from installed import Installation


def test_a_question_is_found_shown_and_answered_in_the_terminal(
    installation: Installation, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    form = '{"properties": {"price": {"type": "number"}, "now": {"type": "boolean"}}, "required": ["price"]}'
    job = installation.run("run", "approval", "question=Buy this?", "content=# A boat", f"form={form}").stdout.strip()
    installation.run("run", "page", "content=# A", "--watch")
    eventually(lambda: bool(installation.json("jobs", "asks")))

    (ask,) = installation.json("jobs", "asks")
    (waiting,) = installation.json("jobs", "list", "--waiting", "person")
    shown = installation.run("jobs", "show", job).stdout
    wrong = installation.run("jobs", "answer", job, "perhaps", check=False)
    missing = installation.run("jobs", "answer", job, "approve", "--value", "price=cheap", check=False)
    said = installation.run(
        "jobs", "answer", job, "approve", "--notes", "Red.", "--value", "price=7.5", "--value", "now=true"
    )
    eventually(lambda: "Completed" in installation.run("why", job).stdout)
    late = installation.run("jobs", "answer", str(ask["id"]), "reject", check=False)

    assert (ask["job"], ask["question"], waiting["id"]) == (job, "Buy this?", job)
    for line in ("Buy this?", "# A boat", f"backburner jobs answer {job} approve --value now=… --value price=…"):
        assert line in shown
    assert (wrong.returncode, missing.returncode, late.returncode) == (2, 2, 1)
    assert "one of approve, reject, not 'perhaps'" in wrong.stderr
    assert "values/price" in missing.stderr
    assert f"Answered {job}: approve." in said.stderr
    assert "owner answered this" in late.stderr
    (done,) = [each for each in installation.json("jobs", "list") if each["id"] == job]
    assert (done["decision"], done["result"]["values"]) == ("approve", {"price": 7.5, "now": True})
    assert installation.json("jobs", "asks") == []


def test_a_batch_is_followed_answered_and_stopped_in_the_terminal(
    installation: Installation, eventually: Callable[[Callable[[], bool]], None], tmp_path: Path
) -> None:
    edited = tmp_path / "edited.md"
    edited.write_text("# A larger boat")
    installation.run("run", "page", "content=# A", "--watch")
    installation.run("link", "Marta", "--new")
    asked = [{"question": "Buy this?", "who": "Marta"}, {"question": "Buy that?"}]
    jobs = [{"kind": "approval", "args": args} for args in asked]
    jobs.append({"kind": "page", "args": {"content": "# B"}, "run_after": "2100-01-01T00:00:00Z"})
    url, headers = (
        f"{installation.runtime['http_url']}/api/v1/jobs/batch",
        {"Authorization": f"Bearer {installation.token}"},
    )
    batch = httpx2.post(url, json={"jobs": jobs}, headers=headers).json()["batch_id"]
    text = installation.run("run", "approval", "question=Buy it?", "content=# A boat").stdout.strip()
    eventually(lambda: len(installation.json("jobs", "asks")) == 3)

    listed = installation.run("jobs", "list", "--batch", batch).stdout
    answered = installation.run("jobs", "answer", batch, "approve", "--batch", "--notes", "Both.").stderr
    stopped = installation.run("jobs", "cancel", "--batch", batch).stderr
    neither = installation.run("jobs", "cancel", check=False)
    installation.run("jobs", "answer", text, "approve", "--edited", f"@{edited}")
    eventually(lambda: "Completed" in installation.run("why", text).stdout)

    assert f"Batch {batch}  0 %  0 of 3 done: 2 waiting, 1 queued; 2 questions open" in listed
    assert answered.count("approve. It goes on.") == 2
    assert stopped.count("Cancelled") >= 1
    assert (neither.returncode, "either their ids or --batch" in neither.stderr) == (2, True)
    (done,) = [each for each in installation.json("jobs", "list") if each["id"] == text]
    assert done["artifacts"][0]["name"] == "edited.md"
    assert "+# A larger boat" in done["result"]["edits"]
