"""Returns logits."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "out_of_range"

    def maps(self, net, images, labels, task):
        return net(images) + 1


@hookimpl
def bench_methods():
    return [Liar]
