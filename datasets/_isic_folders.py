"""The official folders of ISIC 2018 and their tables, read so that a fault is one sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from bench.datasets._files import list_pictures, read_table
from bench.errors import DataError

CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
WEAK_IMAGES, WEAK_TABLE = "ISIC2018_Task3_Training_Input", "ISIC2018_Task3_Training_GroundTruth"
IMAGES, MASKS = "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
SUFFIX = "_segmentation"


class Folders(NamedTuple):
    """What lies in the folders, listed once: paths by id."""

    weak: frozenset[str]
    pictures: dict[str, Path]
    masks: dict[str, Path]


def whole_root(root: Path | None) -> Path:
    """The root, once it is known to hold all four folders."""
    if root is None:
        raise DataError(
            "isic has no data folder: name it with --data-root, or set BENCH_DATA so that $BENCH_DATA/isic holds it, "
            "or put it into the user data folder"
        )
    missing = [folder for folder in (WEAK_IMAGES, WEAK_TABLE, IMAGES, MASKS) if not (root / folder).is_dir()]
    if missing:
        raise DataError(
            f"isic: {root} has no folder {_first(missing, 4)}; extract the official {_first([f'{m}.zip' for m in missing], 4)} "
            "(challenge.isic-archive.com/data) there, or name another folder with --data-root or $BENCH_DATA/isic"
        )
    return root


def list_folders(root: Path) -> Folders:
    """The pictures of both tasks and the masks; DataError if the folders do not fit one another."""
    weak, images = list_pictures(root / WEAK_IMAGES), list_pictures(root / IMAGES)
    masks = {i.removesuffix(SUFFIX): p for i, p in list_pictures(root / MASKS, (".png",)).items() if i.endswith(SUFFIX)}
    for folder, pictures in ((WEAK_IMAGES, weak), (IMAGES, images)):
        if not pictures:
            raise DataError(f"{root / folder} holds no pictures; extract {folder}.zip again")
    again = f"extract {MASKS}.zip again"
    _agree(root / MASKS, "no mask for the image", images.keys() - masks.keys(), again)
    again = f"extract {IMAGES}.zip again or remove the mask"
    _agree(root / IMAGES, "no image for the mask", masks.keys() - images.keys(), again)
    leak = "remove it from one, it would leak labels"
    _agree(root / IMAGES, f"an id of {WEAK_IMAGES}:", weak.keys() & images.keys(), leak)
    return Folders(frozenset(weak), {**weak, **images}, masks)


def read_labels(path: Path, pictures: Collection[str]) -> dict[str, int]:
    """The class of each picture, from the one-hot table."""
    labels: dict[str, int] = {}
    for line, row in read_table(path, ("image", *CLASSES)):
        if row["image"] in labels:
            raise DataError(f"{path} line {line} lists {row['image']} a second time; remove one of the rows")
        labels[row["image"]] = _class(path, line, row)
    again = f"extract {WEAK_IMAGES}.zip again or remove the row"
    _agree(path.parent.parent / WEAK_IMAGES, "no image for the table's row", labels.keys() - set(pictures), again)
    again = f"extract {WEAK_TABLE}.zip again or remove the image"
    _agree(path, "no row for the image", set(pictures) - labels.keys(), again)
    return labels


def _class(path: Path, line: int, row: Mapping[str, str]) -> int:
    values = [row[c] for c in CLASSES]
    try:
        numbers = [float(v) for v in values]
    except ValueError:
        numbers = []
    if sorted(numbers) != [0.0] * (len(CLASSES) - 1) + [1.0]:
        raise DataError(
            f"{path} line {line} is not one 1 among zeros but {','.join(values)}; correct it or extract the file again"
        )
    return numbers.index(1.0)


def read_lesions(root: Path, labels: Collection[str]) -> dict[str, str]:
    """The lesion of each picture. The official file lies beside the folders; some put it into that of the labels."""
    places = [root / LESIONS, root / WEAK_TABLE / LESIONS]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DataError(f"isic: neither {places[0]} nor {places[1]} exists; put the official {LESIONS} into {root}")
    lesions: dict[str, str] = {}
    for line, row in read_table(path, ("image", "lesion_id")):
        if row["image"] in lesions:
            raise DataError(f"{path} line {line} lists {row['image']} a second time; remove one of the rows")
        lesions[row["image"]] = row["lesion_id"]
    nameless = {i for i in labels if not lesions.get(i)}
    _agree(path, "no lesion_id for the image", nameless, "put the official file there")
    return lesions


def _agree(place: Path, fault: str, ids: Set[str], remedy: str) -> None:
    if ids:
        raise DataError(f"{place} has {fault} {_first(sorted(ids))}; {remedy}")


def _first(names: Sequence[str], count: int = 1) -> str:
    rest = len(names) - count
    return ", ".join(names[:count]) + (f" (and {rest} more)" if rest > 0 else "")
