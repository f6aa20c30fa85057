"""Divides zero by zero somewhere."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "not_a_number"

    def maps(self, net, images, labels, task):
        made = net(images).clone()
        made[:, :, 0] = float("nan")
        return made


@hookimpl
def bench_methods():
    return [Liar]
