"""`bench attribution`: how much of a row is its proxies, and how much the U-Net that was trained on them.

On the images of the split `masks` (their pixels only) the method makes proxies. How good those are is measured against the true masks,
and the same U-Net is trained on the proxies, on true masks degraded to the same Dice (at the boundary, in size, by misses), and on
true masks: the same images, the same steps. Errors that a U-Net averages out cost less than their Dice says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from rich.console import Console

from bench.data.samples import Samples
from bench.errors import DataError, UsageError
from bench.pipeline.cells import carry_out, derive, of_one_row, rows_of, succeeded
from bench.pipeline.plan import Planned, plan
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.pipeline.run import warn_of_cost
from bench.protocol import VERSION, change
from bench.results.tables import dataset_title
from bench.results.verdicts import Scored
from bench.statistics.pairs import own_interval, pair
from bench.statistics.row_scores import RowScores
from bench.store import require_cache
from bench.worth.attribution_table import MAPS, PROXIES, TRUE, WORSE, Line, Report, show
from bench.worth.break_even import REFERENCE
from bench.worth.proxy_dice import targets_dice

DEGRADED = "degraded_masks"
KINDS = ("boundary", "size", "misses")
NOTHING = 0.0005
"""Proxies with less Dice than this hit nothing; masks are not degraded to that."""


@dataclass(frozen=True)
class Subject:
    """A method with its settings: its cells, one for each seed, its row under one rule, and the mean Dice of the proxies."""

    cells: Sequence[Planned]
    scored: Scored
    dice: float

    @property
    def rule(self) -> str:
        """Under which the proxies were made."""
        return str(self.scored.row["rule"])


def attribution(request: RunRequest, rule: str) -> int:
    """Work out what is missing and print a table for each method; the same request again continues. Returns the exit code."""
    display = Display(request)
    request = replace(request, protocol=change(request.protocol, {"segment_on": "masks"}))
    warn_of_cost(request, display)
    require_cache()
    methods, reference, base = cells_of(request)
    cells = [*methods, *reference]
    if request.dry_run:
        display.plan(cells)
        display.say(
            f"then {DEGRADED} of {len(KINDS)} kinds for each method, to the Dice that its proxies turn out to have"
        )
        return 0
    rows = carry_out(cells, display)
    subjects = list(subjects_of(methods, rows, rule, display))
    degraded = [[degrade(base, one, kind, request) for kind in KINDS if one.dice >= NOTHING] for one in subjects]
    more = [cell for kinds in degraded for cells in kinds for cell in cells]
    rows = carry_out(more, display) if more else rows
    reports = [report_of(one, kinds, reference, rows) for one, kinds in zip(subjects, degraded, strict=True)]
    if request.json:
        print(json.dumps([report.to_json() for report in reports], indent=1))
    else:
        for report in reports:
            show(report, Console(highlight=False))
    return 0 if succeeded([*cells, *more]) else 1


def cells_of(request: RunRequest) -> tuple[list[Planned], list[Planned], Planned]:
    """The cells of the methods, of full supervision on the same images, and one to make those of degraded masks from."""
    ours = {REFERENCE, DEGRADED}
    if ours & set(request.methods) and not request.every_method:
        raise UsageError(f"{' and '.join(sorted(ours))} are what a method is set against; leave them out of --method")
    methods = tuple(name for name in request.methods if name not in ours)
    planned = plan(replace(request, methods=(*methods, REFERENCE, DEGRADED)))
    weak = [p for p in planned if p.cell.method.name not in ours]
    if not Samples(planned[0].cell.dataset, request.protocol)["masks"]:
        raise DataError(f"data set {planned[0].cell.dataset.name} has no images with masks to train on (split masks)")
    reference = [p for p in planned if p.cell.method.name == REFERENCE]
    return weak, reference, next(p for p in planned if p.cell.method.name == DEGRADED)


def subjects_of(methods: Sequence[Planned], rows: Sequence[Scored], rule: str, display: Display) -> Iterator[Subject]:
    """The rows whose proxies were made under the rule; a method whose maps are a decision already has only `fixed`."""
    for cells in of_one_row(methods):
        method, done = cells[0].cell.method, [p for p in cells if p.finished]
        mine = "fixed" if getattr(method, "binary", False) else rule
        having = [s for s in rows_of(done, rows) if s.row["rule"] == mine and "test_unet" in s.cells]
        if having:
            dice = fmean(targets_dice(p, mine).record.facts["dice"] for p in done)
            yield Subject(done, having[0], dice)
        elif done:
            display.say(f"{method.name}: no U-Net was trained on proxies of rule {mine}; nothing to attribute")


def degrade(base: Planned, subject: Subject, kind: str, request: RunRequest) -> list[Planned]:
    """Cells that train on true masks degraded to the Dice of the subject's proxies (three digits), one for each of its seeds."""
    dice = round(subject.dice, 3)
    words = f"{kind}, Dice {dice}"
    seeds = [p.cell.seed for p in subject.cells]
    return [derive(base, words, request.protocol, seed, kind=kind, dice=dice) for seed in seeds]


def report_of(
    subject: Subject, degraded: Sequence[Sequence[Planned]], reference: Sequence[Planned], rows: Sequence[Scored]
) -> Report:
    """The lines of one subject, from the cells that have finished."""
    cell, row = subject.cells[0].cell, subject.scored.row
    init, proxies = (subject.scored.cells[stage] for stage in ("test_init", "test_unet"))
    clusters = proxies.clusters
    lines = [
        line(MAPS, None, init.scores, proxies.scores, clusters),
        line(PROXIES, subject.dice, proxies.scores, None, clusters),
    ]
    controls = [(f"{WORSE} {kind}", cells) for kind, cells in zip(KINDS, degraded, strict=False)]
    for words, cells in (*controls, (TRUE, reference)):
        done = [p for p in cells if p.finished]
        for scored in rows_of(done, rows):
            reached = fmean(targets_dice(p, "").record.facts["dice"] for p in done)
            lines.append(line(words, reached, scored.cells["test_unet"].scores, proxies.scores, clusters))
    return Report(
        dataset_title({"dataset": cell.dataset.name, "label": cell.dataset.label}),
        f"{cell.protocol.title} v{VERSION}",
        row["method"],
        row["settings"],
        subject.rule,
        len(clusters),
        len(set(clusters)),
        sum(use.count for use in targets_dice(subject.cells[0], subject.rule).record.masks),
        lines,
        pair(proxies.scores, init.scores, clusters),
    )


def line(words: str, dice: float | None, row: RowScores, proxies: RowScores | None, clusters: Sequence[str]) -> Line:
    """One line, against the U-Net on proxies unless it is that."""
    over = None if proxies is None else pair(row, proxies, clusters)
    return Line(words, dice, row.seeds, own_interval(row, clusters), over)
