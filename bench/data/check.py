"""Everything that is wrong with a data set, at once: folders and tables, each picture and mask, and what images share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bench.ahead import read_ahead
from bench.api import Dataset, Item, Pixels
from bench.data.leaks import apart, leaks
from bench.data.samples import file_digests
from bench.duplicates import ABOVE, pairs, thumbnail
from bench.errors import DataError
from bench.faults import KINDS, Fault
from bench.protocol import SPLITS
from bench.thresholds import IGNORED

Progress = Callable[[str, int, int], None]
"""What is being done, how many are done, of how many."""


class Looked(NamedTuple):
    """What one image came to: its faults, and its thumbnail if it could be read."""

    faults: tuple[Fault, ...]
    thumbnail: Pixels | None


@dataclass
class Report:
    """What `bench data check` found. `lookalikes`: pairs of near-duplicates by the splits that they lie in."""

    dataset: str
    images: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    lookalikes: dict[str, int] = field(default_factory=dict)

    @property
    def blocking(self) -> list[Fault]:
        """The faults that stop a run."""
        return [fault for fault in self.faults if fault.blocks]

    def to_json(self) -> dict[str, Any]:
        """The whole report as plain values."""
        faults = [fault._asdict() for fault in self.faults]
        counts = dict(sorted(Counter(fault.kind for fault in self.faults).items()))
        return {
            "dataset": self.dataset,
            "images": self.images,
            "near_duplicate_pairs": self.lookalikes,
            "counts": counts,
            "faults": faults,
        }


def check(dataset: Dataset, report: Progress = lambda *_: None) -> Report:
    """Read everything and list all faults. Nothing stops it: what cannot be listed because of a fault is left out."""
    lenient = type(dataset).model_validate({**dict(dataset), "accept": tuple(KINDS)})
    found = Report(dataset.name, faults=list(lenient.faults()))
    try:
        splits = {split: tuple(lenient.items(split)) for split in SPLITS}
    except DataError as error:
        if not found.blocking:
            found.faults.append(Fault(error.kind, str(dataset.root or dataset.name), str(error)))
        return found
    found.images = {split: len(items) for split, items in splits.items()}
    looked = [
        (split, item, one) for split, items in splits.items() for item, one in _look(lenient, split, items, report)
    ]
    found.faults += [fault for *_, one in looked for fault in one.faults]
    found.faults += leaks(
        splits, {split: _image_digests(lenient, split, len(items)) for split, items in splits.items()}
    )
    report("near duplicates", 0, 0)
    _compare([(split, item, one.thumbnail) for split, item, one in looked if one.thumbnail is not None], found)
    return found


def _look(dataset: Dataset, split: str, items: Sequence[Item], report: Progress) -> Iterator[tuple[Item, Looked]]:
    """Open every picture and mask of a split, a few at a time."""
    looked = read_ahead(lambda item: look(dataset, item), items)
    for number, (item, one) in enumerate(zip(items, looked, strict=True), 1):
        report(f"reading {split}", number, len(items))
        yield item, one


def look(dataset: Dataset, item: Item) -> Looked:
    """One picture and its mask, read."""
    faults: list[Fault] = []
    picture = mask = None
    try:
        picture = dataset.image(item)
        mask = dataset.mask(item)
    except DataError as error:
        faults.append(Fault(error.kind, item.id, str(error)))
    if picture is not None and mask is not None:
        faults += _misfit(dataset, item, picture, mask)
    return Looked(tuple(faults), None if picture is None else thumbnail(picture))


def _misfit(dataset: Dataset, item: Item, picture: Pixels, mask: Pixels) -> Iterator[Fault]:
    """What a data set should have refused by itself."""
    if mask.shape != picture.shape[1:]:
        text = f"the mask of {item.id} has {mask.shape[1]} x {mask.shape[0]} pixels and its image {picture.shape[2]} x {picture.shape[1]}"
        yield Fault("mask-size", item.id, f"{text}; replace the one that was resized")
    known = [*range(len(dataset.task.foreground) + 1), IGNORED]
    strange = np.setdiff1d(np.unique(mask), known)
    if len(strange):
        text = f"the mask of {item.id} has the value {strange[0]}; it takes {', '.join(map(str, known))}"
        yield Fault("mask-values", item.id, text)


def _image_digests(dataset: Dataset, split: str, count: int) -> list[str]:
    """sha256 of the image files of a split; empty for a generated data set."""
    files = [path for path in dataset.files(split)[:count] if path.is_file()]
    return file_digests(files) if len(files) == count else []


def _compare(seen: Sequence[tuple[str, Item, Pixels]], found: Report) -> None:
    """Near-duplicates: a fault where they lie in two splits, a count by splits for all."""
    if not seen:
        return
    counted: Counter[str] = Counter()
    for i, j in pairs(np.stack([thumb for *_, thumb in seen])):
        (split, one, _), (other_split, other, _) = seen[i], seen[j]
        counted[split if split == other_split else f"{split} and {other_split}"] += 1
        if apart(split, other_split):
            text = f"{one.id} ({split}) and {other.id} ({other_split}) look alike (thumbnails correlate above {ABOVE}); look at both"
            found.faults.append(Fault("near-duplicate", other.id, text, blocks=False))
    found.lookalikes = dict(sorted(counted.items()))
