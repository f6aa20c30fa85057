"""Has a setting that nobody can understand."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "undescribed"
    alpha: float = 0.5


@hookimpl
def bench_methods():
    return [Liar]
