"""The name that somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def near(word: str, known: Collection[str]) -> str | None:
    """The known name most like `word`: by spelling, else one that contains it; None where none is like it."""
    spelled = difflib.get_close_matches(word, known, 1)
    containing = [name for name in known if len(word) > 2 and word in name]
    return next(iter([*spelled, *containing]), None)


def did_you_mean(word: str, known: Collection[str], otherwise: str) -> str:
    """`did you mean NAME?`, or what to say where no name is like it."""
    found = near(word, known)
    return f"did you mean {found}?" if found else otherwise
