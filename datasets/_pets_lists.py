"""The lists of the Oxford-IIIT Pet set, `trainval.txt` and `test.txt`, checked before torchvision's loader reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.faults import Fault
from bench.files import ID_RULE, is_id, link_out

FOLDER = "oxford-iiit-pet"
IMAGES, LISTS, TRIMAPS = "images", "annotations", "annotations/trimaps"
OFFICIAL = {"trainval": 3_680, "test": 3_669}


def check_lists(root: Path) -> list[Fault]:
    """Everything that is wrong with folders and lists; pictures that no list names (there are some) do no harm."""
    base = root / FOLDER
    missing = [name for name in (IMAGES, LISTS, TRIMAPS) if not (base / name).is_dir()]
    missing += [f"{LISTS}/{name}.txt" for name in OFFICIAL if not (base / LISTS / f"{name}.txt").is_file()]
    if missing:
        text = f"{base} has no {', '.join(missing)}; get it with `bench data get oxford_pets`, or extract both archives there"
        return [Fault("layout", str(base), text)]
    homes: dict[str, str] = {}
    return [fault for name in OFFICIAL for fault in _check_list(root, name, homes)]


def _check_list(root: Path, name: str, homes: dict[str, str]) -> Iterator[Fault]:
    file = root / FOLDER / LISTS / f"{name}.txt"
    lines = [line.split() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    for number, fields in enumerate(lines, 1):
        yield from _check_line(root, file, number, fields, homes)
    if len(lines) != OFFICIAL[name]:
        text = f"{file} lists {len(lines):,} pictures; the official one has {OFFICIAL[name]:,}"
        yield Fault("count", str(file), text, blocks=False)


def _check_line(root: Path, file: Path, number: int, fields: list[str], homes: dict[str, str]) -> Iterator[Fault]:
    """A line is name, breed (1 to 37), species (1 cat, 2 dog) and breed within the species."""
    place = f"{file} line {number}"
    if len(fields) != 4 or not all(text.isdecimal() for text in fields[1:]):
        yield Fault("table", str(file), f"{place} is not a name and three numbers; extract annotations.tar.gz again")
        return
    name, _, species, _ = fields
    if not is_id(name):
        yield Fault("id", name, f"{place} names {name[:200]!r}; extract annotations.tar.gz again: {ID_RULE}")
        return
    if species not in ("1", "2"):
        text = f"{place} gives {name} the species {species}; 1 is a cat and 2 a dog, extract annotations.tar.gz again"
        yield Fault("unknown-class", name, text)
    if name in homes:
        text = f"{place} lists {name} a second time, after {homes[name]}; remove one of the lines"
        yield Fault("duplicate-id", name, text)
    homes.setdefault(name, place)
    for kind, path, archive in (
        ("missing-image", root / FOLDER / IMAGES / f"{name}.jpg", "images"),
        ("missing-mask", root / FOLDER / TRIMAPS / f"{name}.png", "annotations"),
    ):
        if not path.is_file():
            yield Fault(kind, name, f"{path} is missing, {place} names it; extract {archive}.tar.gz again")
        elif path.is_symlink():
            yield from link_out(path, root)
