"""Orders that anyone would expect of a table, and whether its rows have them. Said in words, from the rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.results.columns import Row


def orders(rows: Sequence[Row]) -> list[str]:
    """A sentence for each expected order of one table: every method above every floor that uses no mask, and below full supervision.

    Compared is the Dice on the test images (0 to 1) of the last stage that a row has. These are numbers side by side, no test: which
    differences are more than chance, only the letters and verdicts of a table with enough seeds say.
    """
    scored = [row for row in rows if _dice(row) is not None]
    methods = [row for row in scored if row["role"] == "method"]
    floors = [row for row in scored if row["role"] == "floor" and not row["masks_train"]]
    bounds = [row for row in scored if row["role"] == "full"]
    return [*_above(methods, floors, "every floor that uses no mask"), *_above(bounds, methods, "every method")]


def _above(rows: Sequence[Row], others: Sequence[Row], whom: str) -> Iterator[str]:
    for row in rows if others else ():
        not_below = [other for other in others if (_dice(other) or 0) >= (_dice(row) or 0)]
        if not_below:
            yield f"{_named(row)} is NOT above {whom}: not above {', '.join(map(_named, not_below))}"
        else:
            yield f"{_named(row)} is above {whom}; the highest is {_named(max(others, key=lambda o: _dice(o) or 0))}"


def _dice(row: Row) -> float | None:
    dice: float | None = row["test_init"] if row["test_unet"] is None else row["test_unet"]
    return dice


def _named(row: Row) -> str:
    return f"{row['method']} ({100 * (_dice(row) or 0):.1f})"
