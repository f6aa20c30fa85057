"""What every data set promises (bench.api.Dataset), tried on a few of its images."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import Dataset, Item, Pixels
from bench.data.samples import LABELLED, Samples
from bench.errors import DataError, PluginError
from bench.evenly import evenly
from bench.faults import KINDS
from bench.files import ID_RULE, is_id
from bench.protocol import PAPER, SPLITS

HEAVY = ("torch", "torchvision", "pandas", "timm")


def check_dataset(dataset: Dataset, images: int = 5) -> None:
    """Hold a data set to the contract of bench.api.Dataset; PluginError names what is broken.

    Checked: items are the same again and in a fresh instance, ids are text that every file system takes, no image lies in two splits,
    labels exist in the task; `images` pictures and masks of each split, spread over it, have the right shape, type, size and values and are
    the same again; the files that are hashed are there; the fingerprint stays the same; the module starts without torch and pandas.
    """
    fresh = type(dataset).model_validate(dataset.model_dump(serialize_as_any=True))
    _starts_light(type(dataset))
    splits = {split: _items(dataset, fresh, split) for split in SPLITS}
    if not splits["weak"]:
        raise PluginError(f"{dataset.name}: items('weak') is empty; there is nothing to fit a method on")
    if not splits["test"]:
        raise PluginError(f"{dataset.name}: items('test') is empty; there is nothing to score on")
    _disjoint(dataset, splits)
    for split, items in splits.items():
        for item in evenly(items, images):
            _picture(dataset, fresh, split, item)
        _files(dataset, split, len(items))
    strange = [fault.kind for fault in dataset.faults() if fault.kind not in KINDS]
    if strange:
        raise PluginError(
            f"{dataset.name}: faults() names the kind {strange[0]}; bench.faults.KINDS has {', '.join(KINDS)}"
        )
    if Samples(dataset, PAPER).fingerprint != Samples(fresh, PAPER).fingerprint:
        raise PluginError(f"{dataset.name}: its fingerprint is another one in a fresh instance with the same settings")


def _starts_light(cls: type[Dataset]) -> None:
    """Imports at the top of the module: `bench list` and the planning of a run would pay for them."""
    file = inspect.getsourcefile(cls)
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body if file else ():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name.partition(".")[0] in HEAVY:
                raise PluginError(
                    f"{cls.name}: {file} line {node.lineno} imports {name} at its top; import it where it is used"
                )


def _items(dataset: Dataset, fresh: Dataset, split: str) -> list[Item]:
    items = list(dataset.items(split))
    where = f"{dataset.name}: items('{split}')"
    if items != list(dataset.items(split)) or items != list(fresh.items(split)):
        raise PluginError(f"{where} is another list when it is asked for again; sort the ids and draw from a seed")
    for item in items:
        if not isinstance(item, Item):
            raise PluginError(f"{where} holds {item!r}, not bench.Item")
        if not isinstance(item.id, str) or not is_id(item.id):
            raise PluginError(f"{where} has the id {item.id!r}; {ID_RULE}")
        _labels(dataset, item, split)
    return items


def _labels(dataset: Dataset, item: Item, split: str) -> None:
    where, known = f"{dataset.name}: image {item.id} of {split}", range(len(dataset.task.classes))
    if split in LABELLED and not item.labels:
        raise PluginError(f"{where} has no label; {split} is what methods learn from")
    if any(label not in known for label in item.labels or ()):
        raise PluginError(f"{where} has the labels {item.labels}; the task has {len(known)} classes")
    if dataset.task.exclusive and item.labels is not None and len(item.labels) != 1:
        raise PluginError(f"{where} has {len(item.labels)} labels; set exclusive=False in the task, or give it one")


def _disjoint(dataset: Dataset, splits: dict[str, list[Item]]) -> None:
    home: dict[str, str] = {}
    for split, items in splits.items():
        for item in items:
            other = home.setdefault(item.id, split)
            if other != split:
                raise PluginError(
                    f"{dataset.name}: image {item.id} lies in {other} and in {split}; an image belongs to one split"
                )
        if len({item.id for item in items}) < len(items):
            raise PluginError(f"{dataset.name}: items('{split}') names an id twice")


def _picture(dataset: Dataset, fresh: Dataset, split: str, item: Item) -> None:
    where = f"{dataset.name}: image {item.id} of {split}"
    picture, mask = _read(dataset, item)
    if not _is_uint8(picture, 3) or picture.shape[0] != 3:
        raise PluginError(f"{where} is {_looks(picture)}; image() gives (3, H, W) uint8")
    if mask is not None:
        _mask(dataset, where, picture, mask)
    again, mask_again = _read(fresh, item)
    if not np.array_equal(picture, again) or not np.array_equal(mask, mask_again):  # type: ignore[arg-type]
        raise PluginError(f"{where} is another picture or mask when it is read again")


def _read(dataset: Dataset, item: Item) -> tuple[Pixels, Pixels | None]:
    try:
        return dataset.image(item), dataset.mask(item)
    except DataError as error:
        raise PluginError(f"{dataset.name}: image {item.id} cannot be read: {error}") from error


def _mask(dataset: Dataset, where: str, picture: Pixels, mask: Pixels) -> None:
    if not _is_uint8(mask, 2) or mask.shape != picture.shape[1:]:
        raise PluginError(
            f"{where} has a mask that is {_looks(mask)}; mask() gives (H, W) uint8 at the image's size {picture.shape[1:]}"
        )
    known = [*range(len(dataset.task.foreground) + 1), 255]
    strange = np.setdiff1d(mask, known)
    if len(strange):
        raise PluginError(
            f"{where} has a mask with the value {strange[0]}; the task knows {', '.join(map(str, known))}"
        )


def _files(dataset: Dataset, split: str, count: int) -> None:
    files = list(dataset.files(split))
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise PluginError(f"{dataset.name}: files('{split}') names {missing[0]}, which is not there")
    if not dataset.embedded and len(files) < count:
        raise PluginError(
            f"{dataset.name}: files('{split}') names {len(files)} files for {count} images; all that decides pixels is hashed"
        )


def _is_uint8(value: Any, axes: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == axes


def _looks(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)[:60]
