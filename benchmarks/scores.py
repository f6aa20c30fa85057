"""Scores at every threshold beside a histogram evaluator after wsolevaluation's definition, and Dice beside MONAI's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.metrics import all_counts, dice, dice_of_regions, histogram
from benchmarks import Race, race, seconds

COUNT, SIZE = 64, 224
EDGES = np.append(np.arange(256) / 256, [1.0, 2.0])


class Image(NamedTuple):
    """A map (224, 224) in [0, 1] with soft blobs, and a mask whose disc it half covers."""

    values: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8]


def measure() -> Iterator[Race]:
    """One row for all thresholds, one for a single one where MONAI is there."""
    images = made(COUNT)
    assert same(images[:4])
    yield race(
        "scores at 256 thresholds, 224 x 224",
        lambda: seconds(lambda: ours(images)) / COUNT,
        "np.histogram of each image",
        lambda: seconds(lambda: theirs(images)) / COUNT,
        2.5,
    )
    regions = [(image.values > 0.5, image.mask == 1) for image in images]
    if (other := monai(regions)) is not None:
        yield race(
            "Dice at one threshold, 224 x 224",
            lambda: seconds(lambda: [dice_of_regions(*pair) for pair in regions]) / COUNT,
            "MONAI's compute_dice",
            lambda: seconds(other) / COUNT,
            12,
        )


def made(count: int) -> list[Image]:
    """Images from a seed."""
    draws = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    images = []
    for _ in range(count):
        y, x, radius = draws.integers(60, 160, 3)
        far = np.hypot(rows - y, columns - x) / (radius / 2)
        grain = draws.normal(0, 0.05, (SIZE, SIZE))
        values = (np.exp(-far) + grain).clip(0, 1).astype(np.float32)
        images.append(Image(values, (far < 1).astype(np.uint8)))
    return images


def ours(images: list[Image]) -> list[Any]:
    """Dice at j/256 of each image: (256,)."""
    return [dice(*all_counts(histogram(image.values, image.mask))[:3])[:256] for image in images]


def theirs(images: list[Image]) -> list[Any]:
    """The same from histograms as MaskEvaluator.accumulate of wsolevaluation takes them: scores of either class, sorted into edges.

    Its bins hold their lower edge (`score >= threshold`); precision and recall give Dice.
    """
    return [_evaluate(image.values, image.mask) for image in images]


def _evaluate(values: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    true = np.histogram(values[mask == 1].astype(np.float64), bins=EDGES)[0].astype(np.float64)
    false = np.histogram(values[mask == 0].astype(np.float64), bins=EDGES)[0].astype(np.float64)
    tp, fp = true[::-1].cumsum(), false[::-1].cumsum()
    fn = true.sum() - tp
    found: npt.NDArray[np.float64] = (2 * tp / (2 * tp + fp + fn))[::-1][:256]
    return found


def same(images: list[Image]) -> bool:
    """Whether ours equals the loop over thresholds and pixels, to the last bit."""
    return all(np.array_equal(one, loop(image)) for one, image in zip(ours(images), images, strict=True))


def loop(image: Image) -> npt.NDArray[np.float64]:
    """Dice at j/256 by comparing every pixel with every threshold."""
    true = image.mask == 1
    regions = (image.values > np.float32(j / 256) for j in range(256))
    counted = [((r & true).sum(), (r & ~true).sum(), (~r & true).sum()) for r in regions]
    return np.array([2 * tp / (2 * tp + fp + fn) for tp, fp, fn in counted])


def monai(regions: list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]) -> Callable[[], Any] | None:
    """MONAI's Dice of each pair, its tensors made beforehand; None where it is not installed."""
    try:
        import torch
        from monai.metrics import compute_dice
    except ImportError:
        return None
    pairs = [tuple(torch.from_numpy(r)[None, None].float() for r in pair) for pair in regions]
    return lambda: [compute_dice(*pair) for pair in pairs]
