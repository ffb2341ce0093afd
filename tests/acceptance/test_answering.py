"""What a job asks, answered by whoever sits at the terminal."""

from collections.abc import Callable

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
