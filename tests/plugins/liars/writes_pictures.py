"""Normalises the pictures in place."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "writes_pictures"

    def maps(self, net, images, labels, task):
        return net(images.sub_(0.5))


@hookimpl
def bench_methods():
    return [Liar]
