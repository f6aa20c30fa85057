"""The check of a results repository, for its CI: submissions of many groups, and the leaderboard.csv that was made of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import DataError
from bench.leaderboard.files import sealed, table_files
from bench.leaderboard.files.findings import Finding, Refused
from bench.leaderboard.files.inspect_runs import compare_rows, inspect
from bench.leaderboard.files.merge import merge, require_comparable

LEADERBOARD = "leaderboard.csv"
SUBMISSIONS = "*.zip"


@dataclass
class Checked:
    """What was looked at, and what was found: differences, and sentences of files that could not be read at all."""

    submissions: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything is not as it should be."""
        return bool(self.findings or self.refused)


def check(folder: Path) -> Checked:
    """Check every submission below `folder` by itself, then leaderboard.csv against all of them; DataError where there is nothing."""
    files = sorted(folder.rglob(SUBMISSIONS)) if folder.is_dir() else []
    table = folder / LEADERBOARD
    if not files and not table.exists():
        raise DataError(f"{folder} holds neither a submission (*.zip) nor a {LEADERBOARD}; name a results repository")
    checked = Checked()
    whole = [file for file in files if _check_one(file, folder, checked)]
    if not checked.differs:
        _against_all(whole, table, checked)
    return checked


def _check_one(file: Path, folder: Path, checked: Checked) -> bool:
    """One submission; whether it is as it says."""
    checked.submissions += 1
    try:
        with tempfile.TemporaryDirectory() as place, sealed.opened(file) as submission:
            found = inspect(submission, Path(place))[1]
    except Refused as error:
        checked.refused.append(str(error))
        return False
    name = str(file.relative_to(folder))
    checked.findings += [one._replace(file=f"{name}: {one.file}" if one.file != str(file) else name) for one in found]
    return not found


def _against_all(files: list[Path], table: Path, checked: Checked) -> None:
    """leaderboard.csv is what `merge` makes of the submissions, but for `kind`, which a repository's owner raises, and reported rows."""
    try:
        expected = merge(files).rows if files else []
        checked.rows = len(expected)
        if not table.exists():
            return
        stated = table_files.read_leaderboard(table)
        require_comparable([(table, row) for row in stated])
    except Refused as error:
        checked.refused.append(str(error))
        return
    ours = [row for row in stated if row["kind"] != "reported"]
    checked.rows = len(stated)
    if files:
        checked.findings += compare_rows(expected, ours, LEADERBOARD, skip=("kind",))
