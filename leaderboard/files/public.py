"""The public part of a result.json: what it says of the run, nothing of the machine's folders, nothing that a terminal obeys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.leaderboard.files.schema import CONTROL

PLACE = re.compile(r"(?:file://|(?<![\w.:/\\]))(?:[A-Za-z]:)?(?:~?[/\\])(?:[^\s/\\'\",;()]+[/\\])*([^\s/\\'\",;()]+)")
"""An absolute path; its last part is what stays."""


def public(result: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """result.json without places on the disk: every path in every text is cut to its last part. `folder`: that of the runs."""
    return {key: _clean(value, str(folder.resolve())) for key, value in result.items()}


def _clean(value: Any, folder: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _clean(each, folder) for key, each in value.items()}
    if isinstance(value, list):
        return [_clean(each, folder) for each in value]
    return without_places(value, folder) if isinstance(value, str) else value


def without_places(text: str, folder: str) -> str:
    """A text with absolute paths cut to their last parts, on one line.

    >>> without_places("failed; its log is /home/me/runs/log.txt (see 1/2)", "/home/me/runs")
    'failed; its log is log.txt (see 1/2)'
    """
    line = CONTROL.sub(" ", text.replace(f"{folder}/", "/"))
    return PLACE.sub(lambda found: found[1], line) if re.search(r"[/\\]", line) else line
