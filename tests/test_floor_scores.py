"""The whole way from pictures to scores.csv, against a few lines of NumPy over the same pictures."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from bench.datasets.synthetic import Synthetic
from bench.pipeline import cell_process
from bench.pipeline.plan import plan
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change

SIZE = 48
RULES = replace(
    change(SMOKE, {"size": str(SIZE), "weak_images": "8", "steps": "1", "base_channels": "2", "batch": "2"}),
    settings=MappingProxyType({}),
)


@pytest.fixture(scope="module")
def scores(tmp_path_factory, inline_process):
    """scores.csv of three floors on the embedded data."""
    out, tables = tmp_path_factory.mktemp("runs"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)
        for one in plan(RunRequest(("all_foreground", "centre_disc", "otsu"), ("synthetic",), RULES, out=out)):
            one.folder.mkdir(parents=True)
            cell_process.work(one.cell, one.folder, lambda *_: None)
            tables.append(
                pd.read_csv(one.folder / "scores.csv", dtype={"image": str}).assign(method=one.cell.method.name)
            )
    return pd.concat(tables)


def otsu_by_hand(grey):
    """The darker side of the threshold with the largest between-class variance, by trying all."""
    best, chosen = -1.0, None
    for level in range(255):
        dark = grey <= level
        if 0 < dark.sum() < dark.size:
            share = dark.mean()
            variance = share * (1 - share) * (grey[dark].mean() - grey[~dark].mean()) ** 2
            if variance > best + 1e-9:
                best, chosen = variance, dark
    return chosen


def by_hand(name, picture):
    if name == "all_foreground":
        return np.ones((SIZE, SIZE))
    if name == "centre_disc":
        rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
        return (rows**2 + columns**2 <= (0.6 * SIZE / 2) ** 2).astype(float)
    small = (
        np.asarray(Image.fromarray(picture.transpose(1, 2, 0)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) / 255
    )
    return otsu_by_hand(np.round((small @ [0.299, 0.587, 0.114]) * 255)).astype(float)


def nearest_224(mask):
    """The pixel under each centre, in whole numbers: Pillow's NEAREST rounds centres that fall on a border by the last bit of a float."""
    rows, columns = ((2 * np.arange(224) + 1) * n // 448 for n in mask.shape)
    return mask[rows][:, columns]


def dice(region, mask):
    return 2 * (region & mask).sum() / (region.sum() + mask.sum())


@pytest.mark.parametrize("name", ["all_foreground", "centre_disc", "otsu"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_floors_equal_a_few_lines_of_numpy(scores, name, split):
    data = Synthetic()
    rows = scores[(scores["method"] == name) & (scores["split"] == split) & (scores["stage"] == "init")].set_index(
        "image"
    )
    assert list(rows.index) == [item.id for item in data.items(split)]
    for item in data.items(split):
        picture, mask = data.image(item), data.mask(item) == 1
        small = torch.from_numpy(by_hand(name, picture))[None, None].double()
        for column, size in (("dice", mask.shape), ("dice_224", (224, 224))):
            region = (
                torch.nn.functional.interpolate(small, size=size, mode="bilinear", align_corners=False)[0, 0].numpy()
                > 0.5
            )
            truth = mask if column == "dice" else nearest_224(mask)
            assert rows.loc[item.id, column] == pytest.approx(dice(region, truth), abs=1e-6), (item.id, column)


def test_counts_are_of_every_pixel(scores):
    data = Synthetic()
    sizes = {item.id: data.mask(item).size for split in ("val", "test") for item in data.items(split)}
    total = scores[["tp", "fp", "fn", "tn"]].sum(axis=1)
    assert (total == scores["image"].map(sizes)).all()
