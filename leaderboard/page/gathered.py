"""The tables of a folder of runs, each with the scores behind its rows: what the page and its figures are made of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.leaderboard.table.rows import scored_rows, with_reported
from bench.results.columns import Row
from bench.results.verdicts import Scored
from bench.runs.sheets import dataset_title, printed_once, table_key


@dataclass(frozen=True)
class Table:
    """Rows of one data set, fingerprint, protocol and version, in their order; `out`: the folder that the runs lie under."""

    out: Path
    scored: Sequence[Scored]
    reported: Sequence[Row] = field(default=())

    @property
    def rows(self) -> list[Row]:
        """The measured rows, then what papers report on the data set."""
        return [*(scored.row for scored in self.scored), *self.reported]

    @property
    def dataset(self) -> str:
        """`isic (reduced)`."""
        return dataset_title(self.scored[0].row)

    @property
    def protocol(self) -> str:
        """`quick v1`."""
        row = self.scored[0].row
        return f"{row['protocol']} v{row['protocol_version']}"

    @property
    def title(self) -> str:
        """Data set and protocol."""
        return f"{self.dataset} · {self.protocol}"

    @cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """result.json of every run of the table by its id, with its `folder`."""
        return {id: _result(folder) for row in self.rows for id, folder in folders(self.out, row).items()}

    @cached_property
    def in_variants(self) -> set[str]:
        """Methods that stand in the table with several settings."""
        seen = {(one.row["method"], one.row["settings"]) for one in self.scored}
        return {method for method, count in Counter(method for method, _ in seen).items() if count > 1}

    def name(self, row: Mapping[str, Any], rule: bool = True) -> str:
        """A row as a figure names it: method, settings where the table has others of it too, and a rule that is not Otsu's."""
        return named(row, rule, settings=row["method"] in self.in_variants)

    def runs_of(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The finished runs behind a row, by seed."""
        found = [self.results[id] for id in folders(self.out, row)]
        return sorted((result for result in found if not result.get("failed")), key=lambda result: result["seed"])


def gather(out: Path) -> list[Table]:
    """The tables of all finished runs under a folder; DataError where there is none."""
    scored = scored_rows(out)
    kept = {id(row) for row in printed_once([one.row for one in scored])}
    reported = [row for row in with_reported([one.row for one in scored], True) if row["kind"] == "reported"]
    tables = groupby((one for one in scored if id(one.row) in kept), key=lambda one: table_key(one.row))
    return [_table(out, list(group), reported) for _, group in tables]


def named(row: Mapping[str, Any], rule: bool = True, settings: bool = True) -> str:
    """A row by its method, its settings, and the rule where it has one that is not Otsu's."""
    given = f" ({row['settings']})" if row["settings"] and settings else ""
    return f"{row['method']}{given}" + (f" · {row['rule']}" if rule and row["rule"] not in ("", "otsu") else "")


def folders(out: Path, row: Mapping[str, Any]) -> dict[str, Path]:
    """The folder of each run of a row by its id."""
    ids = str(row["run_ids"] or "").split()
    return {id: out / row["dataset"] / row["method"] / id for id in ids}


def _table(out: Path, scored: Sequence[Scored], reported: Sequence[Row]) -> Table:
    ours = scored[0].row["dataset"]
    return Table(out, scored, [row for row in reported if row["dataset"] == ours])


def _result(folder: Path) -> dict[str, Any]:
    file = folder / "result.json"
    try:
        return {**json.loads(file.read_text(encoding="utf-8")), "folder": folder}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{file} cannot be read ({error}); delete its folder and run again") from error
