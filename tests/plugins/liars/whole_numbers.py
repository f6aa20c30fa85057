"""Returns integers."""

from __future__ import annotations

from typing import ClassVar

from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "whole_numbers"

    def maps(self, net, images, labels, task):
        return (net(images) > 0.5).int()


@hookimpl
def bench_methods():
    return [Liar]
