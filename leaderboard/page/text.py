"""Text by strangers as the page takes it: no place on a disk, nothing that turns the direction of writing."""

from __future__ import annotations

from bench.leaderboard.files.public import without_places

ROOT = "\0"
"""No folder is called that: every absolute path is cut to its last part."""


def clean(text: str) -> str:
    """A text as it may be shown to anybody; the template or the browser escapes it."""
    return without_places(text, ROOT)
