"""What commands beyond `bench run` share: cells made from planned ones, worked out as a run does, and the rows that they became."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from bench import plugins
from bench.disk import require_writable
from bench.pipeline.cell import RESULT, read_result
from bench.pipeline.keys import shown
from bench.pipeline.plan import Planned, prepare
from bench.pipeline.progress import Display
from bench.pipeline.run import tell_of_data, work_out
from bench.protocol import Protocol
from bench.results.collected import collect_scored
from bench.results.columns import LEADERBOARD_COLUMNS, settings_text
from bench.results.csv_files import write_rows
from bench.results.verdicts import Scored

RANKED = "otsu"
"""The rule that is shown first."""


@dataclass(frozen=True)
class Derived(Planned):
    """A cell that was made from a planned one; its progress says what it differs in."""

    words: str = ""

    @property
    def title(self) -> str:
        return f"{super().title}, {self.words}"


def derive(planned: Planned, words: str, protocol: Protocol, seed: int, **settings: Any) -> Derived:
    """The cell of the same method and data with these settings, rules (of the same image size) and seed."""
    method = planned.cell.method
    changed = type(method).model_validate({**method.model_dump(), **settings})
    cell = replace(planned.cell, method=changed, settings=shown(changed), protocol=protocol, seed=seed)
    return Derived(cell, cell.folder(planned.fingerprint), planned.fingerprint, words)


def carry_out(planned: Sequence[Planned], display: Display) -> list[Scored]:
    """Work out what is not finished, as `bench run` does: results, leaderboard.csv, one line a cell. Returns every row under `out`."""
    request = display.request
    require_writable(request.out, "the results folder", "name another folder with --out or BENCH_RUNS")
    tell_of_data(planned, display)
    with display:
        prepare(list(planned), display.note)
        work_out([p for p in planned if not p.finished], request, display)
    rows = collect_scored(request.out)
    write_rows(request.out / "leaderboard.csv", LEADERBOARD_COLUMNS, [scored.row for scored in rows])
    for sentence in plugins.finished(request.out):
        display.say(sentence)
    return rows


def succeeded(planned: Sequence[Planned]) -> bool:
    """Whether every cell has a result that is no failure."""
    return not any("failed" in (read_result(p.folder / RESULT) or {"failed": ""}) for p in planned)


def of_one_row(planned: Sequence[Planned]) -> Iterator[list[Planned]]:
    """Cells that differ only in their seed."""
    for _, group in groupby(planned, key=lambda p: (p.cell.method.name, settings_text(p.cell.settings))):
        yield list(group)


def rows_of(planned: Sequence[Planned], rows: Sequence[Scored]) -> list[Scored]:
    """The rows that these cells are seeds of and that have a Dice on test images, the ranked rule first."""
    mine = {p.folder.name for p in planned}
    found = [s for s in rows if mine & set(s.row["run_ids"].split()) and {"test_init", "test_unet"} & s.cells.keys()]
    return sorted(found, key=lambda scored: scored.row["rule"] != RANKED)
