"""Recordings, a site that has them, and the settings under which jobs may reach both."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import spoken
from spoken import Station


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of them. Tests only read it."""
    folder = tmp_path_factory.mktemp("recordings")
    news = spoken.speak(spoken.NEWS, folder / "news.wav")
    spoken.speak(spoken.SHORT, folder / "short.wav")
    spoken.video(news, folder / "news.mp4")
    return folder


@pytest.fixture(autouse=True)
def allowed(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_FILES", str(recordings))
    monkeypatch.setenv("BACKBURNER_ALLOW_LOOPBACK", "1")
    for name in ("WHISPER_MODEL", "LLM_BASE_URL", "LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def station(recordings: Path) -> AsyncIterator[Station]:
    async with spoken.on_air(recordings) as opened:
        yield opened
