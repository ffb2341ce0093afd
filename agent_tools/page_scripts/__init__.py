"""The scripts that a page made by a job may run where it is served: these, each known by what is in it, and no other.

A page that says so in its media type (`text/html; script=listen-1`) is served under a policy that lets this one script
run, still without an origin, a network or a way out. A script is never changed once it is released, as the pages that
carry it are kept: a change is a new file with the next number.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """The script, to be put into a page between its tags. Raises FileNotFoundError."""
    return (files(__package__) / f"{name}.js").read_text(encoding="utf-8")


@cache
def known() -> frozenset[str]:
    """The names of all of them."""
    return frozenset(
        each.name.removesuffix(".js") for each in files(__package__).iterdir() if each.name.endswith(".js")
    )


@cache
def source_of(name: str) -> str:
    """The script as a policy names it: `'sha256-…'`."""
    digest = base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode()
    return f"'sha256-{digest}'"
