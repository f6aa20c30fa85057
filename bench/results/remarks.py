"""The sentences below a table: what its letters mean, what it could have found, and what it cannot decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.results.columns import Row, method_title
from bench.statistics.pairs import NOT_ENOUGH
from bench.statistics.row_scores import MIN_CLUSTERS, MIN_SEEDS

ENOUGH = f"{MIN_SEEDS} seeds and {MIN_CLUSTERS} independent images"


def remarks(rows: Sequence[Row]) -> Iterator[str]:
    """Of the rows of one table, each sentence only where it is needed."""
    yield from _of_letters(rows)
    yield from _of_floors(rows)
    yield from _of_intervals(rows)
    if any(row["kind"] == "reported" for row in rows):
        yield "Reported rows are of splits, images and budgets of their own: beside ours, never ranked with them."


def _of_letters(rows: Sequence[Row]) -> Iterator[str]:
    found = [row["mdd"] for row in rows if row["mdd"] is not None]
    if found:
        yield "Methods that share a letter are not told apart (test U-Net, all pairs, Holm at 5 %)."
        yield f"Minimum detectable difference: {100 * found[0]:.2f} points (found four times in five); what is smaller stays a tie."
    elif any(row["role"] == "method" and row["test_unet"] is not None for row in rows if row["kind"] != "reported"):
        yield f"Letters and ranks: {NOT_ENOUGH}; they take two ranked methods (no masks, rule otsu), {ENOUGH}."


def _of_floors(rows: Sequence[Row]) -> Iterator[str]:
    strongest = [row["floor_best"] for row in rows if row["floor_best"]]
    if strongest:
        yield f"Over floor: test U-Net minus the strongest floor without masks, {strongest[0]}."
    cells = [name for row in rows for name in row.get("floors_untested") or ()]
    untested = dict.fromkeys(
        name.rpartition(" (")[0] for name in cells
    )  # `otsu (maps)` and `otsu (U-Net)` are one floor
    if untested:
        yield f"Floors with too few seeds to be tested: {', '.join(untested)}; until they have {MIN_SEEDS}, no method beats them all."


def _of_intervals(rows: Sequence[Row]) -> Iterator[str]:
    measured = [row for row in rows if row["kind"] != "reported" and row["test_unet"] is not None]
    if any(row["test_unet_lo"] is not None for row in measured):
        images, clusters = (max(row[name] or 0 for row in measured) for name in ("images", "clusters"))
        yield f"Intervals are conditional on this split: {images:,} test images, {clusters:,} independent."
    lacking = [row for row in measured if row["test_unet_lo"] is None]
    if lacking:
        all_or_some = "No intervals" if len(lacking) == len(measured) else "Interval -"
        yield f"{all_or_some}: {NOT_ENOUGH}; one takes {ENOUGH}."


def across_data_sets(rows: Sequence[Row]) -> Iterator[str]:
    """Mean ranks over data sets for each protocol that has several, of the methods that are ranked on all of them."""
    protocols = dict.fromkeys((row["protocol"], row["protocol_version"]) for row in rows if row["ranked"])
    for protocol, version in protocols:
        blocks = _blocks([row for row in rows if (row["protocol"], row["protocol_version"]) == (protocol, version)])
        methods = [name for name in next(iter(blocks.values()), {}) if all(name in block for block in blocks.values())]
        if len(blocks) > 1 and len(methods) > 1:
            yield _ranks_of(f"protocol {protocol} v{version}", methods, blocks)


def _blocks(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """By data set the ranked rows' test U-Net; of a data set in two versions (label, fingerprint) the first: they are no two blocks."""
    found: dict[str, dict[str, float]] = {}
    versions: dict[str, tuple[str, str]] = {}
    for row in rows:
        version = (row["label"], row["fingerprint"])
        if row["ranked"] and versions.setdefault(row["dataset"], version) == version:
            found.setdefault(row["dataset"], {})[method_title(row)] = row["test_unet"]
    return found


def _ranks_of(title: str, methods: Sequence[str], blocks: Mapping[str, Mapping[str, float]]) -> str:
    from bench.statistics.across import LEVEL, MIN_BLOCKS, across

    found = across([[block[method] for method in methods] for block in blocks.values()])
    best_first = sorted(zip(found.mean_ranks, methods, strict=True))
    ranks = ", ".join(f"{method} {rank:.2f}" for rank, method in best_first)
    start = f"Over {len(blocks)} data sets ({title}), mean ranks: {ranks}. "
    if found.p is None or found.critical is None:
        return f"{start}Whether they differ: {NOT_ENOUGH}, {MIN_BLOCKS} data sets are needed."
    if found.p >= LEVEL:
        return f"{start}Friedman's test (Iman-Davenport p = {found.p:.3g}) tells no two methods apart."
    return f"{start}They differ (Iman-Davenport p = {found.p:.3g}), two of them where mean ranks are {found.critical:.2f} apart (Nemenyi)."
