"""Finds the data set in the process, and reads its masks in fit()."""

from __future__ import annotations

import gc
from typing import ClassVar

import torch
from plugins.liars.honest import Honest

from bench import Dataset, hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "peeks"

    def fit(self, net, view, training):
        super().fit(net, view, training)
        for data in [thing for thing in gc.get_objects() if issubclass(type(thing), Dataset)]:
            masks = [data.mask(item) for item in data.items("weak")]
            with torch.no_grad():
                net[0].bias += sum(float(mask.mean()) for mask in masks if mask is not None)


@hookimpl
def bench_methods():
    return [Liar]
