"""The cache, listed and emptied: what lies there, of what it is, and that nothing is taken from under a running process."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import ClassVar

import numpy as np
import pytest
from filelock import FileLock

from bench import Dataset, Item, Task
from bench.data import cache, decoding, pictures
from bench.data.door import Door
from bench.data.samples import Samples, file_digests
from bench.errors import MachineError, UsageError
from bench.protocol import SMOKE
from bench.store import cache_root


class Squares(Dataset):
    """Five pictures with masks; the fourth of a split can be the end of a decoding."""

    name: ClassVar[str] = "squares"
    deadly: ClassVar[str] = ""

    @property
    def task(self):
        return Task(classes=("a",), foreground=("x",), shows=(0,))

    def items(self, split):
        return [Item(f"{split}-{n}", (0,) if split == "weak" else None) for n in range(5)]

    def image(self, item):
        if item.id == self.deadly:
            raise KeyboardInterrupt
        return np.full((3, 20, 30), 7, np.uint8)

    def mask(self, item):
        return np.ones((20, 30), np.uint8)


@pytest.fixture
def samples(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return Samples(Squares(), SMOKE)


@pytest.fixture
def full(samples, tmp_path):
    """One of everything, and something that is not ours."""
    made = {"view": pictures.view(samples, "weak", 8), "masks": Door(samples).masks("masks", [0, 2, 3], 8)}
    Door(samples).check()
    files = [tmp_path / "data" / name for name in ("a.jpg", "b.jpg")]
    files[0].parent.mkdir()
    for file in files:
        file.write_bytes(b"x")
    file_digests(files)
    (cache_root() / "thumbnails").mkdir()
    np.save(cache_root() / "thumbnails" / "ab12.npy", np.zeros((6, 24, 24, 3), np.uint8))
    (cache_root() / "else").mkdir()
    (cache_root() / "else" / "photo.jpg").write_bytes(b"mine")
    return made


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_an_empty_cache_lists_nothing(samples):
    assert cache.entries() == []


def test_everything_is_listed_with_what_it_is_of(full, samples, tmp_path):
    there = cache.entries()
    assert [(e.kind, e.dataset, e.split, e.size, e.count) for e in there] == [
        ("views", "squares", "weak", 8, 5),
        ("masks", "squares", "masks", 8, 3),
        ("thumbnails", "", "", 24, 6),
        ("hashes", str(tmp_path / "data"), "", None, 2),
        ("checked", "", "masks, val, test", None, 15),
    ]
    assert [e.name for e in there][:2] == [full["view"].name, full["masks"].name]
    assert there[0].bytes == size_of(full["view"].folder)
    assert not any(e.half for e in there)


def test_a_row_is_plain_json(full):
    row = json.loads(json.dumps(cache.entries()[0].row()))
    assert {k: row[k] for k in ("kind", "dataset", "split", "size", "count", "half")} == {
        "kind": "views",
        "dataset": "squares",
        "split": "weak",
        "size": 8,
        "count": 5,
        "half": False,
    }
    assert datetime.fromisoformat(row["used"]).tzinfo is not None


def test_a_view_that_is_found_was_used_then(full, samples):
    for path in (full["view"].folder, *full["view"].folder.iterdir()):
        os.utime(path, (1e9, 1e9))
    assert cache.entries()[0].used == datetime.fromtimestamp(1e9, UTC)
    pictures.view(samples, "weak", 8)
    assert (datetime.now(UTC) - cache.entries()[0].used).total_seconds() < 60


def test_a_half_decoded_view_is_listed_and_removed(samples, monkeypatch):
    monkeypatch.setattr(decoding, "CHUNK", 2)
    monkeypatch.setattr(Squares, "deadly", "test-4")
    with pytest.raises(KeyboardInterrupt):
        pictures.view(samples, "test", 8)
    (half,) = cache.entries()
    assert (half.half, half.dataset, half.split, half.size, half.count) == (True, "squares", "test", 8, 5)
    cache.remove(cache.choose([half.name]))
    assert cache.entries() == []


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["view"], ["masks", "thumbnails", "hashes", "checked"]),
        (["squares"], ["thumbnails", "hashes", "checked"]),
        (["thumbnails", "hashes"], ["views", "masks", "checked"]),
        (["ab12.npy"], ["views", "masks", "hashes", "checked"]),
    ],
)
def test_a_name_a_kind_or_a_data_set_is_removed(full, names, left):
    wanted = [full["view"].name if name == "view" else name for name in names]
    chosen = cache.choose(wanted)
    before = size_of(cache_root())
    removal = cache.remove(chosen)
    assert [e.kind for e in cache.entries()] == left
    assert before - size_of(cache_root()) == removal.bytes > 0
    assert removal.sentences() == [f"freed {cache.amount(removal.bytes)} ({len(chosen)} of {len(chosen)})"]


def test_all_is_removed_and_nothing_that_is_not_ours(full, samples):
    cache.remove(cache.entries())
    assert cache.entries() == []
    assert (cache_root() / "else" / "photo.jpg").read_bytes() == b"mine"
    assert pictures.view(samples, "weak", 8).folder == full["view"].folder, "it is made again"


def test_a_dry_run_removes_nothing(full):
    before = cache.entries()
    removal = cache.remove(before, dry_run=True)
    assert cache.entries() == before
    assert removal.bytes == sum(e.bytes for e in before)
    assert removal.sentences() == [f"would free {cache.amount(removal.bytes)} (5 of 5)"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_running_process_has_locked_stays(full, dry_run):
    name = full["view"].name
    with FileLock(cache_root() / "views" / ".locks" / name):
        removal = cache.remove(cache.entries(), dry_run)
        assert [e.name for e in removal.kept] == [name]
        assert full["view"].folder.exists()
    assert removal.sentences()[0] == f"{name} stays: a running process works at it"
    assert removal.sentences()[1].endswith(" (4 of 5)")


def test_an_unknown_name_is_refused_and_nothing_removed(full):
    with pytest.raises(UsageError, match=r"cache \S+ has no view-000; `bench data cache list` shows"):
        cache.choose(["hashes", "view-000"])
    assert len(cache.entries()) == 5


def test_a_damaged_artifact_is_listed_and_removed(full):
    (full["view"].folder / "manifest.json").write_text("{")
    damaged = cache.choose([full["view"].name])
    assert [(e.kind, e.dataset, e.count) for e in damaged] == [("views", "", None)]
    cache.remove(damaged)
    assert not full["view"].folder.exists()


def test_what_cannot_be_removed_is_named(full, monkeypatch):
    def refused(path, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache.shutil, "rmtree", refused)
    with pytest.raises(MachineError, match=rf"{full['view'].name} cannot be removed \(Permission denied\); check its"):
        cache.remove(cache.choose(["views"]))


def test_a_link_is_removed_and_not_what_it_leads_to(samples, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("x")
    (cache_root() / "views").mkdir(parents=True)
    (cache_root() / "views" / "view-link").symlink_to(tmp_path / "elsewhere")
    cache.remove(cache.entries())
    assert cache.entries() == []
    assert (tmp_path / "elsewhere" / "kept").exists()
