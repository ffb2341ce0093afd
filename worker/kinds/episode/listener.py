"""The process that listens: a Whisper model over one part of a recording, a word for each few seconds heard."""

import os
from pathlib import Path
from typing import Any

from worker.kinds.episode import child
from worker.kinds.episode.parts import Part
from worker.kinds.episode.sound import between


def main() -> None:
    """Listen to what is given on the standard input."""
    given, say = child.begin()
    os.environ["HF_HUB_OFFLINE"] = "1"  # a model is here or it is not
    from faster_whisper import WhisperModel  # noqa: PLC0415 - after what it reads of the environment

    try:
        model = WhisperModel(
            given["model"], device="auto", compute_type="int8", cpu_threads=given["threads"], local_files_only=True
        )
    except Exception as error:  # whatever a folder that is no model makes it say
        say(wrong=_first_sentence(error))
        return
    language = given["language"]
    if language and language not in model.supported_languages:
        say(wrong="language" if model.model.is_multilingual else "english")
        return
    part = Part(*given["part"])
    # Without the text before: a small model that has lost the thread repeats it to the end. With the times of words: where
    # silence was left out, only they say on which side of it a line lies.
    heard, about = model.transcribe(
        between(Path(given["audio"]), part),
        language=language,
        beam_size=5,
        vad_filter=True,
        condition_on_previous_text=False,
        word_timestamps=True,
    )
    say(language=about.language)
    for segment in heard:
        say(start=part.start_s + segment.start, end=part.start_s + segment.end, text=segment.text)


def _first_sentence(error: Any) -> str:
    said = " ".join(str(error).split()).partition(". ")[0]
    return (said or type(error).__name__)[:200].rstrip(".")


if __name__ == "__main__":
    main()
