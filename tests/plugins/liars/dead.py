"""Its maps are zero everywhere."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "dead"

    def maps(self, net, images, labels, task):
        return net(images) * 0


@hookimpl
def bench_methods():
    return [Liar]
