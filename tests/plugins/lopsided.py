"""A method whose maps know left from right: only the left half of an image can be the object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from bench import Method, Task, hookimpl


class Lopsided(Method):
    """The brightness of the left half."""

    name: ClassVar[str] = "lopsided"
    reads_labels: ClassVar[bool] = False

    def build(self, task: Task) -> nn.Module:
        return nn.Identity()

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        maps = images.mean(1, keepdim=True).clone()
        maps[..., maps.shape[3] // 2 :] = 0
        return maps


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    return (Lopsided,)
