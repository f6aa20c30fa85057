"""Masks for anybody's own images by the segmenter of a finished run: squashed as in training, predicted, resized back."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.torch import load_file

from bench.api import Pixels
from bench.data.pictures import squash
from bench.device import pick
from bench.errors import DataError, UsageError
from bench.pipeline import segmenter
from bench.pipeline.mapfile import FULL, as_floats, open_maps
from bench.pipeline.method_process import NET
from bench.protocol import PAPER, Protocol
from bench.resizing import resize
from bench.runs.listing import ARTIFACTS, Run, inputs_of, segmenters
from bench.runs.own_images import PROBABILITIES, read
from bench.store import write_file

BATCH = 32
SIXTEEN_BITS = 65_535

Report = Callable[[str, int, int], None]
Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """The segmenter of a run: (B, 3, size, size) uint8 -> maps of its foregrounds."""

    net: torch.nn.Module
    size: int
    foregrounds: tuple[str, ...]
    """what the masks' values 1, 2, ... show"""
    device: torch.device

    @torch.inference_mode()
    def maps(self, pictures: Sequence[Pixels]) -> list[Maps]:
        """(3, H, W) uint8 pictures of any size -> (K, size, size) in [0, 1] each, with the 16 bits that scores are counted with."""
        squashed = np.stack([squash(picture, self.size) for picture in pictures])
        images = torch.from_numpy(squashed).to(self.device).float().div_(255)
        found = segmenter.foreground_maps(self.net(images)).float().cpu().numpy()
        return [as_floats((maps * FULL).round().astype(np.uint16)) for maps in found]


@dataclass(frozen=True)
class Done:
    """How many images have masks now, and a sentence for each that cannot be read."""

    written: int
    unread: tuple[str, ...]


def open_segmenter(run: Run, rule: str | None, device: str = "auto") -> Trained:
    """The U-Net that a finished run trained on the proxies of a rule (of masks: the only one it has), ready to predict."""
    store = run.out / ARTIFACTS
    name = pick_segmenter(run, rule)
    inputs = {each: inputs_of(store / each) or {} for each in run.artifacts}
    made = next((each for each in run.artifacts if inputs[each].get("segment") == name), "")
    if not (store / name / NET).exists() or not (store / made / "maps.npy").exists() or not made:
        raise DataError(f"the U-Net {name} of {run.id} is gone from {store}; the same `bench run` again makes it")
    channels, size = open_maps(store / made).shape[1:3]
    net = segmenter.build(_protocol(inputs[name], size), 1 + channels)
    net.load_state_dict(load_file(store / name / NET))
    place = pick(device)
    return Trained(net.eval().to(place), size, foregrounds_of(run), place)


def foregrounds_of(run: Run) -> tuple[str, ...]:
    """The foregrounds of a run's data set in the order of mask values, as scores.csv names them."""
    with (run.folder / "scores.csv").open(newline="", encoding="utf-8") as lines:
        return tuple(dict.fromkeys(line["class"].removeprefix("'") for line in csv.DictReader(lines)))


def pick_segmenter(run: Run, rule: str | None) -> str:
    """The artifact of the U-Net of a rule; without one the ranked otsu, else the run's first. UsageError where there is none."""
    found = segmenters(run)
    if not found:
        method = run.result["method"]
        raise UsageError(
            f"{run.id} ({method}) has trained no U-Net: a map that is the same for every image leaves nothing to learn"
        )
    if rule is None:
        return found.get("otsu", next(iter(found.values())))
    if rule not in found:
        there = ", ".join(filter(None, found)) or "one that was trained on masks: leave --rule out"
        raise UsageError(f"{run.id} has no U-Net for the rule {rule}; it has {there}")
    return found[rule]


def predict(
    trained: Trained, images: Sequence[Path], to: Path, probabilities: bool = False, report: Report = lambda *_: None
) -> Done:
    """Write a mask for every image that can be read, DIR/NAME.png: 0 background, k + 1 foreground k, at the upright image's own size.

    `probabilities`: beside it DIR/probabilities/NAME.png, 16 bits (DIR/probabilities/K/NAME.png for the K-th of several foregrounds).
    """
    unread, written = list[str](), 0
    for start in range(0, len(images), BATCH):
        batch = [(path, *read(path)) for path in images[start : start + BATCH]]
        unread += [fault for _, _, fault in batch if fault]
        good = [(path, picture) for path, picture, _ in batch if picture is not None]
        maps = trained.maps([picture for _, picture in good]) if good else []
        for (path, picture), found in zip(good, maps, strict=True):
            _write(path, found, (picture.shape[1], picture.shape[2]), to, probabilities)
            written += 1
        report("predicting", start + len(batch), len(images))
    return Done(written, tuple(unread))


def _protocol(inputs: Mapping[str, Any], size: int) -> Protocol:
    """The rules that decide the network, from the key of its artifact; its encoder's own weights are overwritten by the trained ones."""
    told = {name: inputs[name] for name in ("segmenter", "base_channels", "encoder") if name in inputs}
    return replace(PAPER, size=size, encoder_weights="none", **told)


def _write(image: Path, maps: Maps, size: tuple[int, int], to: Path, probabilities: bool) -> None:
    large = [resize(channel, size) for channel in maps]
    mask = np.zeros(size, np.uint8)
    for k, values in enumerate(large):
        mask[values > 0.5] = k + 1  # of two maps at most one is above (bench.pipeline.segmenter.foreground_maps)
    _save(to / f"{image.stem}.png", mask)
    for folder, values in zip(_folders(to / PROBABILITIES, len(large)), large, strict=True):
        if probabilities:
            _save(folder / f"{image.stem}.png", np.rint(values * SIXTEEN_BITS).astype(np.uint16))


def _folders(place: Path, foregrounds: int) -> Iterator[Path]:
    yield from [place] if foregrounds == 1 else [place / str(k + 1) for k in range(foregrounds)]


def _save(place: Path, pixels: npt.NDArray[Any]) -> None:
    write_file(place, partial(Image.fromarray(pixels).save, format="PNG"))
