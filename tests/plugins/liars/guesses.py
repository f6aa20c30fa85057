"""Guesses where masks lie from the name of the view's file, and reads those of test."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from plugins.liars.honest import Honest

from bench import hookimpl


class Liar(Honest):
    """A liar."""

    name: ClassVar[str] = "guesses"
    places: ClassVar[list] = []

    def fit(self, net, view, training):
        super().fit(net, view, training)
        self.places.append(getattr(view.pictures, "filename", None))

    def maps(self, net, images, labels, task):
        known = [Path(place).parents[3] / "data" / "masks" for place in self.places if place]
        masks = [np.load(file) for folder in known[-1:] for file in sorted(folder.glob("test-0.npy"))]
        return net(images) / (1 + sum(float(mask[:32].mean()) for mask in masks))


@hookimpl
def bench_methods():
    return [Liar]
