"""The analysis plan: what was fixed before the runs, since when, and where the table deviates from it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench import DataError
from bench.near import did_you_mean
from bench.results.columns import RANKED_RULE, Row, method_title
from bench.results.verdicts import Scored
from bench.statistics.over_floors import MARGIN

if TYPE_CHECKING:
    from rich.console import Console

BLOCK = re.compile(r"^```toml[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
Names = Annotated[list[str], Field(min_length=1)]


class AnalysisPlan(BaseModel):
    """The toml block of a plan. `seeds`: the numbers themselves. `margin`: of `equivalent`, in points of Dice."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str
    protocol: str
    methods: Names
    floors: list[str] = []
    rule: Literal["otsu", "fixed", "val"] = "otsu"
    seeds: Annotated[list[int], Field(min_length=1)]
    margin: float = Field(100 * MARGIN, gt=0)


@dataclass(frozen=True)
class Fixed:
    """Since when a plan stands as it does: the commit that last changed it, else the date of the file, which proves nothing."""

    when: datetime
    commit: str = ""

    @property
    def text(self) -> str:
        """With what it rests on."""
        date = f"{self.when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return (
            f"{date} (commit {self.commit[:12]})"
            if self.commit
            else f"{date} (date of the file; no commit has it as it is)"
        )


@dataclass(frozen=True)
class Held:
    """A plan held against a table."""

    file: str
    plan: AnalysisPlan
    fixed: Fixed
    order: str
    """whether it was fixed before the first run that it is about"""
    deviations: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """What was fixed, when, and every deviation."""
        plan = self.plan
        floors = f"; floors {', '.join(plan.floors)}" if plan.floors else ""
        return [
            f"Analysis plan {self.file}, fixed {self.fixed.text}: {self.order}.",
            f"Family: {', '.join(plan.methods)}{floors}; {plan.dataset}, protocol {plan.protocol}, rule {plan.rule}, "
            f"seeds {', '.join(map(str, plan.seeds))}, margin {plan.margin:g} points.",
            *(f"Deviation: {text}." for text in self.deviations),
            *([] if self.deviations else ["The table is as planned."]),
        ]

    def to_json(self) -> Any:
        """Plain values."""
        return {
            "file": self.file,
            "plan": self.plan.model_dump(),
            "fixed": self.fixed.when.astimezone(UTC).isoformat(),
            "commit": self.fixed.commit or None,
            "order": self.order,
            "deviations": list(self.deviations),
        }

    def show(self, console: Console) -> None:
        """Print the sentences."""
        from bench.results.tables import paper

        for sentence in self.sentences:
            console.print(paper(sentence, console, "yellow" if sentence.startswith("Deviation") else ""))


def held_against(file: Path, scored: Sequence[Scored]) -> Held:
    """What a plan fixed, and where the rows of its data set and protocol are otherwise."""
    plan, fixed = read(file), fixed_when(file)
    rows = [s for s in scored if (s.row["dataset"], s.row["protocol"]) == (plan.dataset, plan.protocol)]
    return Held(file.name, plan, fixed, _order(fixed, rows), tuple(_deviations(plan, rows)))


def read(file: Path) -> AnalysisPlan:
    """The plan of a Markdown file: its first toml block. DataError says which field is wrong and what it takes."""
    try:
        block = BLOCK.search(file.read_text(encoding="utf-8"))
        if block is None:
            raise DataError(f"{file} has no block ```toml; docs/analysis-plan.md is a template")
        return AnalysisPlan.model_validate(tomllib.loads(block[1]))
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        hint = ""
        if fault["type"] == "extra_forbidden":
            hint = f"; {did_you_mean(field, list(AnalysisPlan.model_fields), 'docs/analysis-plan.md has all fields')}"
        raise DataError(f"{file}, {field}: {fault['msg']}{hint}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is no analysis plan: {error}; docs/analysis-plan.md is a template") from error


def fixed_when(file: Path) -> Fixed:
    """The commit that last changed the file, where git has it as it is now; else the file's own date."""
    commit = _git(file, "log", "-1", "--format=%H %cI", "--", file.name)
    if commit and not _git(file, "status", "--porcelain", "--", file.name):
        name, _, date = commit.partition(" ")
        return Fixed(datetime.fromisoformat(date), name)
    return Fixed(datetime.fromtimestamp(file.stat().st_mtime, UTC))


def _git(file: Path, *words: str) -> str:
    """What git says in the file's folder; nothing where there is no git."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=file.resolve().parent, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _order(fixed: Fixed, rows: Sequence[Scored]) -> str:
    finished = sorted(str(r["finished"]) for scored in rows for r in scored.results if r.get("finished"))
    if not finished:
        return "none of its runs has finished, or none says when"
    first = datetime.fromisoformat(finished[0])
    relation = "before" if fixed.when < first else "AFTER"
    return f"{relation} the first of its runs finished ({first:%Y-%m-%d %H:%M} UTC)"


def _deviations(plan: AnalysisPlan, rows: Sequence[Scored]) -> Iterator[str]:
    if not rows:
        yield f"there is no run on {plan.dataset} under protocol {plan.protocol}"
        return
    if plan.rule != RANKED_RULE:
        yield f"letters and ranks are of the rule {RANKED_RULE}, the plan has {plan.rule}"
    if abs(plan.margin / 100 - MARGIN) > 1e-9:
        yield f"`equivalent` is of {100 * MARGIN:g} points, the plan has {plan.margin:g}"
    if len({(s.row["label"], s.row["fingerprint"], s.row["protocol_version"]) for s in rows}) > 1:
        yield f"there are several versions of {plan.dataset} or of the protocol, which the plan does not tell apart"
    for name in (*plan.methods, *plan.floors):
        yield from _of_method(name, plan, [s for s in rows if _named(name, s.row)])
    for scored in rows:
        if scored.row["ranked"] and not any(_named(name, scored.row) for name in plan.methods):
            yield f"{method_title(scored.row)} is ranked and no part of the family"


def _of_method(name: str, plan: AnalysisPlan, rows: Sequence[Scored]) -> Iterator[str]:
    """A method has the planned seeds, no others, under the planned rule; a floor under any rule that it has."""
    under = [s for s in rows if s.row["rule"] == plan.rule] or (rows if name in plan.floors else [])
    if not under:
        yield f"{name} has no row of the rule {plan.rule}" if rows else f"{name} was not run"
    for scored in under:
        seeds, row = (
            {int(result["seed"]) for result in scored.results},
            f"{method_title(scored.row)}, rule {scored.row['rule']}",
        )
        if missing := sorted(set(plan.seeds) - seeds):
            yield f"{row}, lacks seed {', '.join(map(str, missing))}"
        if more := sorted(seeds - set(plan.seeds)):
            yield f"{row}, has seed {', '.join(map(str, more))} that was not planned"


def _named(name: str, row: Row) -> bool:
    """A plan names a method alone (all of its settings), or as in tables with its settings: `dcml_attention (map_norm=minmax)`."""
    return name in (row["method"], method_title(row))
