"""How many masks, and how often: the grid of a break-even, and the cells of full supervision that it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.errors import DataError, UsageError
from bench.pipeline.cells import Derived, derive
from bench.pipeline.plan import Planned
from bench.protocol import Protocol
from bench.statistics.row_scores import MIN_SEEDS
from bench.worth.break_even import FEWEST

ALL = "all"
MANY = 50
"""Up to so many masks a draw matters more than the training's seed, and a curve takes more of them."""

Counts = tuple[int | None, ...]
"""Numbers of masks, ascending; None: all that there are."""


@dataclass(frozen=True)
class Grid:
    """One curve: full supervision with N masks for each of `counts`, each with several draws."""

    name: str
    protocol: Protocol
    cells: dict[int, list[Derived]] = field(default_factory=dict)
    """by number of masks; draw r has seed r, which decides both the subset and the training"""

    @property
    def planned(self) -> Iterator[Derived]:
        """Every cell."""
        return (cell for cells in self.cells.values() for cell in cells)


def parse_counts(text: str) -> Counts:
    """`1,2,5,all` -> (1, 2, 5, None); UsageError for what is no count, and for fewer than three."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if part != ALL and not (part.isdecimal() and int(part))]
    if wrong:
        raise UsageError(f"--counts takes numbers of masks from 1 and `all`, as in 1,5,20,all, not {wrong[0]!r}")
    known = sorted({int(part) for part in parts if part != ALL})
    counts = (*known, None) if ALL in parts else tuple(known)
    if len(counts) < FEWEST:
        raise UsageError(f"a curve takes at least {FEWEST} counts, as in --counts 1,5,20,all, not {text!r}")
    return counts


def parse_draws(text: str) -> tuple[int, int]:
    """`5,3` -> 5 draws for up to 50 masks, 3 for more; one number is for both."""
    parts = [part.strip() for part in text.split(",")]
    if not 1 <= len(parts) <= 2 or not all(part.isdecimal() and int(part) >= MIN_SEEDS for part in parts):
        raise UsageError(
            f"--draws takes one or two numbers (up to {MANY} masks, above) from {MIN_SEEDS}, as intervals need, as in 5,3, not {text!r}"
        )
    return int(parts[0]), int(parts[-1])


def fitting(counts: Counts, available: int, dataset: str) -> tuple[list[int], list[int]]:
    """The numbers of masks that can be had of `available`, and those that cannot. DataError where fewer than three can."""
    kept = sorted({available if count is None else count for count in counts if count is None or count <= available})
    if len(kept) < FEWEST:
        raise DataError(
            f"data set {dataset} has {available} masks to train on (split masks); of the counts asked for that leaves "
            f"{len(kept)}, and a curve takes at least {FEWEST}; name others with --counts, or add masks"
        )
    return kept, [count for count in counts if count is not None and count > available]


def grid(
    name: str, reference: Planned, protocol: Protocol, counts: Sequence[int], draws: tuple[int, int], available: int
) -> Grid:
    """The cells of one curve. `reference`: a planned cell of full supervision on the data."""
    made = Grid(name, protocol)
    for masks in counts:
        asked = None if masks == available else masks  # all of them is one row, whatever number it was called by
        words = f"{masks} masks, {name}"
        repeats = range(draws[0] if masks <= MANY else draws[1])
        made.cells[masks] = [derive(reference, words, protocol, seed, count=asked) for seed in repeats]
    return made
