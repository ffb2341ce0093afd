"""The beginnings of files, as text."""

from collections.abc import Sequence

from agent_tools.jobs.places import KeptFile


def beginnings(files: Sequence[KeptFile], most: int) -> list[str]:
    """At most so many bytes of each; empty where a file is gone, or cannot be had soon. Blocking: call it in a thread."""
    if not files:
        return []
    found = files[0].place.beginnings([each.key for each in files], most)
    return [data.decode("utf-8", "replace").rstrip("\ufffd") for data in found]
