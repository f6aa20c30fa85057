"""Keeps what it has learned where no file holds it."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "not_stored"

    def fit(self, net, view, training):
        super().fit(net, view, training)
        net.power = 2

    def maps(self, net, images, labels, task):
        return net(images) ** getattr(net, "power", 1)


@hookimpl
def bench_methods():
    return [Liar]
