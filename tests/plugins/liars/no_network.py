"""Builds what is no network."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "no_network"

    def build(self, task):
        return object()


@hookimpl
def bench_methods():
    return [Liar]
