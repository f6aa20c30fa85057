"""An A/A test on the scores of one's own runs: rows that are all the same cell, how often are they declared different?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.results.columns import Row, method_title
from bench.results.verdicts import Cell, Scored
from bench.runs.sheets import table_title
from bench.statistics.families import false_tables
from bench.statistics.row_scores import MIN_CLUSTERS

if TYPE_CHECKING:
    from rich.console import Console

SEEDS_EACH = 5
SEEDS = 20
"""That a row must have: four rows of five."""
MOST_ROWS = 6
TABLES = 1000
SEED = 6


@dataclass(frozen=True)
class AATest:
    """One row of the leaderboard, its seeds dealt to `rows` rows of `seeds_each`; false_share: of `tables` tables, 0 to 1."""

    title: str
    seeds: int
    images: int
    rows: int
    seeds_each: int
    tables: int
    false_share: float


@dataclass(frozen=True)
class AATests:
    """Of every row with enough seeds; most_seeds: of all rows."""

    tests: tuple[AATest, ...]
    most_seeds: int

    def to_json(self) -> Any:
        """Plain values."""
        return [asdict(test) for test in self.tests]

    def show(self, console: Console) -> None:
        """Print a line for each."""
        from bench.leaderboard.table.show_extras import show_aa

        show_aa(self, console)


def aa_of(scored: Sequence[Scored]) -> AATests:
    """The test of every row with `SEEDS` seeds, on the Dice that is ranked: the U-Net on test. Each table draws clusters of images anew."""
    cells = [(each, each.cells["test_unet"]) for each in scored if "test_unet" in each.cells]
    enough = [(each.row, cell) for each, cell in cells if cell.scores.seeds >= SEEDS and _varied(cell)]
    return AATests(
        tuple(_test(row, cell) for row, cell in enough), max((cell.scores.seeds for _, cell in cells), default=0)
    )


def _varied(cell: Cell) -> bool:
    return not cell.scores.deterministic and len(set(cell.clusters)) >= MIN_CLUSTERS


def _test(row: Row, cell: Cell) -> AATest:
    seeds, images = cell.scores.values.shape
    rows = min(MOST_ROWS, seeds // SEEDS_EACH)
    draw = np.random.default_rng(SEED)
    share = false_tables(cell.scores.values, cell.clusters, rows, SEEDS_EACH, TABLES, draw)
    title = f"{method_title(row)} · {table_title(row)} · rule {row['rule']}"
    return AATest(title, seeds, images, rows, SEEDS_EACH, TABLES, share)
