"""Has one seed for all runs."""

from __future__ import annotations

from typing import ClassVar

import torch
from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "reseeds"

    def fit(self, net, view, training):
        torch.manual_seed(42)
        super().fit(net, view, training)


@hookimpl
def bench_methods():
    return [Liar]
