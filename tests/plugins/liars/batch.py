"""Divides by the largest value of the batch."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "batch"

    def maps(self, net, images, labels, task):
        made = net(images)
        return made / made.max()


@hookimpl
def bench_methods():
    return [Liar]
