"""Its maps change its network, by less than a map shows."""

from __future__ import annotations

from typing import ClassVar

import torch
from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "writes_network"

    def build(self, task):
        net = super().build(task)
        net.register_buffer("seen", torch.zeros(()))
        return net

    def maps(self, net, images, labels, task):
        net.seen += len(images)
        return super().maps(net, images, labels, task)


@hookimpl
def bench_methods():
    return [Liar]
