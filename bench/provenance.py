"""Where the code of a result came from: the git state of an editable install, the package of a plugin."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from bench.api import Plugin


@cache
def git_state() -> str:
    """Commit of the checkout this runs from, with `+changes` where files differ; empty for an installed package."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return ""
    commit = _git(folder, "rev-parse", "HEAD")
    return f"{commit}+changes" if commit and _git(folder, "status", "--porcelain", "--untracked-files=no") else commit


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def package_of(plugin: Plugin, description: Mapping[str, Any]) -> dict[str, str]:
    """The distribution that a plugin belongs to and its version; a loose file by its name."""
    if description.get("file"):
        return {"plugin": Path(str(description["file"])).name, "plugin_version": ""}
    top = type(plugin).__module__.partition(".")[0]
    name = "wsss-bench" if top == "bench" else next(iter(packages_distributions().get(top, [top])))
    try:
        return {"plugin": name, "plugin_version": version(name)}
    except PackageNotFoundError:
        return {"plugin": name, "plugin_version": ""}
