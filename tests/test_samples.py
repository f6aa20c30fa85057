"""Which images a run uses, and the hashes that say so."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from bench import DataError, Dataset, Item, Task
from bench.data.samples import Samples, file_digests, first
from bench.protocol import QUICK, SMOKE, change


class Boxes(Dataset):
    """A few PNG files."""

    name: ClassVar[str] = "boxes"

    @property
    def task(self):
        return Task(classes=("a", "b"), foreground=("box",), shows=(0, None))

    def items(self, split):
        if split == "weak":
            return [Item(f"{n:03}", (int(n >= 40),), f"g{n // 2}") for n in range(50)]
        return [Item(f"{split}{n}", None) for n in range(4)] if split in ("val", "test", "masks") else []

    def image(self, item):
        return np.full((3, 8, 12), 7, np.uint8)

    def mask(self, item):
        mask = np.zeros((8, 12), np.uint8)
        mask[2:4, 3:6] = 1
        return mask

    def files(self, split):
        return [self.root / "one.png"] if split == "test" else []


@pytest.fixture
def boxes(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "one.png")
    return Boxes(root=tmp_path)


def test_caps_take_a_fixed_subset_in_the_old_order(boxes):
    protocol = change(QUICK, {"class_cap": "12", "weak_images": "20"})
    chosen = Samples(boxes, protocol)["weak"]
    counts = Counter(item.labels for item in chosen)
    assert len(chosen) == 20
    assert max(counts.values()) <= 12
    assert [i.id for i in chosen] == sorted(i.id for i in chosen)
    assert chosen == Samples(boxes, protocol)["weak"]
    larger = Samples(boxes, change(protocol, {"weak_images": "22"}))["weak"]
    assert set(chosen) <= set(larger)


def test_no_cap_takes_all(boxes):
    assert len(Samples(boxes, change(QUICK, {"class_cap": "none", "weak_images": "none"}))["weak"]) == 50


def test_the_fingerprint_knows_bytes_labels_settings_and_not_the_place(boxes, tmp_path):
    before = Samples(boxes, SMOKE).fingerprint
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "one.png").rename(elsewhere / "one.png")
    assert Samples(Boxes(root=elsewhere), SMOKE).fingerprint == before
    assert Samples(Boxes(root=elsewhere, label="reduced"), SMOKE).fingerprint != before
    Image.new("L", (4, 4), 1).save(elsewhere / "one.png")
    os.utime(elsewhere / "one.png", ns=(1, 1))
    assert Samples(Boxes(root=elsewhere), SMOKE).fingerprint != before


def test_of_the_protocol_only_the_size_of_views_is_in_the_fingerprint(boxes):
    assert Samples(boxes, SMOKE).fingerprint == Samples(boxes, change(QUICK, {"size": "64"})).fingerprint
    assert Samples(boxes, SMOKE).fingerprint != Samples(boxes, QUICK).fingerprint


def test_files_are_hashed_once(tmp_path, monkeypatch):
    file = tmp_path / "abc.txt"
    file.write_text("abc")
    expected = ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
    assert file_digests([file]) == expected
    monkeypatch.setattr("bench.data.samples.file_digest", lambda path: pytest.fail("read again"))
    assert file_digests([file]) == expected


def test_two_files_of_one_name_are_two_files(tmp_path):
    files = [tmp_path / folder / "a.bmp" for folder in ("images", "masks")]
    for file, text in zip(files, ("abc", "abd"), strict=True):
        file.parent.mkdir()
        file.write_text(text)
        os.utime(file, ns=(1, 1))
    assert len(set(file_digests(files))) == 2


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png cannot be read"):
        file_digests([tmp_path / "gone.png"])


def test_masks_are_the_first_of_a_seeded_permutation():
    items = [Item(str(n), None) for n in range(100)]
    assert set(first(items, 5, seed=1)) < set(first(items, 20, seed=1))
    assert first(items, 5, seed=1) != first(items, 5, seed=2)
    assert first(items, None, seed=1) == first(items, 100, seed=3) == list(range(100))
    with pytest.raises(DataError, match="200 masks were asked for and the split has 100"):
        first(items, 200, seed=0)


def test_clusters_are_groups_else_images(boxes):
    samples = Samples(boxes, change(QUICK, {"class_cap": "none"}))
    assert len(set(samples.clusters("weak"))) == 25
    assert samples.clusters("test") == ["test0", "test1", "test2", "test3"]


def test_a_data_set_without_weak_images_is_refused(tmp_path):
    class Empty(Boxes):
        name: ClassVar[str] = "empty"

        def items(self, split):
            return []

        def files(self, split) -> list[Path]:
            return []

    with pytest.raises(DataError, match="empty has no weakly labelled images"):
        Samples(Empty(), SMOKE)
