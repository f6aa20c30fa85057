"""Attribution as a figure: a U-Net trained on a method's proxies beside the maps themselves, masks that are as wrong, and true masks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.leaderboard.page.axes import around, vertical
from bench.leaderboard.page.figures_rows import NAMES, TOP, WIDTH, Row, best_first, title
from bench.leaderboard.page.gathered import Table
from bench.leaderboard.page.shapes import Dot, Figure, Words, line, shortened
from bench.runs.listing import ARTIFACTS
from bench.store import MANIFEST
from bench.view import TARGETS
from bench.worth.break_even import REFERENCE

ON_MASKS, DEGRADED = "segment_on=masks", "degraded_masks"
LINE = 19.0
Bar = tuple[str, Row, str, str]
"""Words, a row, its column, an ink."""


def attribution(table: Table) -> Figure | None:
    """For each method of a protocol with `segment_on=masks`, the lines of `bench attribution`, from the worst to the best targets."""
    if ON_MASKS not in table.protocol:
        return None
    groups = [(row, bars) for row in best_first(table, "test_unet") if _weak(row) and (bars := list(_bars(table, row)))]
    if not groups:
        return None
    height = TOP + sum(LINE * (len(bars) + 1.6) for _, bars in groups)
    figure = Figure(
        WIDTH,
        height + 48,
        f"Attribution: {table.title}",
        f"{len(groups)} methods: test Dice in % by what the U-Net was trained on.",
    )
    title(figure, "Attribution: what the U-Net was trained on", table.title)
    ends = [
        100 * v
        for _, bars in groups
        for _, row, column, _ in bars
        for end in ("", "_lo", "_hi")
        if (v := row[column + end]) is not None
    ]
    axis = around(ends, NAMES + 12, WIDTH - 24, least=5)
    vertical(figure, axis, TOP, height, "test, Dice in %, 95 % interval")
    y = TOP
    for row, bars in groups:
        y += LINE
        figure.add(Words((8, y - 4), shortened(table.name(row), NAMES), bold=True))
        for words, of, column, ink in bars:
            y += LINE
            _bar(figure, axis.at, y - LINE / 2, words, of, column, ink)
        y += 0.6 * LINE
    return figure


def _bar(figure: Figure, at: Any, y: float, words: str, row: Row, column: str, ink: str) -> None:
    low, high = row[f"{column}_lo"], row[f"{column}_hi"]
    figure.add(Words((NAMES, y + 4), words, "faint", anchor="end"))
    if low is not None and high is not None:
        figure.add(line(at(100 * low), y, at(100 * high), y, ink, 2))
    figure.add(Dot((at(100 * row[column]), y), ink))


def _weak(row: Row) -> bool:
    return row["role"] in ("method", "floor") and row["method"] not in (REFERENCE, DEGRADED)


def _bars(table: Table, row: Row) -> Iterator[Bar]:
    """The lines of one method; none where no degraded masks belong to it."""
    dice = _proxies_dice(table, row)
    degraded = [other for other in (one.row for one in table.scored) if dice is not None and _as_wrong(other, dice)]
    if not degraded:
        return
    if row["test_init"] is not None:
        yield "nothing: the maps (init)", row, "test_init", "s6"
    yield "its proxies", row, "test_unet", "s0"
    for other in degraded:
        yield f"masks degraded by {_settings(other).get('kind', '')}", other, "test_unet", "s1"
    for one in table.scored:
        if one.row["method"] == REFERENCE and one.row["test_unet"] is not None and not one.row["settings"]:
            yield "true masks", one.row, "test_unet", "s2"


def _as_wrong(row: Row, dice: float) -> bool:
    """Whether a row was trained on masks that were degraded to the Dice of these proxies, as `bench attribution` asks for them."""
    asked = _settings(row).get("dice") if row["method"] == DEGRADED and row["test_unet"] is not None else None
    return asked is not None and abs(float(asked) - dice) < 0.001


def _settings(row: Row) -> dict[str, str]:
    return dict(part.split("=", 1) for part in row["settings"].split(",") if "=" in part)


def _proxies_dice(table: Table, row: Row) -> float | None:
    """The Dice of a row's proxies against the true masks, the mean over seeds: `bench attribution` has measured it."""
    targets = {str(stage["artifact"]) for result in table.runs_of(row) for stage in result.get("stages", ())}
    found = [dice for name, rule, dice in _measured(table.out) if name in targets and rule == row["rule"]]
    return fmean(found) if found else None


def _measured(out: Path) -> Iterator[tuple[str, str, float]]:
    """Targets whose Dice was measured as they now are: their artifact, the rule that cut them, the Dice."""
    for file in sorted((out / ARTIFACTS).glob(f"scores-*/{MANIFEST}")):
        score = _read(file)
        inputs = score.get("inputs") or {}
        if "targets" in inputs:
            made = _read(out / ARTIFACTS / inputs["targets"] / MANIFEST)
            if (made.get("files") or {}).get(TARGETS, {}).get("sha256") == inputs["content"]:
                yield (
                    str(inputs["targets"]),
                    str(made["inputs"].get("rule", "")),
                    float(score["record"]["facts"]["dice"]),
                )


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
