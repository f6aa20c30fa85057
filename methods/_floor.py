"""What floors share: nothing is trained, no label is looked at."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from bench.api import Method, Task


class Floor(Method):
    """A method without a network that learns; it looks at no label."""

    floor: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = False

    @property
    def deterministic(self) -> bool:
        """Nothing is drawn."""
        return True

    def build(self, task: Task) -> nn.Module:
        """Nothing to train."""
        return nn.Identity()
