"""Dice against the number of image labels: rows whose protocols differ only in `weak_images`, gathered into curves. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

FEWEST = 2
"""One point is no curve."""
SAME = "dataset label fingerprint protocol_version method role settings rule".split()

_FIELD = re.compile(r"(?<=[(,])weak_images=\w+,?")


class BudgetPoint(NamedTuple):
    """A row: image labels that it used, its protocol, seeds, and test Dice in 0 to 1 with the spread over seeds (None: not measured)."""

    labels: int
    protocol: str
    seeds: int
    init: float | None
    init_sd: float | None
    unet: float | None
    unet_sd: float | None


class BudgetCurve(NamedTuple):
    """The points of one method, settings and rule on one data set, by number of labels."""

    row: Mapping[str, Any]
    """what its points share: data set, method, settings, rule ...; `protocol` is the title without `weak_images`"""
    points: tuple[BudgetPoint, ...]


def label_budget(rows: Sequence[Mapping[str, Any]]) -> list[BudgetCurve]:
    """The curves in rows of any number of tables, in the order of the rows; methods with one budget only have none.

    The number of labels is that of the ledger: a budget above what the data set has counts as what it has, and of two such rows the
    first stands. A row that used no image label has no place on this axis.
    """
    found: dict[tuple[Any, ...], dict[int, BudgetPoint]] = {}
    for row in rows:
        if row["labels_used"] and row["seeds"]:
            key = (without_budget(row["protocol"]), *(row[name] for name in SAME))
            found.setdefault(key, {}).setdefault(int(row["labels_used"]), _point(row))
    return [
        BudgetCurve(dict(zip(["protocol", *SAME], key, strict=True)), tuple(by[labels] for labels in sorted(by)))
        for key, by in found.items()
        if len(by) >= FEWEST
    ]


def without_budget(title: str) -> str:
    """A protocol's title without `weak_images`.

    >>> without_budget("quick(weak_images=50,steps=9)"), without_budget("quick(weak_images=50)")
    ('quick(steps=9)', 'quick')
    """
    return _FIELD.sub("", title).replace(",)", ")").removesuffix("()")


def _point(row: Mapping[str, Any]) -> BudgetPoint:
    dice = (row[f"test_{stage}{end}"] for stage in ("init", "unet") for end in ("", "_sd"))
    return BudgetPoint(int(row["labels_used"]), str(row["protocol"]), int(row["seeds"]), *dice)
