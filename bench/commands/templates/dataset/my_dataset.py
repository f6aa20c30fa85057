"""my_dataset: pictures in images/, masks of some of them in masks/, and a table that says which is what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bench import DataError, Dataset, Item, Pixels, Task, hookimpl
from bench.data_tables import read_table
from bench.files import read_image, read_mask

TABLE = "images.csv"
COLUMNS = ("image", "label", "group", "split")


class MyDataset(Dataset):
    """Pictures with and without the object, outlines of some."""

    name: ClassVar[str] = "my_dataset"
    licence: ClassVar[str] = "not stated"
    publishable: ClassVar[bool] = False

    @property
    def task(self) -> Task:
        return Task(classes=("without", "with"), foreground=("object",), shows=(None, 0))

    def items(self, split: str) -> Sequence[Item]:
        rows = [row for _, row in read_table(self._root / TABLE, COLUMNS) if row["split"] == split]
        classes = self.task.classes
        return [Item(row["image"], (classes.index(row["label"]),), row["group"] or None) for row in rows]

    def image(self, item: Item) -> Pixels:
        return read_image(self._image(item))

    def mask(self, item: Item) -> Pixels | None:
        mask = self._mask(item)
        return read_mask(mask, self._image(item)) if mask.exists() else None

    def files(self, split: str) -> Sequence[Path]:
        items = self.items(split)
        masks = [self._mask(item) for item in items]
        return [*(self._image(item) for item in items), *(mask for mask in masks if mask.exists())]

    @property
    def _root(self) -> Path:
        if self.root is None:
            raise DataError("my_dataset has no folder; give it with --data-root")
        return self.root

    def _image(self, item: Item) -> Path:
        return self._root / "images" / f"{item.id}.png"

    def _mask(self, item: Item) -> Path:
        return self._root / "masks" / f"{item.id}.png"


@hookimpl
def bench_datasets() -> list[type[MyDataset]]:
    return [MyDataset]
