"""The numbers of one seed under one rule, from its lines of scores.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.metrics import below_half, macro, pooled_dice, size_quartiles
from bench.results.columns import STAGES

if TYPE_CHECKING:
    from pandas import DataFrame

MEANS = ["dice", "dice_224", "ap", "iou", "hd95"]
"""Of an image that shows several foregrounds: the mean over them."""
SUMS = ["tp", "fp", "fn", "share"]
"""The sum over them."""


def by_stage(lines: DataFrame, rule: str) -> dict[str, DataFrame]:
    """The lines of scores.csv that stand behind each of the four Dice columns of a rule's row."""
    split, stage, ours = (lines[column].to_numpy(object) for column in ("split", "stage", "rule"))
    inside = {f"{s}_{t}": (ours == rule) & (split == s) & (stage == t) for s, t in (name.split("_") for name in STAGES)}
    return {name: lines[here] for name, here in inside.items() if here.any()}


def per_image(lines: DataFrame) -> DataFrame:
    """One line for each image with foreground, by its id: `cluster`, MEANS and SUMS; `share` is the foreground's part of the image."""
    truth = lines["tp"] + lines["fn"]
    pixels = truth + lines["fp"] + lines["tn"]
    every = lines.assign(share=truth / pixels, iou=lines["tp"] / (truth + lines["fp"]))
    shown = every[["image", "cluster", *MEANS, *SUMS]][truth > 0]
    if shown["image"].is_unique:
        return shown.set_index("image").sort_index()
    images = shown.groupby("image", sort=True)
    return images[["cluster"]].first().join([images[MEANS].mean(), images[SUMS].sum()])


def numbers(parts: Mapping[str, DataFrame], images: Mapping[str, DataFrame]) -> dict[str, float | None]:
    """The columns of leaderboard.csv that one seed has, by its lines and images of each stage.

    Beside the four Dice columns they are the U-Net's where there is one.
    """
    dice = {stage: _mean(images[stage]["dice"]) if stage in images else None for stage in STAGES}
    last = next((stage for stage in ("test_unet", "test_init") if stage in parts), None)
    if last is None:
        return dice
    return {**dice, **_beside_dice(parts[last], images[last]), "dead_maps": _dead(parts.get("test_init", parts[last]))}


def _beside_dice(lines: DataFrame, images: DataFrame) -> dict[str, float | None]:
    dices = images["dice"].to_numpy()
    quartiles = size_quartiles(images["share"].to_numpy()) if len(images) else np.zeros(0, np.intp)
    return {
        "test_dice_224": _mean(images["dice_224"]),
        "test_dice_pooled": _known(pooled_dice(lines["tp"], lines["fp"], lines["fn"])),
        "test_dice_macro": _known(macro(dices, quartiles)),
        "test_below_half": _known(below_half(dices)),
        "test_ap_image": _mean(images["ap"]),
        "test_iou": _mean(images["iou"]),
        "test_hd95": _mean(images["hd95"]),
        **_image_level(lines),
    }


def _image_level(lines: DataFrame) -> dict[str, float | None]:
    """What a label is enough for: of images without a foreground, how many get any pixel of it, and the share that they get; of images
    with it, how many get none, and the share that they get. Each foreground by itself, then their mean.
    """
    of_class = lines["class"].to_numpy(object)
    present, share = lines["present"].to_numpy(), lines["foreground_share"].to_numpy()
    absent, there = ([(of_class == name) & (present == known) for name in np.unique(of_class)] for known in (0, 1))
    return {
        "empty_maps": _mean_of_means(share == 0, there),
        "false_positive_rate": _mean_of_means(share > 0, absent),
        "false_positive_share": _mean_of_means(share, absent),
        "foreground_share": _mean_of_means(share, there),
    }


def _dead(lines: DataFrame) -> float | None:
    """The share of maps that are zero or constant, of images with the foreground: where it is absent, an empty map is the right one."""
    of_class, present = lines["class"].to_numpy(object), lines["present"].to_numpy()
    return _mean_of_means(lines["dead_map"].to_numpy(), [(of_class == c) & (present == 1) for c in np.unique(of_class)])


def _mean_of_means(values: npt.NDArray[Any], parts: Sequence[npt.NDArray[np.bool_]]) -> float | None:
    """Over the parts in which anything was measured, each mean over what was."""
    means = [_mean(values[part]) for part in parts]
    known = [mean for mean in means if mean is not None]
    return fmean(known) if known else None


def _mean(values: Any) -> float | None:
    kept = np.asarray(values, np.float64)
    kept = kept[~np.isnan(kept)]
    return fmean(kept.tolist()) if len(kept) else None


def _known(value: float) -> float | None:
    """None for what is not measured."""
    return None if value != value else value
