"""Paper 2's method: an image is taken apart into one picture for each class and put together again by the masks of the classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, cast

import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator
from torch import Tensor, nn

from bench.api import Masks, Method, Task, maps_only
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.methods._decomposition_labels import (
    class_balanced,
    constant,
    labelled,
    mean_sizes,
    presence,
    showing,
    wanted_shares,
)
from bench.methods._decomposition_losses import guidance_loss, mask_loss, reconstruction_loss
from bench.methods._decomposition_networks import Decomposition, divisible
from bench.methods._decomposition_parts import Pair, Taken, foreground_map, look, take_apart
from bench.methods._folding import folded
from bench.methods._maps import without_absent
from bench.methods._presence_classifier import PresenceClassifier
from bench.training import Training
from bench.view import View


class ReconstructionDecomposition(Method):
    """Takes an image apart into one picture for each class; masks put it together again."""

    name: ClassVar[str] = "reconstruction_decomposition"
    paper: ClassVar[str] = (
        "Zeng, Semantic segmentation from image labels by reconstruction from structured decomposition, 2024"
    )

    g_negatives: Literal["none", "borders"] = Field(
        "none", description="images without the object for g: none (paper), or corners of the same images (ours)"
    )
    classifier: PresenceClassifier = Field(
        PresenceClassifier(), validate_default=True, description="g, fitted first and then fixed"
    )
    arch: Literal["paper", "code"] = Field("paper", description="networks of appendix A, or of the public code")
    width: int = Field(64, ge=1, description="channels at the first level; appendix A: 64, smaller for small budgets")
    loss: Literal["paper", "code"] = Field(
        "paper", description="L_mask and L_cls by eq. 4 and 6, or by the public code"
    )
    class_terms: Literal["mean", "sum"] = Field(
        "mean",
        description="L_cls over g's K - 1 outputs: sum is eq. 6; with the mean (code) lambda_c means the same for any K",
    )
    lambda_m: float = Field(1e-3, ge=0, description="weight of L_mask (section 4.3)")
    lambda_c: float = Field(1e-3, ge=0, description="weight of L_cls (section 4.3)")
    area_prior: Literal["none", "class", "masks"] = Field(
        "none",
        description="area that L_mask asks of a class: the same for all that are present (paper), `areas`, or the mean of the true masks",
    )
    areas: tuple[float, ...] = Field(
        (), description="shares of an image for area_prior=class: one, or one for each class that shows an object"
    )
    prior_masks: int | None = Field(None, ge=1, description="masks for area_prior=masks, counted in the row; none: all")
    epochs: int = Field(10, ge=1, description="passes over the labelled images (section 4.3)")
    lr: float = Field(1e-4, gt=0, description="Adam's learning rate, betas .9 and .999 (section 4.3)")
    batch: int = Field(8, ge=2, description="images in a step, class-balanced: the code's 4 pairs; 4 in section 4.3")
    per_class: int = Field(2, ge=1, description="images of one class in a step, where there are more classes than fit")
    map: Literal["argmax", "sum"] = maps_only(
        "argmax",
        "argmax: largest of the object's masks beside all others, above .5 where it wins (code); sum: all of them",
    )

    @field_validator("areas")
    @classmethod
    def _shares(cls, areas: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < share < 1 for share in areas):
            raise ValueError("each area is a share between 0 and 1")
        return areas

    @field_validator("classifier")
    @classmethod
    def _told_about_negatives(cls, classifier: PresenceClassifier, info: ValidationInfo) -> PresenceClassifier:
        asked = info.data.get("g_negatives", "none")
        if classifier.negatives not in ("none", asked):
            raise ValueError(f"set g_negatives={classifier.negatives} instead of classifier.negatives")
        return classifier.model_copy(update={"negatives": asked})

    @model_validator(mode="after")
    def _no_setting_without_effect(self) -> ReconstructionDecomposition:
        if (self.area_prior == "class") != bool(self.areas):
            raise ValueError("area_prior=class and areas=SHARE[,SHARE...] go together")
        if self.prior_masks is not None and self.area_prior != "masks":
            raise ValueError("prior_masks is for area_prior=masks")
        if self.loss == "code" and self.class_terms == "sum":
            raise ValueError("loss=code takes the mean over g's outputs: class_terms=sum is for loss=paper")
        return self

    def masks(self) -> Masks | None:
        """The masks whose mean area is the prior, counted as masks used in training."""
        return Masks("masks", self.prior_masks, "training") if self.area_prior == "masks" else None

    def notes(self) -> tuple[str, ...]:
        half = ("the mask loss drives the object's area to one half of an image that shows one class",)
        prior = half if self.area_prior == "none" else (f"area prior: {self.area_prior}",)
        negatives = ("g has seen corners of the images as images without the object",)
        start = "g from scratch" if not self.classifier.pretrained else "g starts from ImageNet"
        return (start, *prior, *(negatives if self.g_negatives == "borders" else ()))

    def build(self, task: Task) -> nn.Module:
        """f_m and f_x for the classes that show an object, and the background behind them."""
        classes = showing(task)
        if len(self.areas) not in (0, 1, len(classes)):
            raise BenchError(
                f"{self.name}.areas has {len(self.areas)} shares for {len(classes)} classes "
                f"({', '.join(task.classes[c] for c in classes)}); give one, or one for each"
            )
        net = Decomposition(len(classes) + 1, self.width, self.arch)
        net.to(memory_format=torch.channels_last)
        return net

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """f_m and f_x by L_recon + lambda_m L_mask + lambda_c L_cls (eq. 7) on class-balanced batches; g stays as it is."""
        present = labelled(view, self.name)
        self._refuse_what_shows_itself_always(present, view.task)
        sizes = self._sizes(view)
        pair = Pair(cast(Decomposition, net), folded(training.fitted(self.classifier)))
        optimizer = torch.optim.Adam(net.parameters(), self.lr)
        for _ in training.epochs(self.epochs, optimizer=optimizer):
            net.train()
            plan = class_balanced(present, self.batch, self.per_class, training.generator)
            for images, labels in view.batches(plan):
                shown = presence(labels, view.task)
                with training.autocast():
                    taken = take_apart(pair, divisible(images))
                training.step(self._objective(taken, shown, sizes, training), optimizer)
            net.eval()
            training.log(**look(pair, view))

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """(B, K, H, W): the object's masks against the others; empty where the labels know of no object."""
        masks = cast(Decomposition, net).masks(divisible(images))
        maps = foreground_map(masks, task, self.map)
        return without_absent(maps, labels, task)

    def _objective(self, taken: Taken, present: Tensor, sizes: Tensor | None, training: Training) -> Tensor:
        """Eq. 7."""
        wanted = wanted_shares(present, sizes)
        shares = taken.masks.mean((2, 3))  # eq. 3, (B, K)
        reconstruction = reconstruction_loss(taken.parts, taken.images)
        mask = mask_loss(shares, wanted, self.loss)
        guidance = guidance_loss(taken.logits, present, self.loss, self.class_terms)
        training.log(
            reconstruction=float(reconstruction.detach()),
            mask=float(mask.detach()),
            guidance=float(guidance.detach()),
            area_error=float((shares.detach() - wanted).abs().mean()),
        )
        return reconstruction + self.lambda_m * mask + self.lambda_c * guidance

    def _sizes(self, view: View) -> Tensor | None:
        """The usual size of each class as a share of the image (K - 1,), or None: whatever is present is asked for alike."""
        if self.area_prior == "class":
            return torch.tensor(self.areas).expand(len(showing(view.task)))
        if self.area_prior == "masks":
            assert view.masks is not None
            assert view.masks.targets is not None
            return mean_sizes(view.masks.targets, view.task)
        return None

    def _refuse_what_shows_itself_always(self, present: Tensor, task: Task) -> None:
        always = constant(present, task)
        if always and self.g_negatives == "none" and self.area_prior == "none":
            raise BenchError(
                f"{self.name} cannot tell {always} from the background: every weakly labelled image shows it, so that g may always say "
                "yes; set g_negatives=borders, or an area_prior"
            )


@hookimpl
def bench_methods() -> Iterable[type[Method]]:
    """Reconstruction from structured decomposition."""
    return (ReconstructionDecomposition,)
