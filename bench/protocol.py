"""The rules of a comparison: three frozen, versioned protocols. A changed rule is a changed name: `quick(threshold=0.25)`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from bench.errors import UsageError

VERSION = 1
"""Raised when a rule below, or code that decides a number under these rules, changes. Rows of two versions are never compared."""

SPLITS = ("weak", "weak_heldout", "masks", "val", "test")


@dataclass(frozen=True)
class Protocol:
    """Everything that is the same for every row of a table."""

    name: str
    size: int = 224
    """views are squashed to size x size"""
    weak_images: int | None = None
    """at most so many weakly labelled images, the first of a seeded permutation; None: all"""
    class_cap: int | None = None
    """at most so many weakly labelled images of one class"""
    fit_share: float = 1.0
    """share of a method's own number of epochs; 0: untrained (a control)"""
    threshold: float = 0.5
    """the fixed T of the paper; a multiple of 1/256, strict (a pixel is foreground above it)"""
    rules: tuple[str, ...] = ("fixed", "otsu")
    """threshold rules that make a row each, no part of the title; `otsu` is the label-free one that is ranked"""
    labels: str = "true"
    """`true`, or `shuffled`: a control in which image labels are permuted"""
    segment_on: str = "weak"
    """what the segmenter is trained on: proxies of the `weak` images, or of the images of `masks`"""
    segmenter: str = "unet"
    """`unet` (paper 1's), or `smp-` and an architecture of segmentation-models-pytorch: `smp-unet`, `smp-deeplabv3plus`"""
    base_channels: int = 32
    """width of `unet`'s first level"""
    encoder: str = "resnet34"
    """encoder of an `smp-` segmenter"""
    encoder_weights: str = "none"
    """weights of that encoder: `none`, `imagenet`, or a file"""
    steps: int = 62_500
    """optimisation steps of the segmenter"""
    batch: int = 16
    """images in a step of the segmenter"""
    segmenter_lr: float = 1e-3
    """Adam's learning rate for the segmenter"""
    schedule: str = "constant"
    """learning rate of the segmenter: `constant`, or `cosine` (to 0)"""
    augment: str = "flips"
    """augmentation for the segmenter: `flips`, or `strong` (flips, transpose, zoom, colour)"""
    precision: str = "fp32"
    """`fp32` or `bf16` (autocast)"""
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """method settings that this protocol carries; a method without the field ignores it, `--set` goes before"""
    changed: tuple[str, ...] = ()
    """fields that `--set protocol.*` changed"""

    @property
    def title(self) -> str:
        """The name as every table and file shows it: `quick`, or `quick(threshold=0.25)`."""
        if not self.changed:
            return self.name
        return f"{self.name}({','.join(f'{f}={_text(getattr(self, f))}' for f in self.changed)})"


PAPER = Protocol("paper")
QUICK = Protocol(
    "quick",
    size=112,
    weak_images=2000,
    class_cap=330,
    fit_share=1 / 75,
    base_channels=16,
    steps=450,  # what ten minutes a row leave on two slow cores
    schedule="cosine",
    augment="strong",
    settings=MappingProxyType({"width": 16}),
)
SMOKE = Protocol(
    "smoke",
    size=64,
    weak_images=140,
    fit_share=1 / 150,
    base_channels=8,
    steps=60,
    batch=8,
    schedule="cosine",
    augment="strong",
    settings=MappingProxyType({"pretrained": False, "classifier.pretrained": False, "width": 8}),
)
PROTOCOLS = {p.name: p for p in (PAPER, QUICK, SMOKE)}

SUMMARIES = {
    "paper": "the paper's budget: 224 px, 300 epochs, U-Net-32, 62,500 steps; for a GPU",
    "quick": "the same steps for two CPU cores: 112 px, U-Net-16, 450 steps; minutes a row",
    "smoke": "does it run at all: 64 px, from scratch, under a minute",
}

CHOICES = {
    "rules": ("fixed", "otsu", "val", "oracle"),
    "labels": ("true", "shuffled"),
    "segment_on": ("weak", "masks"),
    "schedule": ("constant", "cosine"),
    "augment": ("flips", "strong"),
    "precision": ("fp32", "bf16"),
}
SETTABLE = tuple(f.name for f in fields(Protocol) if f.name not in ("name", "settings", "changed"))
UNTITLED = ("rules",)
"""Decide which rows there are, and nothing that stands in them: rows made with and without them share a table."""


def find(name: str) -> Protocol:
    """The protocol of that name; UsageError with near names where there is none."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = difflib.get_close_matches(name, PROTOCOLS, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PROTOCOLS)}"
    raise UsageError(f"no protocol is called {name}; {hint}")


def change(protocol: Protocol, changes: Mapping[str, str]) -> Protocol:
    """The protocol with fields set from text (`--set protocol.steps=100`); UsageError names the field and what it takes."""
    values = {name: _parse(protocol, name, text) for name, text in changes.items()}
    differing = {name: value for name, value in values.items() if value != getattr(protocol, name)}
    changed = tuple(f for f in SETTABLE if (f in differing or f in protocol.changed) and f not in UNTITLED)
    return replace(protocol, **differing, changed=changed)


def _parse(protocol: Protocol, name: str, text: str) -> Any:
    if name not in SETTABLE:
        near = difflib.get_close_matches(name, SETTABLE, 1)
        hint = f"did you mean protocol.{near[0]}?" if near else f"it has {', '.join(SETTABLE)}"
        raise UsageError(f"the protocol has no field {name}; {hint}")
    current = getattr(protocol, name)
    if name in CHOICES:
        parts = tuple(text.split(","))
        wrong = [p for p in parts if p not in CHOICES[name]]
        if wrong or (not isinstance(current, tuple) and len(parts) != 1):
            raise UsageError(f"protocol.{name} is one of {', '.join(CHOICES[name])}, not {text!r}")
        return parts if isinstance(current, tuple) else text
    if name in ("weak_images", "class_cap") and text.lower() == "none":
        return None
    if isinstance(current, str):
        return text
    return _number(name, text, float if isinstance(current, float) else int)


def _number(name: str, text: str, kind: type[float] | type[int]) -> float | int:
    try:
        value = kind(text)
    except ValueError:
        what = "a number" if kind is float else "a whole number"
        raise UsageError(f"protocol.{name} takes {what}, not {text!r}") from None
    if name == "threshold":
        return _threshold(value)
    if name == "fit_share" and value == 0:
        return value
    if not 0 < value < float("inf"):
        raise UsageError(f"protocol.{name} is a number above 0, not {text!r}")
    return value


def _threshold(value: float) -> float:
    if not 0 <= value < 1:
        raise UsageError(f"protocol.threshold lies between 0 and 1, not at {value}")
    nearest = round(value * 256) / 256
    if nearest != value:
        raise UsageError(
            f"protocol.threshold is a multiple of 1/256 (scores are counted in 257 bins); the nearest to {value} is {nearest}"
        )
    return value


def _text(value: Any) -> str:
    """A value as it stands in a title; a file by its name, wherever it lies."""
    return "+".join(value) if isinstance(value, tuple) else str(value).rpartition("/")[2]
