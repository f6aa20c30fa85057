"""A small data set and small methods for tests of the machinery: one that is honest, and some that are not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bench import Dataset, Item, MaskMethod, Masks, Method, Pixels, Task, hookimpl, maps_only
from bench.training import shuffled


class TinyShapes(Dataset):
    """Noise with a box; its colour tells the class."""

    name: ClassVar[str] = "tiny_shapes"
    embedded: ClassVar[bool] = True
    sizes: ClassVar[dict[str, int]] = {"weak": 24, "weak_heldout": 6, "masks": 6, "val": 4, "test": 6}

    @property
    def task(self) -> Task:
        return Task(classes=("a", "b", "c"), foreground=("box",), shows=(0, 0, 0))

    def items(self, split: str) -> Sequence[Item]:
        labelled = split.startswith("weak")
        return [Item(f"{split}-{n}", (n % 3,) if labelled else None) for n in range(self.sizes[split])]

    def _draw(self, item: Item) -> tuple[Pixels, Pixels]:
        split, _, number = item.id.partition("-")
        random = np.random.default_rng([tuple(self.sizes).index(split), int(number)])
        mask = np.zeros((20, 24 + int(number) % 2), np.uint8)
        top, left = random.integers(0, 12, 2)
        mask[top : top + 6, left : left + 8] = 1
        picture = random.integers(60, 200, (3, *mask.shape), dtype=np.uint8)
        picture[int(number) % 3][mask == 1] = 255
        return picture, mask

    def image(self, item: Item) -> Pixels:
        return self._draw(item)[0]

    def mask(self, item: Item) -> Pixels | None:
        return self._draw(item)[1]


class Tiny(Method):
    """Two convolutions that learn the classes; the map is the first channel."""

    name: ClassVar[str] = "tiny"

    epochs: int = 4
    lr: float = 0.01
    pause: float = 0.0
    sharpness: float = maps_only(1.0, "exponent of the map")

    def build(self, task: Task) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1),
            nn.Sigmoid(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, len(task.classes)),
        )

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        optimizer = torch.optim.Adam(net.parameters(), self.lr)
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            time.sleep(self.pause)
            for images, labels in view.batches(shuffled(len(view), 32, training.generator)):
                training.step(nn.functional.cross_entropy(net(images), labels.int().argmax(1)), optimizer)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        return net[1](net[0](images))[:, :1] ** self.sharpness


class TinyBinary(Tiny):
    """The same, decided."""

    name: ClassVar[str] = "tiny_binary"
    binary: ClassVar[bool] = True

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        return (super().maps(net, images, labels, task) > 0.5).float()


class TinyMasks(Tiny):
    """Reads five masks in training."""

    name: ClassVar[str] = "tiny_masks"

    def masks(self) -> Masks:
        return Masks("masks", 5)

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        assert view.masks.targets.shape[0] == len(view.masks) == 5
        assert int(view.masks.targets.max()) == 1
        super().fit(net, view, training)


class TinyNested(Tiny):
    """Needs a fitted classifier first."""

    name: ClassVar[str] = "tiny_nested"
    classifier: Tiny = Tiny()

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        g = training.fitted(self.classifier)
        assert not g.training
        assert not any(p.requires_grad for p in g.parameters())
        net.load_state_dict(g.state_dict())


class TinyTwin(Tiny):
    """Has a second row with sharper maps of the same fit."""

    name: ClassVar[str] = "tiny_twin"
    twin: ClassVar[Mapping[str, Any]] = MappingProxyType({"sharpness": 2.0})


class Broken(Tiny):
    """Divides by zero in its fit."""

    name: ClassVar[str] = "broken"

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        raise ZeroDivisionError("on purpose")


class Diverging(Tiny):
    """Its loss is NaN."""

    name: ClassVar[str] = "diverging"

    def fit(self, net: nn.Module, view: Any, training: Any) -> None:
        optimizer = torch.optim.Adam(net.parameters())
        for _ in training.epochs(1):
            training.step(torch.tensor(float("nan"), requires_grad=True), optimizer)


class Spy(Tiny):
    """Tries to read masks in every way that a plugin might; what it got lies in its map: 1 where something was read."""

    name: ClassVar[str] = "spy"
    places: str = ""

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        read = [place for place in self.places.split(":") if _readable(Path(place))]
        for place in (*read, *os.environ.values(), os.getcwd()):
            print("spy saw", place)
        return torch.full((len(images), 1, 2, 2), float(bool(read)))


def _readable(place: Path) -> bool:
    try:
        return bool(os.listdir(place)) if place.is_dir() else bool(place.read_bytes())
    except OSError:
        return False


class TinyEroded(MaskMethod):
    """Trains on masks without their first row."""

    name: ClassVar[str] = "tiny_eroded"
    role: ClassVar[str] = "control"

    def targets(self, masks: Tensor, generator: torch.Generator) -> Tensor:
        masks[:, 0] = 0
        return masks


@hookimpl
def bench_methods() -> Iterable[type[Method | MaskMethod]]:
    return Tiny, TinyBinary, TinyMasks, TinyNested, TinyTwin, Broken, Diverging, Spy, TinyEroded


@hookimpl
def bench_datasets() -> Iterable[type[Dataset]]:
    return (TinyShapes,)
