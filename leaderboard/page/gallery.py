"""Pictures of a table for its page: image, truth, the maps of methods and U-Nets as 8 bits, in strips of small squares.

Level q of a map's pixel is the largest j with value > j/256 (0 where there is none): cut at j/256 it is foreground where q >= j, for
every j from 1 to 255. Several foregrounds are shown together, the largest map of each pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.api import Item, Pixels
from bench.data.door import truth
from bench.data.pictures import open_image
from bench.evenly import evenly
from bench.leaderboard.page.gathered import Table
from bench.leaderboard.page.opened import Opened
from bench.leaderboard.page.strips import SIDE, Strips
from bench.pipeline.mapfile import as_floats
from bench.resizing import Map, resize, resize_nearest
from bench.results.columns import ROLES
from bench.results.csv_files import read_scores
from bench.results.verdicts import Scored
from bench.thresholds import STEPS

MOST_ROWS = 16
"""Rows with pictures; more would make the page heavy."""

Levels = npt.NDArray[np.uint8]


def gallery(table: Table, opened: Opened, count: int, strips: Strips) -> dict[str, Any] | None:
    """The gallery of a table as plain values; None where no row has maps. `count`: images, evenly from the worst to the best."""
    rows = [one for one in _first_ranked(table) if _maps_of(table, one)][:MOST_ROWS]
    if not rows or not count:
        return None
    chosen = evenly(ordered(rows, opened.items), count)
    pictures = [_small(open_image(opened.dataset, opened.items[n])) for n in chosen]
    sizes = [(picture.height, picture.width) for picture in pictures]
    known = [truth(opened.dataset, opened.items[n]) for n in chosen]
    truths = [resize_nearest((one.mask > 0).astype(np.uint8), size) for one, size in zip(known, sizes, strict=True)]
    return {
        "tiles": [[opened.items[n].id, w, h] for n, (h, w) in zip(chosen, sizes, strict=True)],
        "image": strips.add(pictures, "RGB", "JPEG"),
        "truth": strips.add([Image.fromarray(mask * np.uint8(255)) for mask in truths], "L", "PNG"),
        "undrawn": [place for place, one in enumerate(known) if one.missing],
        "rows": [_row(table, one, opened.items, chosen, sizes, strips) for one in rows],
        "left_out": sum(bool(_maps_of(table, one)) for one in table.scored) - len(rows),
    }  # fmt: skip


def ordered(rows: Sequence[Scored], items: Sequence[Item]) -> list[int]:
    """Numbers of the images that have a Dice, from the worst to the best mean over the rows; all where none has."""
    frames = [frame for one in rows for frame in (one.frames.get("test_unet") or one.frames.get("test_init") or ())]
    if not frames or not len(frames[0]):
        return list(range(len(items)))
    means = dict(zip(map(str, frames[0].index), np.mean([frame["dice"] for frame in frames], 0).tolist(), strict=True))
    scored = [(means[item.id], number) for number, item in enumerate(items) if item.id in means]
    return [number for _, number in sorted(scored)]


def levels(values: Map) -> Levels:
    """Values in [0, 1] as bytes: value > j/256 exactly where the byte is j or more, j from 1 to 255.

    >>> levels(np.float32([0, 0.5, 0.501, 1])).tolist()
    [0, 127, 128, 255]
    """
    found: Levels = (np.ceil(values * np.float32(STEPS)) - 1).clip(0, 255).astype(np.uint8)
    return found


def _row(
    table: Table,
    one: Scored,
    items: Sequence[Item],
    chosen: Sequence[int],
    sizes: Sequence[tuple[int, int]],
    strips: Strips,
) -> dict[str, Any]:
    """A row: its strips, and for each image the level that its rule cuts at and its Dice in %, of the first seed."""
    files = _maps_of(table, one)
    found: dict[str, Any] = {"row": _place(table, one), "name": table.name(one.row)}
    lines = _test_lines(next(iter(files.values())).parents[1], one.row["rule"])
    for stage, file in files.items():
        stored = np.load(file, mmap_mode="r")
        maps = [resize(as_floats(stored[n]).max(0), size) for n, size in zip(chosen, sizes, strict=True)]
        found[stage] = strips.add([Image.fromarray(levels(values)) for values in maps], "L", "PNG")
        by_image = (
            lines[lines["stage"] == stage]
            .groupby("image")[["threshold", "dice"]]
            .agg({"threshold": "min", "dice": "mean"})
        )
        cuts = [
            _level(by_image, items[n].id, values, one.row["rule"] if stage == "init" else "")
            for n, values in zip(chosen, maps, strict=True)
        ]
        found[f"{stage}_cut"] = cuts
        found[f"{stage}_dice"] = [_dice(by_image, items[n].id) for n in chosen]
    return found


def _place(table: Table, one: Scored) -> int:
    return next(n for n, other in enumerate(table.scored) if other is one)


def _test_lines(folder: Path, rule: str) -> Any:
    lines = read_scores(folder / "scores.csv")
    return lines[(lines["split"] == "test") & (lines["rule"] == rule)]


def _level(by_image: Any, image: str, values: Map, rule: str) -> int:
    """Where a map is cut, as a level; Otsu's threshold is of the min-maxed map and is brought back to the map as it is."""
    threshold = float(by_image["threshold"].get(image, 0.5))
    if rule == "otsu":
        low, high = float(values.min()), float(values.max())
        threshold = low + threshold * (high - low)
    return max(1, min(255, round(threshold * STEPS)))


def _dice(by_image: Any, image: str) -> float | None:
    value = float(by_image["dice"].get(image, np.nan))
    return None if np.isnan(value) else round(100 * value, 1)


def _maps_of(table: Table, one: Scored) -> Mapping[str, Path]:
    """The files of maps of a row's first seed by stage, as far as they are there; an oracle has those of its method only."""
    rule = one.row["rule"]
    for result in table.runs_of(one.row):
        place = result["folder"] / "predictions"
        files = {
            "init": place / "init-test.npy",
            "unet": place / (f"unet-{rule}-test.npy" if rule else "unet-test.npy"),
        }
        return {stage: file for stage, file in files.items() if file.exists()}
    return {}


def _first_ranked(table: Table) -> list[Scored]:
    """Ranked rows first, then other methods, then floors; by Dice. An oracle shows the maps of its method once more: it comes last."""

    def place(one: Scored) -> tuple[Any, ...]:
        row = one.row
        return row["rule"] == "oracle", not row["ranked"], ROLES.index(row["role"]), -(row["test_unet"] or 0)

    return sorted(table.scored, key=place)


def _small(picture: Pixels) -> Image.Image:
    """(3, H, W) as a picture of at most SIDE pixels."""
    image = Image.fromarray(picture.transpose(1, 2, 0))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image
