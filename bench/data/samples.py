"""Which images a run uses: the splits of a data set under a protocol's caps, and hashes that say which they were."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.api import Dataset, Item
from bench.data.leaks import leaks
from bench.errors import DataError
from bench.faults import refuse, stamp
from bench.protocol import SPLITS, Protocol
from bench.store import cache_root, digest, file_digest, write_json

LABELLED = ("weak", "weak_heldout")


class Samples:
    """The images of each split for one data set and protocol."""

    def __init__(self, dataset: Dataset, protocol: Protocol) -> None:
        self.dataset = dataset
        self.size = protocol.size
        self.splits: dict[str, tuple[Item, ...]] = {name: tuple(dataset.items(name)) for name in SPLITS}
        digests = {name: file_digests(dataset.files(name)) for name in SPLITS}
        self.hashes = {name: split_hash(items, digests[name]) for name, items in self.splits.items()}
        self.faults = [*dataset.faults(), *leaks(self.splits, digests)]
        refuse(self.faults, dataset.accept, dataset.name)
        chosen = _capped(protocol, [(s, item) for s in LABELLED for item in self.splits[s]])
        for name in LABELLED:
            self.splits[name] = tuple(item for split, item in chosen if split == name)
        if not self.splits["weak"]:
            raise DataError(
                f"data set {dataset.name} has no weakly labelled images to train on (with protocol {protocol.title})"
            )

    def __getitem__(self, split: str) -> tuple[Item, ...]:
        return self.splits[split]

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits for the data as it is looked at: settings, ids, labels, groups, bytes of every split, size of views."""
        view = ["squash", self.size]
        return digest(
            {"dataset": identity(self.dataset), "label": self.dataset.label, "splits": self.hashes, "view": view}
        )

    @property
    def accepted(self) -> str:
        """What a row says of the faults that the run was told to accept."""
        return stamp(self.faults, self.dataset.accept)

    def clusters(self, split: str) -> list[str]:
        """The independent unit of each image: its group, else itself."""
        return [item.group or item.id for item in self.splits[split]]


def identity(dataset: Dataset) -> dict[str, object]:
    """A data set without the places where it lies and without its label: what decides its pixels."""
    places = {name for name, field in type(dataset).model_fields.items() if field.annotation in (Path, Path | None)}
    settings = dataset.model_dump(mode="json", exclude={"label", *places})
    if not dataset.accept:
        del settings["accept"]  # a data set without accepted faults is the one that it was before there were any
    return {"name": dataset.name, "version": dataset.version, "settings": settings}


def first(items: Sequence[Item], count: int | None, seed: int) -> list[int]:
    """The numbers of the first `count` of a seeded permutation, ascending; all where count is None."""
    if count is None or count >= len(items):
        if count is not None and count > len(items):
            raise DataError(
                f"{count} masks were asked for and the split has {len(items)}; set count to at most {len(items)}"
            )
        return list(range(len(items)))
    order = list(range(len(items)))
    random.Random(f"masks {seed}").shuffle(order)
    return sorted(order[:count])


def _capped(protocol: Protocol, items: list[tuple[str, Item]]) -> list[tuple[str, Item]]:
    """At most `class_cap` images of a class and `weak_images` in all, the first of a seeded permutation, in the old order."""
    order = list(range(len(items)))
    random.Random("weak images").shuffle(order)
    seen: Counter[tuple[int, ...] | None] = Counter()
    kept = []
    for number in order:
        labels = items[number][1].labels
        seen[labels] += 1
        if protocol.class_cap is None or seen[labels] <= protocol.class_cap:
            kept.append(number)
    return [items[number] for number in sorted(kept[: protocol.weak_images])]


def split_hash(items: Sequence[Item], digests: Sequence[str]) -> str:
    """sha256 over the ids, labels and groups of a split and the sha256 of its files, in order."""
    whole = hashlib.sha256()
    for item in items:
        whole.update(json.dumps([item.id, item.labels, item.group]).encode() + b"\n")
    for name in digests:
        whole.update(name.encode() + b"\n")
    return whole.hexdigest()


def file_digests(files: Sequence[Path]) -> list[str]:
    """sha256 of each file; remembered in the cache by place, size and time of change, so that a second run reads none."""
    if not files:
        return []
    place = cache_root() / "hashes" / f"{digest(str(files[0].parent.resolve()))}-{len(files)}.json"
    known = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    stamps = [_stamp(path) for path in files]
    missing = [(stamp, path) for stamp, path in zip(stamps, files, strict=True) if stamp not in known]
    if missing:
        with ThreadPoolExecutor(4) as pool:
            fresh = pool.map(file_digest, [path for _, path in missing])
            known = {s: d for s, d in known.items() if s in set(stamps)} | dict(
                zip([s for s, _ in missing], fresh, strict=True)
            )
        write_json(place, known)
    return [known[stamp] for stamp in stamps]


def _stamp(path: Path) -> str:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); put the file back or fix its rights") from None
    return f"{path} {state.st_size} {state.st_mtime_ns}"
