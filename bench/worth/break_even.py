"""Break-even: what a method is worth in masks. Pure: rows and scores in, numbers out; the interval is that of `masks_worth`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.statistics.masks_worth import MasksWorth, masks_worth
from bench.statistics.row_scores import RowScores

REFERENCE = "full_supervision"
"""The method that masks are counted with."""
FEWEST = 3
"""A curve with fewer counts says nothing."""

Scores = npt.NDArray[np.float64]


class Point(NamedTuple):
    """Full supervision with so many masks: mean Dice in 0 to 1, its spread over the draws (None for one draw), how many draws."""

    masks: int
    dice: float
    sd: float | None
    draws: int


def points(draws: Mapping[int, Scores]) -> list[Point]:
    """The curve of full supervision, by number of masks; draws: (R, n) Dice of R draws on n images for each number."""
    means = {masks: draws[masks].mean(1) for masks in sorted(draws)}
    return [Point(n, float(m.mean()), float(m.std(ddof=1)) if len(m) > 1 else None, len(m)) for n, m in means.items()]


def worth(draws: Mapping[int, Scores], method: RowScores, clusters: Sequence[str]) -> MasksWorth | None:
    """How many masks give the method's Dice, on the same images in the same order; None where there are fewer than three counts."""
    if len(draws) < FEWEST:
        return None
    counts = sorted(draws)
    return masks_worth(counts, [draws[n] for n in counts], method, clusters)


def break_even_of(
    rows: Sequence[Mapping[str, Any]], scores: Sequence[RowScores | None], clusters: Sequence[str]
) -> list[dict[str, float | None]]:
    """The columns break_even, break_even_lo and break_even_hi for every row of one table; all empty where they do not apply.

    rows: of one data set, fingerprint, protocol and version; scores: Dice of each on the same test images in the same order (None where
    nothing was scored); clusters: the independent unit of each image. The curve is made of the rows of full supervision, its number
    of masks by their ledger.
    """
    draws = {
        int(row["masks_train"]): found.values
        for row, found in zip(rows, scores, strict=True)
        if row["method"] == REFERENCE and row["masks_train"] and found is not None
    }
    return [
        columns(None if found is None or row["method"] == REFERENCE else worth(draws, found, clusters), sorted(draws))
        for row, found in zip(rows, scores, strict=True)
    ]


def columns(found: MasksWorth | None, counts: Sequence[int]) -> dict[str, float | None]:
    """As leaderboard.csv has it: an end that lies off the curve is empty. Where all of it does, the curve's own end is the bound:
    `fewer than 1` has an upper end of 1, `more than 1036` a lower one of 1036."""
    point, low, high = (None, None, None) if found is None else (found.point, found.low, found.high)
    if found is not None and found.text == f"fewer than {counts[0]}":
        high = float(counts[0])
    if found is not None and found.text == f"more than {counts[-1]}":
        low = float(counts[-1])
    return {"break_even": point, "break_even_lo": low, "break_even_hi": high}
