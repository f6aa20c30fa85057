"""What plugins speak: the classes a method or a data set is written with. No torch here at run time, so that a data set costs none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from bench.faults import Fault

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from bench.training import Training
    from bench.view import View

Pixels = npt.NDArray[np.uint8]

HELD_OUT = "heldout_accuracy"
"""What a method logs where it classifies images that it was not fitted on; one of the signals without masks."""


class Task(BaseModel):
    """What the image labels of a data set mean and what its masks show.

    `classes` names the C image classes, `foreground` the K mask classes (mask value k + 1; 0 is background, 255 ignored).
    `shows[c]` is the foreground that an image of class c shows, None where it shows none: ISIC `(0,) * 7`, dogs `(None, 0)`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    foreground: tuple[str, ...]
    shows: tuple[int | None, ...]
    exclusive: bool = True

    def model_post_init(self, context: Any, /) -> None:
        if len(self.shows) != len(self.classes):
            raise ValueError(f"shows has {len(self.shows)} entries for {len(self.classes)} classes")
        if any(k is not None and not 0 <= k < len(self.foreground) for k in self.shows):
            raise ValueError(f"shows names a foreground outside 0..{len(self.foreground) - 1}")

    def present(self, labels: Tensor) -> Tensor:
        """Which foregrounds an image shows: (B, C) labels of 0/1 -> (B, K) bool."""
        return self._per_foreground(labels.bool())

    def union(self, class_maps: Tensor) -> Tensor:
        """The largest map over the classes that show each foreground: (B, C, h, w) -> (B, K, h, w); 0 where no class shows it."""
        return self._per_foreground(class_maps)

    def _per_foreground(self, values: Tensor) -> Tensor:
        columns = [
            values[:, [c for c, shown in enumerate(self.shows) if shown == k]] for k in range(len(self.foreground))
        ]
        empty = values[:, :1] * 0
        return _stack([c.amax(1) if c.shape[1] else empty[:, 0] for c in columns])


def _stack(columns: Sequence[Tensor]) -> Tensor:
    import torch

    return torch.stack(list(columns), dim=1)


class Item(NamedTuple):
    """One image of a split: its id (text), its classes (indices into `Task.classes`; None: not labelled), its group (lesion, patient)."""

    id: str
    labels: tuple[int, ...] | None
    group: str | None = None


@dataclass(frozen=True)
class Masks:
    """Masks that a method reads: the split, how many (None: all), and for what (`training` or `tuning`)."""

    split: str
    count: int | None = None
    purpose: str = "training"


class Source(NamedTuple):
    """A file that a data set is downloaded from. Checksums are the owner's: none is invented."""

    url: str
    file: str
    """its name under the data folder"""
    unpack: str = ""
    """folder under the data folder that an archive is extracted to (`.`: the data folder itself); empty: no archive"""
    md5: str = ""
    sha256: str = ""


class Plugin(BaseModel):
    """A named thing with settings. The fields are the settings; the docstring's first line stands in `bench list`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: ClassVar[str]
    paper: ClassVar[str] = ""


class Dataset(Plugin):
    """Images with labels, and masks that only the harness sees. The module imports no torch at its top.

    Splits: `weak` (image labels, for fitting), `weak_heldout` (image labels, not fitted on), `masks` (the masks that full supervision
    trains on), `val`, `test`. Every method of this class raises `bench.errors.DataError` that names the file and what to do.
    """

    publishable: ClassVar[bool] = False
    """Whether pictures of this data set may be shown in public."""
    pretraining: ClassVar[str] = ""
    """Known overlap with what pretrained weights have seen."""
    embedded: ClassVar[bool] = False
    """Made by its own code: there is no folder to look for."""
    version: ClassVar[int] = 1
    """Raised when the same settings and files come to mean other pixels or splits."""
    licence: ClassVar[str] = ""
    """Terms of the owner, shown before a download."""
    by_hand: ClassVar[str] = ""
    """Where the owner wants a login: which files to get from where, and where to put them."""

    root: Path | None = Field(None, description="folder of the data; no part of the identity")
    label: str = Field("", description="shown beside the name, as in `isic (reduced)`; part of the fingerprint")
    accept: tuple[str, ...] = Field(
        (), description="kinds of fault that are accepted (--accept); part of the fingerprint"
    )

    @property
    def task(self) -> Task:
        """What labels and masks mean."""
        raise NotImplementedError(f"data set {self.name} does not say its task")

    def items(self, split: str) -> Sequence[Item]:
        """The images of a split in a fixed order, without reading their pixels; empty where the split is absent."""
        raise NotImplementedError(f"data set {self.name} does not list its items")

    def image(self, item: Item) -> Pixels:
        """The picture as (3, H, W) uint8, upright (EXIF orientation applied)."""
        raise NotImplementedError(f"data set {self.name} does not read images")

    def mask(self, item: Item) -> Pixels | None:
        """The mask as (H, W) uint8 in the values of `Task`, of the same size as the image; None where the item has none."""
        raise NotImplementedError(f"data set {self.name} does not read masks")

    def files(self, split: str) -> Sequence[Path]:
        """Image files, then mask files, that decide the pixels of a split; empty for a generated data set."""
        return ()

    def faults(self) -> Sequence[Fault]:
        """Everything that is wrong with folders and tables, found without opening a picture; `items` refuses what is not accepted."""
        return ()

    def understood(self) -> Sequence[str]:
        """What was made of a folder that has no fixed layout, in short sentences; `bench data describe` shows them."""
        return ()

    def sources(self) -> Sequence[Source]:
        """What `bench data get` downloads; empty where there is nothing to download, or only `by_hand`."""
        return ()


class Method(Plugin):
    """Makes maps of the object from image labels. A field that is itself a Method is fitted first, on the same view, and shared."""

    floor: ClassVar[bool] = False
    """A floor is set apart in tables: a method that anyone can write in a few lines and that a real one has to beat."""
    constant: ClassVar[bool] = False
    """The map is the same for every image: there is nothing for a U-Net to learn, its cells stay empty."""
    binary: ClassVar[bool] = False
    """The map is a decision already (0 or 1 everywhere): only the fixed threshold is applied."""
    reads_labels: ClassVar[bool] = True
    """Whether `fit` or `maps` looks at image labels."""
    twin: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """`maps_only` settings that make a second row of the same fit, unless a user sets them: another normalisation of the maps."""

    @property
    def deterministic(self) -> bool:
        """Whether the maps are the same for every seed: one seed is then all there is, and its variance over seeds is zero."""
        return False

    def masks(self) -> Masks | None:
        """The masks that these settings read in training; None: image labels only."""
        return None

    def notes(self) -> tuple[str, ...]:
        """What a reader of the row must know about these settings, in short sentences."""
        return ()

    def build(self, task: Task) -> nn.Module:
        """The untrained network."""
        raise NotImplementedError(f"method {self.name} does not build a network")

    def fit(self, net: nn.Module, view: View, training: Training) -> None:
        """Train `net` in place: one loop `for epoch in training.epochs(...)`. The default trains nothing."""

    def maps(self, net: nn.Module, images: Tensor, labels: Tensor | None, task: Task) -> Tensor:
        """Maps of the object, in eval mode, independent of the batch size.

        images: (B, 3, H, W) float in [0, 1]; labels: (B, C) bool, or None where they are not known (val, test).
        Returns (B, K, h, w) in [0, 1], at the map's own resolution; an image without evidence has a map of zeros.
        """
        raise NotImplementedError(f"method {self.name} does not make maps")


class Pretrained(Method):
    """A method whose network starts from ImageNet: `load_backbone` of bench.weights builds it."""

    backbone: str = Field("resnet50", description="timm name of the classifier")
    pretrained: bool = Field(True, description="start from ImageNet weights; false: from scratch, BatchNorm trains")
    weights: Path | None = Field(
        None, description="local file with the weights (safetensors, or a state dict); else timm's hub"
    )

    def notes(self) -> tuple[str, ...]:
        unread = "; its file of weights is not read: pretrained=false" if self.weights else ""
        return () if self.pretrained else (f"from scratch, BatchNorm trains{unread}",)


class GivenMaps(Plugin):
    """Maps that another program made: they get the same proxies, segmenter and scores as those of a `Method`.

    The harness reads them by image id and has not seen how they were made: what they were made from is declared, not observed.
    """

    floor: ClassVar[bool] = False
    constant: ClassVar[bool] = False
    binary: ClassVar[bool] = False

    masks_train: int = Field(0, ge=0, description="masks that were used to make the maps, as declared")
    labels_used: int | None = Field(None, ge=0, description="image labels that were used to make the maps, as declared")

    def notes(self) -> tuple[str, ...]:
        """What a reader of the row must know about these settings."""
        return ("supervision declared, not observed",)

    def files(self, images: Sequence[str]) -> list[Path]:
        """The file of each image's map, by its id and in this order; DataError where one is missing."""
        raise NotImplementedError(f"{self.name} does not name its files")

    def read(self, file: Path, foregrounds: int) -> npt.NDArray[np.float32]:
        """The map of an image, (K, h, w) in [0, 1]; DataError that names the file."""
        raise NotImplementedError(f"{self.name} does not read maps")


class MaskMethod(Plugin):
    """Trains the segmenter on masks instead of proxies: the upper bound and its controls."""

    floor: ClassVar[bool] = False
    role: ClassVar[str] = "full"

    count: int | None = Field(
        None, ge=1, description="train on the first N of a seeded permutation of the masks; none: all"
    )

    def notes(self) -> tuple[str, ...]:
        """What a reader of the row must know about these settings."""
        return ()

    def targets(self, masks: Tensor, generator: Generator) -> Tensor:
        """(N, H, W) uint8 true masks -> the masks to train on; the default is the same masks."""
        return masks


AnyMethod = Method | GivenMaps | MaskMethod
"""What stands under `--method`."""


def maps_only(default: Any, description: str) -> Any:
    """A field that changes the maps and not the fit: two rows that differ in it share one fitted network."""
    return Field(default, description=description, json_schema_extra={"maps_only": True})
