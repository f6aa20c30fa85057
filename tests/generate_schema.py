"""Writes docs/leaderboard-format.schema.json from the models: `python tests/generate_schema.py`."""

from __future__ import annotations

import json
from pathlib import Path

from bench.leaderboard.files.schema import json_schema

FILE = Path(__file__).resolve().parent.parent / "docs" / "leaderboard-format.schema.json"


def text() -> str:
    """The file as it should be."""
    return json.dumps(json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
