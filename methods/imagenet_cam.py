"""A floor without a label: where the untouched ImageNet network sees the ImageNet class that it takes the image for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

import timm
from torch import Tensor, nn

from bench.api import Method, Task
from bench.errors import MachineError
from bench.hookspecs import hookimpl
from bench.methods._gradcam import Classifier, Explained, evidence, predicted, stretched
from bench.methods._maps import shared
from bench.weights import load_backbone, locate, read


class ImageNetCAM(Explained):
    """GradCAM of the untouched ImageNet network, on the class that it predicts."""

    name: ClassVar[str] = "imagenet_cam"
    paper: ClassVar[str] = "Selvaraju et al., ICCV 2017"
    floor: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = False

    @property
    def deterministic(self) -> bool:
        """Published weights are; random ones are drawn by the seed."""
        return self.pretrained

    def notes(self) -> tuple[str, ...]:
        return () if self.pretrained else ("random weights: no ImageNet class is seen",)

    def build(self, task: Task) -> nn.Module:
        """The network with the head that it was published with; nothing of it is trained."""
        published = timm.get_pretrained_cfg(self.backbone)
        net = load_backbone(self, published.num_classes if published else 1000)
        if self.pretrained:
            self._require_head(net)
        return Classifier(net, self.name)

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W): the evidence for the likeliest class of ImageNet, as the map of each foreground."""
        ((_, cam),) = evidence(cast(Classifier, net), images, self.layer, predicted(exclusive=True))
        return shared(stretched(cam, images), len(task.foreground))

    def _require_head(self, net: nn.Module) -> None:
        """`load_backbone` leaves out a head of another size, which other methods replace anyway; this one lives by it."""
        file = locate(self)
        head = net.pretrained_cfg["classifier"]  # type: ignore[index]
        key = f"{head if isinstance(head, str) else head[0]}.weight"
        wanted, given = net.state_dict()[key].shape, read(file).get(key) if file else None
        if given is None or given.shape != wanted:
            raise MachineError(
                f"{file} has no head of {wanted[0]} classes ({key}), and {self.name} needs the one that the network was "
                "published with; name a file that has it"
            )


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """GradCAM of the untouched ImageNet network."""
    return (ImageNetCAM,)
