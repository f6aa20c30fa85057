"""Views hold pictures and labels and nothing else; masks come through the door."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from bench import DataError, Dataset, Item, Task, pictures
from bench.door import Door
from bench.protocol import SMOKE
from bench.samples import Samples
from bench.view import Joined, View

RNG = np.random.default_rng(3)
PICTURES = {f"p{n}": RNG.integers(0, 256, (3, 30 + n, 40), dtype=np.uint8) for n in range(6)}


class Noise(Dataset):
    """Pictures of noise, each with a lesion in its own corner."""

    name: ClassVar[str] = "noise"
    decoded: ClassVar[list[str]] = []
    flaw: str = ""

    @property
    def task(self):
        return Task(classes=("a", "b", "c"), foreground=("x",), shows=(0, 0, 0))

    def items(self, split):
        labels = split.startswith("weak")
        return [Item(f"{split}-{name}", (n % 3,) if labels else None) for n, name in enumerate(PICTURES)]

    def image(self, item):
        self.decoded.append(item.id)
        return PICTURES[item.id.split("-")[1]]

    def mask(self, item):
        if item.id == f"val-{self.flaw}":
            return None
        mask = np.zeros(PICTURES[item.id.split("-")[1]].shape[1:], np.uint8)
        mask[: 3 + int(item.id[-1]), :5] = 1
        return mask


@pytest.fixture
def samples(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return Samples(Noise(), SMOKE)


def test_a_view_equals_pillow_and_is_decoded_once(samples):
    Noise.decoded.clear()
    folder = pictures.view(samples, "weak", 16).folder
    pictures.view(samples, "weak", 16)
    view = View.open(folder, samples.dataset.task)
    assert sorted(Noise.decoded) == sorted(i.id for i in samples["weak"])
    for number, name in enumerate(PICTURES):
        expected = Image.fromarray(PICTURES[name].transpose(1, 2, 0)).resize((16, 16), Image.Resampling.BILINEAR)
        assert np.array_equal(view.pictures[number], np.asarray(expected).transpose(2, 0, 1))


def test_a_view_tells_no_id_and_no_place(samples):
    folder = pictures.view(samples, "weak", 16).folder
    assert sorted(p.name for p in folder.iterdir()) == ["images.npy", "labels.npy", "manifest.json"]
    assert all(b"p3" not in (folder / name).read_bytes() for name in ("labels.npy",))


def test_images_come_as_floats_and_labels_one_hot(samples):
    view = View.open(pictures.view(samples, "weak", 16).folder, samples.dataset.task)
    images, labels = next(view.batches([torch.tensor([4, 1])]))
    assert images.dtype == torch.float32
    assert torch.equal(images[0], torch.from_numpy(np.array(view.pictures[4])).float() / 255)
    assert labels.tolist() == [[False, True, False], [False, True, False]]


def test_test_images_have_no_labels(samples):
    view = View.open(pictures.view(samples, "test", 16).folder, samples.dataset.task)
    assert view.labels is None
    with pytest.raises(ValueError, match="no labels"):
        next(view.batches([torch.tensor([0])]))


def test_labels_of_test_images_stay_outside_even_where_a_data_set_has_them(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))

    class Labelled(Noise):
        def items(self, split):
            return [item._replace(labels=(0,)) for item in super().items(split)]

    samples = Samples(Labelled(), SMOKE)
    for split, known in (("weak", True), ("weak_heldout", True), ("masks", False), ("val", False), ("test", False)):
        assert (pictures.view(samples, split, 16).folder / "labels.npy").exists() == known


def test_shuffled_labels_are_the_same_labels_on_other_images(samples):
    true = np.load(pictures.view(samples, "weak", 16).folder / "labels.npy")
    shuffled = np.load(pictures.view(samples, "weak", 16, "shuffled").folder / "labels.npy")
    assert np.array_equal(true.sum(0), shuffled.sum(0))
    assert not np.array_equal(true, shuffled)


def test_part_of_a_split(samples):
    part = View.open(pictures.view(samples, "masks", 16, numbers=[1, 4]).folder, samples.dataset.task)
    whole = View.open(pictures.view(samples, "masks", 16).folder, samples.dataset.task)
    assert np.array_equal(part.pictures, whole.pictures[[1, 4]])


def test_joined_views_are_one_without_a_copy(samples):
    stacks = [View.open(pictures.view(samples, s, 16).folder, samples.dataset.task).pictures for s in ("weak", "val")]
    joined = Joined(stacks)
    chosen = np.array([11, 0, 6, 5])
    assert len(joined) == 12
    assert np.array_equal(joined[chosen], np.concatenate(stacks)[chosen])


def test_masks_for_training_are_the_nearest_pixels(samples):
    folder = Door(samples).masks("masks", [2, 0], 16).folder
    masks = np.load(folder / "masks.npy")
    for mask, number in zip(masks, (2, 0), strict=True):
        native = samples.dataset.mask(samples["masks"][number])
        rows = ((np.arange(16) + 0.5) * native.shape[0] / 16).astype(int)
        columns = ((np.arange(16) + 0.5) * native.shape[1] / 16).astype(int)
        assert np.array_equal(mask, native[rows][:, columns])
    assert folder.parent.name == "masks"


def test_native_masks_in_order(samples):
    assert [m.shape for m in Door(samples).native("test")] == [(30 + n, 40) for n in range(6)]


def test_a_missing_mask_stops_before_anything_trains(samples):
    Door(samples).check()
    flawed = Samples(Noise(flaw="p4"), SMOKE)
    with pytest.raises(DataError, match="image val-p4 of data set noise has no mask"):
        Door(flawed).check()


def test_masks_are_checked_once(samples, monkeypatch):
    Door(samples).check()
    monkeypatch.setattr(Door, "native", lambda *_: pytest.fail("opened again"))
    Door(samples).check()
