"""Needs the labels of images that have none."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "needs_labels"

    def maps(self, net, images, labels, task):
        return net(images) * labels.any(1)[:, None, None, None]


@hookimpl
def bench_methods():
    return [Liar]
