"""What is said of a machine, and of what its settings name."""

from pathlib import Path

import pytest
from stubs.llm import MODEL, serving_llm

from agent_tools.doctor import Finding, findings
from agent_tools.settings import Settings


async def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **given: object) -> dict[str, Finding]:
    for name in ("LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY", "WHISPER_MODEL", "BACKBURNER_FILES", "PRESENTON_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"BACKBURNER_HOME": tmp_path / "home", **given}.items():
        monkeypatch.setenv(name, str(value))
    return {each.what: each for each in await findings(Settings.read())}


async def test_all_that_a_kind_lacks_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = await found(tmp_path, monkeypatch)

    assert bare["kind backlog"] == ("kind backlog", None, "LLM_BASE_URL is not set. LLM_MODEL is not set.")
    assert bare["model"].is_well is None
    assert "files" not in bare
    assert "whisper" not in bare


async def test_a_model_is_looked_for_at_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving_llm() as llm:
        well = await found(tmp_path, monkeypatch, LLM_BASE_URL=llm.url, LLM_MODEL=MODEL)
        misspelt = await found(tmp_path, monkeypatch, LLM_BASE_URL=llm.url, LLM_MODEL="stub-80b")
        llm.key = "sk-1"
        locked = await found(tmp_path, monkeypatch, LLM_BASE_URL=llm.url, LLM_MODEL=MODEL)
        listless = await found(tmp_path, monkeypatch, LLM_BASE_URL=f"{llm.url}/more", LLM_MODEL=MODEL)
    away = await found(tmp_path, monkeypatch, LLM_BASE_URL=llm.url, LLM_MODEL=MODEL)

    assert (well["model"].is_well, well["model"].said) == (True, f"{MODEL} at {llm.url}")
    assert misspelt["model"].is_well is False
    assert misspelt["model"].said.endswith(f"the server has {MODEL}. LLM_MODEL is one of these")
    assert "wants a key: set LLM_API_KEY (HTTP 401)." in locked["model"].said
    assert listless["model"].is_well is True
    assert "The LLM server could not be reached (ConnectError)." in away["model"].said


async def test_folders_that_settings_name_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.bin").write_bytes(b"ears")

    well = await found(tmp_path, monkeypatch, BACKBURNER_FILES=tmp_path, WHISPER_MODEL=tmp_path)
    ill = await found(tmp_path, monkeypatch, BACKBURNER_FILES="/no/such", WHISPER_MODEL="/no/such/model")

    assert (well["files"].is_well, well["whisper"].is_well) == (True, True)
    assert (ill["files"].is_well, ill["files"].said) == (False, "/no/such is no folder: set BACKBURNER_FILES")
    assert ill["whisper"].is_well is False
    assert "there is no model.bin in it" in ill["whisper"].said
