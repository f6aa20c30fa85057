"""The tables of a user's own folder: labels, groups and splits of its images."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.data_tables import Table, collect_rows
from bench.faults import Fault
from bench.files import ID_RULE, is_id, link_out

IMAGES, MASKS, LABELS, GROUPS, SPLITS = "images", "masks", "labels.csv", "groups.csv", "splits.csv"
LEARNED, SCORED = ("weak", "weak_heldout"), ("masks", "val", "test")


@dataclass
class Contents:
    """What lies in a folder, by image id; `splits` is None where they are to be drawn."""

    pictures: dict[str, Path] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] | None = None
    faults: list[Fault] = field(default_factory=list)

    @property
    def used(self) -> set[str]:
        """The images that something is known of."""
        return {*self.labels, *self.masks}

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label that an image has, sorted."""
        return tuple(sorted({name for names in self.labels.values() for name in names}))

    def truth(self, image: str, absent: Collection[str]) -> bool:
        """Whether it is known where the object is: from a mask, or since its labels say that it is nowhere."""
        return image in self.masks or (image in self.labels and set(self.labels[image]) <= set(absent))


class Cell(NamedTuple):
    """What a row says of an image; `known`: there is such an image."""

    line: int
    image: str
    value: str
    known: bool


class Column(NamedTuple):
    """The cells of a table that can be used, and every image that it names in any row."""

    cells: list[Cell]
    named: set[str]


def read_labels(path: Path, found: Contents) -> None:
    """The labels of each image: from several rows, or between semicolons."""
    column, every = _read_column(path, "label", found), dict[str, set[str]]()
    for cell in column.cells:
        names = {name.strip() for name in cell.value.split(";")} - {""}
        if not names:
            _table_fault(path, f"line {cell.line} names no label for {cell.image}; fill it in", found)
        every.setdefault(cell.image, set()).update(names)
    found.labels = {i: tuple(sorted(names)) for i, names in every.items() if i in found.pictures and names}
    lost = set[str]().union(*every.values()) - set[str]().union(*found.labels.values())
    for name in sorted(lost) if found.pictures else ():
        text = f"{path} has the class {name} and none of its images is there; put one there or remove its rows"
        found.faults.append(Fault("empty-class", name, text))
    rest = found.pictures.keys() - column.named - found.masks.keys() if column.named else ()
    remedy = f"which has no mask either; add a row to {path.name} or remove the image"
    _missing("missing-label", rest, f"{path} has no row for the image {{}}, {remedy}", found)


def read_groups(path: Path, found: Contents) -> None:
    """The group of each image that has a row."""
    found.groups = _one_each(path, "group", _read_column(path, "group", found), found)


def read_splits(path: Path, absent: Collection[str], found: Contents) -> None:
    """The split of each image that can be in it: with a label where methods learn, with a mask (or no object) where they are scored."""
    column = _read_column(path, "split", found)
    splits = _one_each(path, "split", column, found)
    for i in [i for i, split in splits.items() if split not in (*LEARNED, *SCORED)]:
        hint = near(splits[i], (*LEARNED, *SCORED))
        _table_fault(
            path, f"puts {i} into the split {splits.pop(i)}{hint}; splits are {', '.join((*LEARNED, *SCORED))}", found
        )
    rest = found.used - column.named if column.named else ()
    _missing("missing-label", rest, f"{path} has no row for the image {{}}; add one or remove the image", found)
    splits = {i: split for i, split in splits.items() if i in found.used}
    blank = {i for i, split in splits.items() if split in LEARNED and i not in found.labels}
    text = (
        f"{path} puts {{}} among the images to learn from and {LABELS} has no row for it; add one or change the split"
    )
    _missing("missing-label", blank, text, found)
    bare = {i for i, split in splits.items() if split in SCORED and not found.truth(i, absent)}
    text = f"{path} puts {{}} among the images with masks and there is no {MASKS}/{{}}.png; add it or change the split"
    _missing("missing-mask", bare, text, found)
    found.splits = {i: split for i, split in splits.items() if i not in blank | bare}


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?` for a name like `word`."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def meant(name: str, known: Collection[str]) -> str:
    """The same for images, of which there may be many: another case, or the name without what follows its last _ - or dot."""
    others = (name.lower(), name.upper(), name.capitalize(), *(name.rpartition(mark)[0] for mark in "_-."))
    return next((f"; did you mean {other}?" for other in others if other in known), "")


def _one_each(path: Path, name: str, column: Column, found: Contents) -> dict[str, str]:
    """One value for each image; an image with two of them is a fault."""
    values = dict[str, str]()
    for cell in column.cells:
        first = values.setdefault(cell.image, cell.value) if cell.known else cell.value
        if first != cell.value:
            text = f"{path} line {cell.line} gives {cell.image} the {name} {cell.value} after {first}; remove one of the rows"
            found.faults.append(Fault("duplicate-id", cell.image, text))
    return values


def _read_column(path: Path, name: str, found: Contents) -> Column:
    """The rows of a table that name an image (by id or file name) and give it a value."""
    found.faults.extend(link_out(path, path.parent))
    table = collect_rows(path, ("image", name), found.faults)
    _unread_columns(path, table, name, found)
    ids = {**{picture.name: i for i, picture in found.pictures.items()}, **{i: i for i in found.pictures}}
    cells, named = list[Cell](), {ids.get(text, text) for text in table.torn}
    for line, row in table.rows:
        cell = Cell(line, ids.get(row["image"], row["image"]), row[name], row["image"] in ids)
        named.add(cell.image)
        if _usable(path, name, cell, found):
            cells.append(cell)
    return Column(cells, named)


def _unread_columns(path: Path, table: Table, name: str, found: Contents) -> None:
    others = [other for other in (table.rows[0][1] if table.rows else ()) if other not in ("image", name, "")]
    if others:
        text = f"{path} has the column {', '.join(others)}, which is not read; its columns are image,{name}"
        found.faults.append(Fault("table", str(path), text, blocks=False))


def _usable(path: Path, name: str, cell: Cell, found: Contents) -> bool:
    if not cell.known and not is_id(cell.image):
        text = f"{path} line {cell.line} has the image {cell.image!r}; correct it: {ID_RULE}"
        found.faults.append(Fault("id", str(path), text))
        return False
    if not cell.value:
        return _table_fault(
            path, f"line {cell.line} names no {name} for {cell.image}; fill it in or remove the row", found
        )
    if not cell.value.isprintable():
        return _table_fault(
            path, f"line {cell.line} has the {name} {cell.value!r}; take out what cannot be printed", found
        )
    if not cell.known and found.pictures:  # without any picture each row would be a fault
        text = f"{path.parent / IMAGES} has no image for the row {cell.image} ({path.name} line {cell.line})"
        remedy = f"{meant(cell.image, found.pictures)}; add the image or remove the row"
        found.faults.append(Fault("missing-image", cell.image, text + remedy))
    return True


def _table_fault(path: Path, text: str, found: Contents) -> bool:
    """Note a fault of a row, which cannot be used then."""
    found.faults.append(Fault("table", str(path), f"{path} {text}"))
    return False


def _missing(kind: str, images: Iterable[str], text: str, found: Contents) -> None:
    found.faults.extend(Fault(kind, i, text.replace("{}", i)) for i in sorted(images))
