"""What lies in a user's own folder: pictures, masks, tables, and everything that is wrong with them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection
from pathlib import Path

from bench.datasets._folder_tables import (
    GROUPS,
    IMAGES,
    LABELS,
    MASKS,
    SPLITS,
    Contents,
    meant,
    read_groups,
    read_labels,
    read_splits,
)
from bench.faults import KINDS, Fault
from bench.files import list_pictures

UNREAD = (".bmp", ".dcm", ".gif", ".heic", ".jp2", ".npy", ".tif", ".tiff", ".webp")
NEEDED = {IMAGES: "put the pictures there", LABELS: "write a table with the columns image,label"}


def read_folder(root: Path | None, absent: Collection[str]) -> Contents:
    """List and compare pictures, masks and tables; opens no picture and raises nothing. `absent`: classes that need no mask."""
    found = Contents()
    if root is None:
        text = "folder has no data folder: name it with --data-root FOLDER"
        found.faults.append(Fault("layout", "--data-root", text))
        return found
    present = _present(root, found.faults)
    if IMAGES in present:
        _read_pictures(root, found)
    if MASKS in present:
        _read_masks(root, found)
    if LABELS in present:
        read_labels(root / LABELS, found)
    if GROUPS in present:
        read_groups(root / GROUPS, found)
    if SPLITS in present:
        read_splits(root / SPLITS, absent, found)
    found.faults.sort(key=lambda fault: list(KINDS).index(fault.kind))  # what others may follow from stands first
    return found


def _present(root: Path, faults: list[Fault]) -> list[str]:
    """Which of the five names are there. One that is spelled otherwise is told: it would silently not be read."""
    try:
        names = sorted(os.listdir(root))
    except OSError as error:
        faults.append(Fault("layout", str(root), f"{root} cannot be listed ({error.strerror}); name another folder"))
        return []
    expected = (IMAGES, MASKS, LABELS, GROUPS, SPLITS)
    for name in [name for name in expected if name not in names]:
        close = [n for n in difflib.get_close_matches(name, names, 3) if n not in expected]
        if name in NEEDED:
            hint = f" (is it {close[0]}? call it {name})" if close else ""
            faults.append(Fault("layout", str(root / name), f"{root} has no {name}{hint}; {NEEDED[name]}"))
        elif close:
            text = f"{root / close[0]} is not read; if it is meant to be, call it {name}"
            faults.append(Fault("layout", str(root / close[0]), text, blocks=False))
    return [name for name in expected if name in names]


def _read_pictures(root: Path, found: Contents) -> None:
    folder = root / IMAGES
    found.pictures = list_pictures(folder, root, found.faults)
    unread = _unread(folder, UNREAD, "an 8-bit PNG")
    found.faults.extend(unread)
    if not found.pictures and not unread:
        text = f"{folder} holds no pictures; put .jpg or .png files directly into it, not into folders of classes"
        found.faults.append(Fault("layout", str(folder), text))


def _read_masks(root: Path, found: Contents) -> None:
    masks = list_pictures(root / MASKS, root, found.faults, (".png",))
    found.faults.extend(_unread(root / MASKS, (".jpg", ".jpeg", *UNREAD), "a PNG, which keeps its values"))
    found.masks = {i: path for i, path in masks.items() if i in found.pictures}
    for i in sorted(masks.keys() - found.pictures.keys()) if found.pictures else ():
        text = f"{root / IMAGES} has no image for the mask {masks[i].name}{meant(i, found.pictures)}"
        found.faults.append(Fault("missing-image", i, f"{text}; give both one name or remove the mask"))


def _unread(folder: Path, suffixes: Collection[str], remedy: str) -> list[Fault]:
    paths = list_pictures(folder, folder, [], suffixes).values()
    return [
        Fault("unreadable", str(path), f"{path} is in a format that is not read; save it as {remedy}") for path in paths
    ]
