"""GradCAM (Selvaraju et al., ICCV 2017) of a classifier: which places raise the logit of a class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from bench.api import Pretrained, Task, maps_only
from bench.errors import UsageError
from bench.methods._maps import enlarge, minmax
from bench.methods._resnet import Normalise, sketch

LAST = "last"

Choose = Callable[[Tensor], Tensor]


class Classifier(nn.Module):
    """A timm classifier on images in [0, 1]: (B, 3, H, W) -> logits (B, C). `owner` is the method that an error names."""

    def __init__(self, model: nn.Module, owner: str) -> None:
        super().__init__()
        self.owner = owner
        self.normalise = Normalise(model)
        self.model = model
        self.places_first = getattr(model, "output_fmt", "NCHW") == "NHWC"  # Swin and its like

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(self.normalise(images))
        return logits

    def look(self, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
        """The output of `layer` (B, A, h, w; B, h, w, A where `places_first`), and the logits (B, C), whose graph begins at it.

        One forward, without a graph up to the layer: nothing below it is kept.
        """
        seen: list[Tensor] = []

        def cut(module: nn.Module, inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor) or output.ndim != 4:
                raise UsageError(
                    f"{self._setting(layer)}: the output of {self._name(layer)} is no map over places; "
                    "GradCAM needs a layer whose output is one, as in resnet50, convnext_tiny or densenet121"
                )
            torch.set_grad_enabled(True)  # until the `with` below ends
            seen.append(output.requires_grad_())
            return output.clone()  # what follows may write into it

        with torch.no_grad(), self._module(layer).register_forward_hook(cut):
            logits = self(images)
        return seen[-1], logits

    def _module(self, layer: str) -> nn.Module:
        modules: dict[str, nn.Module] = dict(self.model.named_modules())
        name = self._name(layer)
        if name not in modules:
            listed = ", ".join(self._listed()) or "none"
            raise UsageError(f"{self._setting(layer)}: this network has no layer {name}; timm lists {listed}")
        return modules[name]

    def _name(self, layer: str) -> str:
        """timm's name of a layer; `last` is the deepest that timm lists as features."""
        return self._listed()[-1] if layer == LAST and self._listed() else layer

    def _listed(self) -> list[str]:
        return [str(part["module"]) for part in getattr(self.model, "feature_info", ())]

    def _setting(self, layer: str) -> str:
        """Which setting is to blame."""
        return f"{self.owner}.{'backbone' if layer == LAST else 'layer'}"


class Explained(Pretrained):
    """A classifier that starts from ImageNet, with the layer that its gradients are taken at."""

    layer: str = maps_only(
        LAST, "layer whose output is looked at, by its name in timm; last: the deepest, layer4 in a ResNet"
    )

    @model_validator(mode="after")
    def _keeps_places(self) -> Self:
        """Refuse a backbone or layer before anything is trained; the defaults are known to be good."""
        fields = type(self).model_fields
        if any(getattr(self, name) != fields[name].default for name in ("backbone", "layer")):
            require_places(self.backbone, self.layer, self.name)
        return self


def require_places(backbone: str, layer: str, owner: str) -> None:
    """UsageError naming the method `owner` where the output of that layer is no map with more than one place."""
    model: Any = sketch(backbone)
    if model is None:
        return
    with torch.device("meta"):
        net, image = Classifier(model, owner), torch.empty(1, *model.pretrained_cfg["input_size"])
    features = channels_first(net, net.look(image, layer)[0])
    if features.shape[2:].numel() == 1:
        raise UsageError(f"{owner}.layer: the output of {layer} in {backbone} is one place; name a layer before it")


def channels_first(net: Classifier, features: Tensor) -> Tensor:
    """Features as (B, A, h, w), whichever way the network has them."""
    return features.movedim(3, 1) if net.places_first else features


def predicted(exclusive: bool) -> Choose:
    """Which classes an image is taken to show, by its logits (B, C) -> (B, C) bool: the most likely one, or each above probability 1/2."""
    if exclusive:
        return lambda logits: functional.one_hot(logits.argmax(1), logits.shape[1]).bool()
    return lambda logits: logits > 0


def gradcam(net: Classifier, images: Tensor, layer: str, choose: Choose, task: Task) -> Tensor:
    """Maps (B, K, H, W) in [0, 1] at the images' size, for the classes (B, C) that `choose` takes by the logits.

    A foreground has the largest map of the chosen classes that show it. A map without a place that speaks for its class stays zero, and
    so does the map of a foreground that none of the chosen classes shows.
    """
    maps = images.new_zeros(len(images), len(task.foreground), *images.shape[2:])
    for which, cam in evidence(net, images, layer, choose):
        shown = task.present(which)[:, :, None, None]  # (B, K, 1, 1)
        maps = torch.maximum(maps, stretched(cam, images) * shown)
    return maps


def stretched(cam: Tensor, images: Tensor) -> Tensor:
    """(B, 1, h, w) -> (B, 1, H, W): min-max at the layer's resolution, resize, min-max again (pytorch-grad-cam's order)."""
    return minmax(enlarge(minmax(cam), (images.shape[2], images.shape[3])))


@torch.enable_grad()
def evidence(net: Classifier, images: Tensor, layer: str, choose: Choose) -> list[tuple[Tensor, Tensor]]:
    """ReLU(sum_a w_a A_a) with w_a the mean over places of d logit / d A_a, for every class that `choose` takes.

    As many pairs as the image with most classes has: which class of each image, (B, C) bool with at most one True a row, and its
    map (B, 1, h, w), to be ignored where an image has no class left. One forward; backward only through what lies above the layer.
    """
    features, logits = net.look(images, layer)
    chosen = choose(logits.detach())
    order = chosen.int().argsort(stable=True, dim=1, descending=True)  # an image's chosen classes come first
    found = []
    for column in range(int(chosen.sum(1).max())):
        classes = order[:, column]
        # Images do not mix in eval mode: the gradient of the sum is each image's own.
        score = logits.gather(1, classes[:, None]).sum()
        gradient = torch.autograd.grad(score, features, retain_graph=True)[0]
        which = chosen & functional.one_hot(classes, chosen.shape[1]).bool()
        found.append((which, _weighted(channels_first(net, features.detach()), channels_first(net, gradient))))
    return found


def _weighted(features: Tensor, gradient: Tensor) -> Tensor:
    """Features and gradient (B, A, h, w) -> (B, 1, h, w)."""
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * features).sum(1)[:, None].relu()
