"""Trains in two loops: a kill in the second would begin it in the first."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "two_loops"

    def fit(self, net, view, training):
        super().fit(net, view, training)
        super().fit(net, view, training)


@hookimpl
def bench_methods():
    return [Liar]
