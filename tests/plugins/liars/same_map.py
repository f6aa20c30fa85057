"""Has the same map for every image, and does not say so."""

from __future__ import annotations

from typing import ClassVar

import torch
from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "same_map"

    def maps(self, net, images, labels, task):
        return torch.linspace(0, 1, 8).expand(len(images), len(task.foreground), 8, 8)


@hookimpl
def bench_methods():
    return [Liar]
