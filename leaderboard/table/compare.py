"""Two rows on the same images: their paired difference as a whole, in strata, and image by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import UsageError
from bench.leaderboard.table.selectors import title
from bench.metrics import QUARTERS, size_quartiles
from bench.results.csv_files import read_scores
from bench.results.seed_scores import by_stage, per_image
from bench.results.verdicts import Scored
from bench.runs.sheets import dataset_title
from bench.statistics.pairs import Comparison, pair
from bench.statistics.row_scores import RowScores

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """A part of the images: how many, in how many clusters, the Dice of both rows there (0 to 1), and their difference."""

    stratum: str
    name: str
    images: int
    clusters: int
    a: float
    b: float
    found: Comparison


@dataclass(frozen=True)
class Image:
    """One image: Dice of both rows, the mean over their seeds."""

    id: str
    a: float
    b: float

    @property
    def difference(self) -> float:
        """`a` minus `b`."""
        return self.a - self.b


@dataclass(frozen=True)
class Compared:
    """Row `a` minus row `b`, on one data set under one protocol."""

    dataset: str
    protocol: str
    stage: str
    a: str
    b: str
    parts: tuple[Part, ...]
    """the first is of all images"""
    for_a: tuple[Image, ...]
    """the images on which `a` is furthest above `b`"""
    for_b: tuple[Image, ...]

    def to_json(self) -> Any:
        """Plain values; fractions in 0 to 1."""
        plain = asdict(self)
        for key in ("for_a", "for_b"):
            plain[key] = [{**asdict(image), "difference": image.difference} for image in getattr(self, key)]
        return plain


def compare_rows(a: Scored, b: Scored, stage: str | None, images: int, root: Path | None) -> Compared:
    """The comparison of two rows of one table. stage: `unet`, `init`, or None for the last that both have.

    root: the folder of the data, where images whose object touches the border shall be told apart. UsageError for a stage that one lacks.
    """
    at = _stage(a, b, stage)
    one, two = a.cells[at], b.cells[at]
    scores = (one.scores, two.scores)
    everything = np.ones(len(one.images), np.bool_)
    parts = [_part("", "all images", scores, one.clusters, everything)]
    for stratum, names in (("size", _sizes(a, at)), ("border", _border(a, one.images, root))):
        parts += [_part(stratum, name, scores, one.clusters, inside) for name, inside in names.items() if inside.any()]
    parts += _classes(a, b, at)
    differ = sorted(_images(one.images, scores), key=lambda image: (-image.difference, image.id))
    row = a.row
    return Compared(
        dataset_title(row),
        f"{row['protocol']} v{row['protocol_version']}",
        at.removeprefix("test_"),
        title(a),
        title(b),
        tuple(parts),
        tuple(image for image in differ[:images] if image.difference > 0),
        tuple(image for image in differ[::-1][:images] if image.difference < 0),
    )


def _stage(a: Scored, b: Scored, stage: str | None) -> str:
    both = [at for at in ("test_unet", "test_init") if at in a.cells and at in b.cells]
    wanted = [at for at in both if stage is None or at == f"test_{stage}"]
    if not wanted:
        lacking = " and ".join(title(each) for each in (a, b) if stage is None or f"test_{stage}" not in each.cells)
        other = f"; --stage {both[0].removeprefix('test_')} is what both have" if both else ""
        raise UsageError(f"{lacking} has no test images scored at stage {stage or 'init or unet'} in every seed{other}")
    return wanted[0]


def _part(stratum: str, name: str, scores: Sequence[RowScores], clusters: Sequence[str], inside: Flags) -> Part:
    one, two = (RowScores(row.name, row.values[:, inside], row.deterministic, row.fits) for row in scores)
    there = np.asarray(clusters)[inside]
    a, b = (float(row.seed_means().mean()) for row in (one, two))
    return Part(stratum, name, int(inside.sum()), len(set(there.tolist())), a, b, pair(one, two, there))


def _sizes(a: Scored, stage: str) -> Mapping[str, Flags]:
    """Quarters of the images by the share of them that the object takes."""
    quarters = size_quartiles(a.frames[stage][0]["share"].to_numpy())
    return {name: np.asarray(quarters == number) for number, name in enumerate(QUARTERS)}


def _classes(a: Scored, b: Scored, stage: str) -> Iterator[Part]:
    """Each foreground by itself, on the images that show it; nothing where there is one alone."""
    of_rows = [_by_class(scored, stage) for scored in (a, b)]
    for name in of_rows[0] if len(of_rows[0]) > 1 else ():
        first = of_rows[0][name][0]
        rows = [
            RowScores(cell.name, np.stack([frame["dice"] for frame in frames[name]]), cell.deterministic, cell.fits)
            for cell, frames in zip((a.cells[stage].scores, b.cells[stage].scores), of_rows, strict=True)
        ]
        yield _part("class", name, rows, tuple(first["cluster"]), np.ones(len(first), np.bool_))


def _by_class(scored: Scored, stage: str) -> dict[str, list[Any]]:
    """By foreground the frame of images of each seed."""
    lines = [by_stage(read_scores(r["folder"] / "scores.csv"), scored.row["rule"])[stage] for r in scored.results]
    names = sorted(set(lines[0]["class"]))
    return {name: [per_image(each[each["class"] == name]) for each in lines] for name in names}


def _border(a: Scored, images: Sequence[str], root: Path | None) -> Mapping[str, Flags]:
    """Whether the object reaches the edge of its image, by the masks of the data set; nothing without a folder."""
    if root is None:
        return {}
    from bench.runs.data import open_dataset, same_images
    from bench.runs.listing import Run

    run = Run(a.results[0]["folder"], dict(a.results[0]))
    dataset = open_dataset(run, root)
    wanted = set(images)
    touching = {item.id for item in same_images(dataset, run) if item.id in wanted and _touches(dataset.mask(item))}
    flags = np.array([image in touching for image in images])
    return {"touches the edge": flags, "inside": ~flags}


def _touches(mask: npt.NDArray[np.uint8] | None) -> bool:
    if mask is None:
        return False
    edges = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(((edges > 0) & (edges < 255)).any())


def _images(names: Sequence[str], scores: Sequence[RowScores]) -> Iterator[Image]:
    one, two = (row.values.mean(0).tolist() for row in scores)
    return (Image(*each) for each in zip(names, one, two, strict=True))
