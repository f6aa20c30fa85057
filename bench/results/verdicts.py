"""What a table may say: intervals, letters, floors and break-even of its rows, from the Dice of their seeds image by image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import DataError
from bench.results.columns import Row
from bench.statistics.families import rank
from bench.statistics.over_floors import FloorVerdict, over_floors
from bench.statistics.pairs import own_interval
from bench.statistics.row_scores import RowScores
from bench.worth.break_even import REFERENCE, break_even_of

if TYPE_CHECKING:
    from pandas import DataFrame


class Cell(NamedTuple):
    """Dice of a row on the images of a split that show the object, in order of their ids: ids and clusters (n,), scores (S, n)."""

    images: tuple[str, ...]
    clusters: tuple[str, ...]
    scores: RowScores


class Scored(NamedTuple):
    """A row, the Dice behind each of its four columns (`test_unet`, ...) where there is any, and what else is known of their images.

    frames: one for each seed. results: what result.json says of each seed, in the same order, and its `folder`.
    """

    row: Row
    cells: Mapping[str, Cell]
    frames: Mapping[str, Sequence[DataFrame]]
    results: Sequence[Row] = ()


def judge(table: Sequence[Scored]) -> None:
    """Fill the columns that only a whole table knows, in place. A table has one data set, fingerprint, protocol and version."""
    for scored in table:
        for stage, cell in scored.cells.items():
            interval = own_interval(cell.scores, cell.clusters)
            scored.row.update({f"{stage}_lo": interval.low, f"{stage}_hi": interval.high})
    clusters = same_images(
        [cell for scored in table for stage, cell in scored.cells.items() if stage.startswith("test")]
    )
    place_ranked([s for s in table if s.row["ranked"]], clusters)
    set_against_floors(table, clusters)
    count_masks_worth(table, clusters)


def same_images(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The clusters of the images that all cells are scored on; DataError where a row was scored on others."""
    first: Cell | None = None
    for cell in cells:
        first = first or cell
        if cell.images != first.images:
            raise DataError(
                f"{cell.scores.name} is scored on {len(cell.images)} images and {first.scores.name} on {len(first.images)}, or on others, "
                "under one fingerprint: a scores.csv was changed or is not whole; delete its folder and run again"
            )
    return first.clusters if first else ()


def place_ranked(ranked: Sequence[Scored], clusters: Sequence[str]) -> None:
    """Letters, the ranks that the data allow, and the smallest difference that this table could have found; a lone row has none."""
    if len(ranked) < 2:
        return
    family = rank([scored.cells["test_unet"].scores for scored in ranked], clusters)
    for scored, place in zip(ranked, family.places, strict=True):
        scored.row.update(
            tie_group=place.letters,
            rank_lo=place.rank_low,
            rank_hi=place.rank_high,
            mdd=family.smallest_detectable,
        )


def set_against_floors(table: Sequence[Scored], clusters: Sequence[str]) -> None:
    """Every method against the floors that need no mask: the ranked rows as a family with verdicts, the others by their interval alone.

    `floors_untested` of a row, which no file has, are the floors with too few seeds: no method beats them all.
    """
    floors = [cell.scores for scored in table for cell in floor_cells(scored)]
    methods = [s for s in table if s.row["role"] == "method" and "test_unet" in s.cells]
    for family in ([s for s in methods if s.row["ranked"]], [s for s in methods if not s.row["ranked"]]):
        found = over_floors([s.cells["test_unet"].scores for s in family], floors, clusters)
        for scored, verdict in zip(family, found, strict=True):
            scored.row.update(over(verdict, scored.row["ranked"]), floors_untested=list(verdict.untested))


def floor_cells(scored: Scored) -> Iterator[Cell]:
    """A mask-free floor's own maps and its U-Net. An oracle's threshold and one that masks chose are none of a floor's."""
    row = scored.row
    if row["role"] == "floor" and row["rule"] in ("fixed", "otsu") and not (row["masks_train"] or row["masks_tune"]):
        yield from (scored.cells[stage] for stage in ("test_init", "test_unet") if stage in scored.cells)


def over(found: FloorVerdict, ranked: bool) -> Row:
    """The columns of a verdict; only a ranked row has one."""
    if found.over is None:
        return {"floor_verdict": found.verdict} if ranked else {}
    return {
        "floor_best": found.over.b,
        "floor_verdict": found.verdict if ranked else None,
        "over_floor": found.over.difference,
        "over_floor_lo": found.over.low,
        "over_floor_hi": found.over.high,
    }


def count_masks_worth(table: Sequence[Scored], clusters: Sequence[str]) -> None:
    """Break-even of every method and floor, wherever full supervision was run with enough numbers of masks."""
    if not any(s.row["method"] == REFERENCE for s in table):
        return
    last = [s.cells.get("test_unet", s.cells.get("test_init")) for s in table]
    found = break_even_of([s.row for s in table], [cell.scores if cell else None for cell in last], clusters)
    for scored, columns in zip(table, found, strict=True):
        scored.row.update(columns)
