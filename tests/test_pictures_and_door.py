"""Views hold pictures and labels and nothing else; masks come through the door."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import signal
import threading
import time
import weakref
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from bench import DataError, Dataset, Item, Task, disk
from bench.data import decoding, pictures
from bench.data.door import Door
from bench.data.samples import Samples
from bench.errors import MachineError
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE
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
    assert [known.mask.shape for known in Door(samples).truths("test")] == [(30 + n, 40) for n in range(6)]


def test_a_missing_mask_stops_before_anything_trains(samples):
    Door(samples).check()
    flawed = Samples(Noise(flaw="p4"), SMOKE)
    with pytest.raises(DataError, match="image val-p4 of data set noise has no mask"):
        Door(flawed).check()


def test_masks_are_checked_once(samples, monkeypatch):
    Door(samples).check()
    monkeypatch.setattr(Door, "truths", lambda *_: pytest.fail("opened again"))
    Door(samples).check()


class Many(Noise):
    """Twenty pictures that leave a line in a file when they are opened; one can be the end of the process."""

    name: ClassVar[str] = "many"
    deadly: ClassVar[str] = ""
    opened: ClassVar[object] = None
    alive: ClassVar[list[int]] = [0, 0]
    guard: ClassVar[threading.Lock] = threading.Lock()

    def items(self, split):
        return [Item(f"{split}-{n}", (n % 3,) if split.startswith("weak") else None) for n in range(20)]

    def image(self, item):
        if item.id == self.deadly:
            time.sleep(0.05)  # the pictures beside it may end first
            os.kill(os.getpid(), signal.SIGKILL)
        with self.opened.open("a") as file:
            file.write(item.id + "\n")
        picture = np.random.default_rng(int(item.id.split("-")[1])).integers(0, 256, (3, 16, 16), dtype=np.uint8)
        self._count(1)
        weakref.finalize(picture, self._count, -1)
        time.sleep(0.002)
        return picture

    @classmethod
    def _count(cls, change):
        with cls.guard:
            cls.alive[0] += change
            cls.alive[1] = max(cls.alive)


@pytest.fixture
def many(tmp_path, monkeypatch):
    """The data set, decoded by three threads, four pictures between two notes."""
    monkeypatch.setattr(Many, "opened", tmp_path / "opened.txt")
    monkeypatch.setattr(Many, "deadly", "")
    monkeypatch.setattr(Many, "alive", [0, 0])
    monkeypatch.setattr(decoding, "CHUNK", 4)
    monkeypatch.setattr(decoding, "THREADS", 3)

    def place(name):
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path / name))
        return Samples(Many(), SMOKE)

    return place


def opened():
    return Many.opened.read_text().split() if Many.opened.exists() else []


def in_children(work, count=1):
    """Run it in processes of their own; their exit codes."""
    children = [multiprocessing.get_context("fork").Process(target=work) for _ in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    return [child.exitcode for child in children]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_killed_decoding_goes_on_and_ends_in_the_same_bytes(many, monkeypatch):
    samples = many("killed")
    monkeypatch.setattr(Many, "deadly", "weak-13")
    assert in_children(lambda: pictures.view(samples, "weak", 16)) == [-signal.SIGKILL]
    monkeypatch.setattr(Many, "deadly", "")
    before, said = len(opened()), []
    killed = pictures.view(samples, "weak", 16, report=lambda *told: said.append(told)).folder
    there = next(n for n in (8, 12) if f"({n} are there)" in said[0][0])  # the last note may have been on its way
    assert sorted(opened()[before:]) == sorted(f"weak-{n}" for n in range(there, 20))
    assert said[0] == (f"decoding many, weak: 20 pictures, 15.4 kB ({there} are there)", 0, 0)
    assert said[1:] == [("", n, 20) for n in range(there + 1, 21)]
    whole = pictures.view(many("whole"), "weak", 16).folder
    assert sorted(p.name for p in killed.iterdir()) == ["images.npy", "labels.npy", "manifest.json"]
    for name in ("images.npy", "labels.npy"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_runs_at_once_decode_once(many):
    samples = many("cache")
    assert in_children(lambda: pictures.view(samples, "weak", 16), count=2) == [0, 0]
    assert sorted(opened()) == sorted(item.id for item in samples["weak"])


def test_only_a_few_pictures_are_in_memory_at_a_time(many):
    pictures.view(many("cache"), "weak", 16)
    assert len(opened()) == 20
    assert 1 <= Many.alive[1] <= 3, "one a thread"


def test_what_is_decoded_is_said_before_and_once(many):
    samples, said = many("cache"), []
    pictures.view(samples, "val", 16, report=lambda *told: said.append((len(opened()), *told)))
    assert said[0] == (0, "decoding many, val: 20 pictures, 15.4 kB", 0, 0)
    assert [told[1:] for told in said[1:]] == [("", n, 20) for n in range(1, 21)]
    said.clear()
    pictures.view(samples, "val", 16, report=lambda *told: said.append(told))
    assert said == []


def test_a_full_disk_is_told_before(many, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000))
    with pytest.raises(
        MachineError,
        match=r"decoding many, val: 20 pictures, 15\.4 kB, but \S+cache has only 2\.0 kB free; make room there, or .* BENCH_CACHE",
    ):
        pictures.view(many("cache"), "val", 16)
    assert opened() == []


def test_a_disk_that_fills_up_meanwhile_is_told(many, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.store.os.posix_fallocate", full)
    with pytest.raises(MachineError, match=r"images\.npy could not be written \(.*No space left"):
        pictures.view(many("cache"), "val", 16)


def test_no_picture_is_decoded_for_a_second_view_of_its_split(many):
    samples = many("cache")
    whole = np.load(pictures.view(samples, "weak", 16).folder / "images.npy")
    shuffled = np.load(pictures.view(samples, "weak", 16, "shuffled").folder / "images.npy")
    part = np.load(pictures.view(samples, "weak", 16, numbers=[7, 3]).folder / "images.npy")
    assert len(opened()) == 20
    assert np.array_equal(shuffled, whole)
    assert np.array_equal(part, whole[[7, 3]])


def test_a_picture_that_its_data_set_cannot_open_is_named(many, monkeypatch):
    def broken(self, item):
        raise OSError("truncated")

    monkeypatch.setattr(Many, "image", broken)
    with pytest.raises(DataError, match=r"image val-0 of data set many cannot be read \(truncated\); replace it"):
        pictures.view(many("cache"), "val", 16)


def test_the_key_of_a_view_is_what_it_was(samples):
    inputs = {
        "dataset": {"name": "noise", "version": 1, "settings": {"flaw": ""}},
        "split": "val",
        "content": samples.hashes["val"],
        "items": [[f"val-p{n}", None] for n in range(6)],
        "size": 16,
        "labels": "none",
    }
    text = json.dumps({"inputs": inputs, "kind": "view"}, sort_keys=True, separators=(",", ":"))
    assert pictures.view(samples, "val", 16).name == f"view-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_a_bar_and_a_file_nothing(many, terminal, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", str(int(terminal)))
    monkeypatch.setenv("TTY_INTERACTIVE", str(int(terminal)))
    display = Display(RunRequest(("otsu",), ("synthetic",), SMOKE))
    display.errors.file = io.StringIO()
    with display:
        pictures.view(many("cache"), "val", 16, report=display.note)
        display.note("", 3, 20)
        display.progress.refresh()
    text = display.errors.file.getvalue()
    assert ("decoding many, val: 20 pictures" in text, " 3/20" in text) == (terminal, terminal)
    assert terminal or not text
