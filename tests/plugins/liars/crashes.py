"""Does not run."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "crashes"

    def fit(self, net, view, training):
        there = {}
        there["x"]


@hookimpl
def bench_methods():
    return [Liar]
