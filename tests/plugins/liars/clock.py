"""Draws from the operating system."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "clock"

    def fit(self, net, view, training):
        for _ in training.epochs(self.epochs):
            with torch.no_grad():
                net[0].bias += float(np.random.default_rng().random())


@hookimpl
def bench_methods():
    return [Liar]
