"""Does not name its optimizer: a kill forgets it."""

from __future__ import annotations

from typing import ClassVar

import torch
from plugins.liars.honest import Honest

from bench import hookimpl
from bench.training import shuffled


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "forgetful"

    def fit(self, net, view, training):
        optimizer = torch.optim.Adam(net.parameters())
        for _ in training.epochs(self.epochs):
            for images, labels in view.batches(shuffled(len(view), 8, training.generator)):
                training.step((net(images).mean((1, 2, 3)) - labels[:, 0].float()).square().mean(), optimizer)


@hookimpl
def bench_methods():
    return [Liar]
