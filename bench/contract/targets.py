"""What `targets` of a MaskMethod promises: masks in, masks out, from the draws that it is given."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from bench.api import MaskMethod
from bench.contract.made import COUNT, LESION, SIZE, squares
from bench.contract.plugin_faults import Fault, called, place_of
from bench.contract.surroundings import watched
from bench.pipeline.method_process import described


@dataclass
class TargetsTrial:
    """A MaskMethod and made masks (N, H, W) in 0, 1 and 255."""

    method: MaskMethod
    made: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.masks = torch.from_numpy(squares(LESION, COUNT, SIZE, seed=0)[1])
        self.masks[:, 0] = 255

    def targets(self) -> Tensor:
        """What targets() makes of a copy of the masks."""
        made: Tensor = called(self.method, "targets", self.masks.clone(), Generator().manual_seed(0))
        return made

    def fault(self, what: str) -> Fault:
        return Fault(f"targets() of {self.method.name} {what}", place_of(self.method, "targets"))


def makes_masks(trial: TargetsTrial) -> None:
    """Of the same shape, in the values of the true ones."""
    trial.made = trial.targets()
    wanted = f"must return {tuple(trial.masks.shape)} uint8 masks"
    if not isinstance(trial.made, Tensor) or (trial.made.shape, trial.made.dtype) != (trial.masks.shape, torch.uint8):
        raise trial.fault(f"{wanted}; it returned {described(trial.made)}")
    strange = set(trial.made.flatten().tolist()) - {0, 1, 255}
    if strange:
        raise trial.fault(f"{wanted} with the values 0, 1 and 255; it made the value {min(strange)}")


def makes_masks_again(trial: TargetsTrial) -> None:
    """With the same generator."""
    with watched() as said:
        same = torch.equal(trial.targets(), trial.targets())
    if not same:
        raise trial.fault("makes other masks when called again; draw only from the generator that it is given")
    if said:
        raise trial.fault(f"{' and '.join(said)}; put it back, or leave it alone")
