"""What papers report of their methods, with the place where they do: rows of kind `reported`, shown beside ours and never ranked."""

from __future__ import annotations

import csv
from pathlib import Path

from bench.results.columns import LEADERBOARD_COLUMNS, STAGES, Row

FILE = Path(__file__).with_name("reported.csv")


def reported() -> list[Row]:
    """The rows of reported.csv as rows of leaderboard.csv; scores from 0 to 1, None where a paper reports nothing.

    They have no fingerprint and no protocol: no paper published its split, and none of ours is theirs.
    """
    with FILE.open(newline="", encoding="utf-8") as file:
        return [_row(line) for line in csv.DictReader(file)]


def _row(line: dict[str, str]) -> Row:
    texts = {key: line[key] for key in ("dataset", "method", "role", "rule", "notes")}
    scores = {stage: float(line[stage]) if line[stage] else None for stage in STAGES}
    return {
        **dict.fromkeys(LEADERBOARD_COLUMNS),
        **dict.fromkeys(("label", "fingerprint", "protocol", "protocol_version", "settings", "degenerate"), ""),
        **texts,
        **scores,
        "kind": "reported",
        "ranked": False,
        "masks_train": int(line["masks_train"]) if line["masks_train"] else None,
    }
