"""The benchmarks that start programs of their own still start them; how long they take is no test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_large_tables_and_pages_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])  # last: `bench` is the one that is installed
    from benchmarks import page, tables

    for name, value in {"METHODS": 2, "DATASETS": 1, "IMAGES": 30, "TURNS": 1}.items():
        monkeypatch.setattr(tables, name, value)
    monkeypatch.setattr(page, "TURNS", 1)
    rows = [*tables.measure(tmp_path), *page.measure(tmp_path)]
    assert [row.what.split()[0] for row in rows] == ["table", "`bench", "page"]
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)
    held = bytearray(2**29)  # what this process holds is not the children's
    held[::4096] = b"x" * len(held[::4096])
    taken, size = tables.memory(tmp_path)
    assert (0 < taken < 300, size > 0) == (True, True)
