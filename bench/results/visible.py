"""Text by strangers (names, settings, notes, ids) as something that is read and never acted on."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""The text with everything that is no sign on paper spelled out, so that it stays on its line and moves no cursor.

    That is control characters (a terminal would obey them), line breaks, signs without width or that turn the direction of writing, odd
    spaces, and halves of surrogate pairs.

    >>> visible("a\x1b[2Jb\nc")
    'a\\x1b[2Jb\\nc'
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
