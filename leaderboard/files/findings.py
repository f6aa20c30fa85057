"""What a check of files says: the file, the row, the column, what was expected and what was found; exit code 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.errors import BenchError
from bench.leaderboard.files.schema import CONTROL

SHOWN = 20
"""Differences that a sentence or a table names; how many more there are is said."""
CLOSE = 1e-9
"""Two floats that differ by less are the same number, summed in another order."""


class Refused(BenchError):
    """A file of results that is not what it says, or must not be joined with another."""

    exit_code = 6


class Finding(NamedTuple):
    """One difference."""

    file: str
    row: str
    column: str
    expected: str
    found: str

    def sentence(self) -> str:
        """As one line of text."""
        where = ", ".join(part for part in (self.file, self.row, self.column) if part)
        return f"{where}: expected {self.expected}, found {self.found}"


def shown(value: Any) -> str:
    """A stranger's value in a sentence: short, on one line, nothing that a terminal obeys."""
    if value is None or value == "":
        return "empty"
    text = f"{value:.12g}" if isinstance(value, float) else CONTROL.sub("?", str(value))
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def refuse(findings: Sequence[Finding], what: str) -> None:
    """Refused with the first findings, one a line, where there are any."""
    if findings:
        lines = [finding.sentence() for finding in findings[:SHOWN]]
        more = [f"and {len(findings) - SHOWN} more"] if len(findings) > SHOWN else []
        raise Refused("\n".join([f"{what} differs from what it says:", *lines, *more]))


def same(one: Any, other: Any) -> bool:
    """Whether two cells say the same: empty is only like empty, floats are equal but for the order of a sum."""
    if _is_empty(one) or _is_empty(other):
        return _is_empty(one) and _is_empty(other)
    if isinstance(one, float) or isinstance(other, float):
        return abs(float(one) - float(other)) <= CLOSE * max(1.0, abs(float(one)))
    return bool(one == other)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value != value


def compare(file: str, row: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[Finding]:
    """The columns of one row that differ from what was expected there."""
    return [
        Finding(file, row, column, shown(value), shown(found.get(column)))
        for column, value in expected.items()
        if not same(value, found.get(column))
    ]
