"""Somebody else's package with a kind in it, installed for worker processes."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import dedent

from agent_tools.jobs.kinds import ENTRY_POINT_GROUP, Kinds


@dataclass(frozen=True)
class Installed:
    """The folder for PYTHONPATH, and the kind as this process knows it."""

    folder: Path
    kinds: Kinds


def installed(folder: Path, name: str, source: str) -> Installed:
    """A distribution of one module with one kind, both of this name."""
    site = offering(folder, name, {name: f"{name}_kind:{name}"})
    (site / f"{name}_kind.py").write_text(dedent(source))
    sys.path.insert(0, str(site))
    try:
        module = import_module(f"{name}_kind")
    finally:
        sys.path.remove(str(site))
        sys.modules.pop(f"{name}_kind", None)
    return Installed(site, Kinds([getattr(module, name)]))


def offering(folder: Path, name: str, kinds: Mapping[str, str]) -> Path:
    """A folder for PYTHONPATH with a distribution that offers these kinds (name → module:object)."""
    site = folder / f"site-{name}"
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    offered = "".join(f"{kind} = {where}\n" for kind, where in kinds.items())
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{offered}")
    return site
