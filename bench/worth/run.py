"""`bench break-even`: the methods, and full supervision with more and more masks; then how many masks each method is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from bench.data.samples import Samples
from bench.errors import DataError, UsageError
from bench.pipeline import segmenter
from bench.pipeline.cells import carry_out, of_one_row, rows_of, succeeded
from bench.pipeline.plan import Planned, plan
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.pipeline.run import warn_of_cost
from bench.protocol import VERSION, Protocol
from bench.results.tables import dataset_title
from bench.results.verdicts import Scored
from bench.store import require_cache
from bench.worth.break_even import REFERENCE, Scores, points, worth
from bench.worth.counts import Counts, Grid, fitting, grid
from bench.worth.table import Answer, Curve, Report, show

SCRATCH, PRETRAINED = "from scratch", "pretrained encoder"


@dataclass(frozen=True)
class Question:
    """Which numbers of masks, how many draws of each, and the same for a pretrained encoder (None: no such curve)."""

    counts: Counts
    draws: tuple[int, int]
    pretrained: Protocol | None = None
    pretrained_counts: Counts = ()


def break_even(request: RunRequest, question: Question) -> int:
    """Work out what is missing and print the answer; the same request again continues. Returns the exit code."""
    display = Display(request)
    warn_of_cost(request, display)
    require_cache()
    methods, grids = cells_of(request, question, display)
    cells = [*methods, *(cell for each in grids for cell in each.planned)]
    if request.dry_run:
        display.plan(cells)
        return 0
    report = report_of(methods, grids, carry_out(cells, display))
    if request.json:
        print(json.dumps(report.to_json(), indent=1))
    else:
        show(report, Console(highlight=False))
    return 0 if succeeded(cells) else 1


def cells_of(request: RunRequest, question: Question, display: Display) -> tuple[list[Planned], list[Grid]]:
    """The cells of the methods, and those of each curve of full supervision."""
    planned = plan(replace(request, methods=(*weak_methods(request), REFERENCE)))
    methods = [p for p in planned if p.cell.method.name != REFERENCE]
    reference = next(p for p in planned if p.cell.method.name == REFERENCE)
    asked = [(SCRATCH, request.protocol, question.counts)]
    if question.pretrained:
        segmenter.check(question.pretrained)
        asked.append((PRETRAINED, question.pretrained, question.pretrained_counts))
    available = len(Samples(reference.cell.dataset, request.protocol)["masks"])
    grids = []
    for name, protocol, counts in asked:
        kept, left_out = fitting(counts, available, reference.cell.dataset.name)
        if left_out:
            display.say(
                f"{name}: {', '.join(map(str, left_out))} masks left out; the data set has {available} to train on"
            )
        grids.append(grid(name, reference, protocol, kept, question.draws, available))
    return methods, grids


def weak_methods(request: RunRequest) -> tuple[str, ...]:
    """The methods that are asked about; UsageError where the one that they are compared with is among them."""
    if REFERENCE in request.methods and not request.every_method:
        raise UsageError(f"{REFERENCE} is what methods are compared with; leave it out of --method")
    return tuple(name for name in request.methods if name != REFERENCE)


def report_of(methods: Sequence[Planned], grids: Sequence[Grid], rows: Sequence[Scored]) -> Report:
    """The answers and the curves, from what has finished of everything under the results folder."""
    curves = [draws_of(each, rows) for each in grids]
    found = [
        scored for cells in of_one_row(methods) for scored in rows_of(cells, rows) if scored.row["rule"] != "oracle"
    ]
    cell = next(iter(grids[0].planned)).cell
    clusters = clusters_of([*found, *(s for each in grids for s in rows_of(list(each.planned), rows))])
    return Report(
        dataset_title({"dataset": cell.dataset.name, "label": cell.dataset.label}),
        f"{grids[0].protocol.title} v{VERSION}",
        len(clusters),
        len(set(clusters)),
        [Curve(g.name, f"{g.protocol.title} v{VERSION}", points(d)) for g, d in zip(grids, curves, strict=True)],
        [answer(scored, curves, clusters) for scored in found],
    )


def draws_of(curve: Grid, rows: Sequence[Scored]) -> dict[int, Scores]:
    """By number of masks, the Dice of all of its draws (R, n); a number of which no draw has finished is not in it."""
    found = {masks: rows_of(cells, rows) for masks, cells in curve.cells.items()}
    return {masks: scored[0].cells["test_unet"].scores.values for masks, scored in found.items() if scored}


def clusters_of(rows: Sequence[Scored]) -> tuple[str, ...]:
    """The independent unit of each test image, the same for all rows; DataError where no row has a Dice."""
    for scored in rows:
        return next(cell.clusters for stage, cell in scored.cells.items() if stage.startswith("test"))
    raise DataError("no test image has a Dice: no cell has finished, or there are no masks to compare with")


def answer(scored: Scored, curves: Sequence[Mapping[int, Scores]], clusters: Sequence[str]) -> Answer:
    """Of its U-Net; of its maps where they never change and no U-Net is trained on them."""
    row, stage = scored.row, "unet" if "test_unet" in scored.cells else "init"
    scores = scored.cells[f"test_{stage}"].scores
    found = [worth(curve, scores, clusters) for curve in curves]
    dice = float(scores.values.mean())
    return Answer(row["method"], row["settings"], row["rule"], stage, len(scores.values), dice, found)
