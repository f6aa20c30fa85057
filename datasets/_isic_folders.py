"""The official folders of ISIC 2018 and their tables: what lies in them, and everything that is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.data_tables import collect_rows
from bench.faults import KINDS, Fault
from bench.files import ID_RULE, PICTURES, is_id, link_out, list_pictures

CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
WEAK_IMAGES, WEAK_TABLE = "ISIC2018_Task3_Training_Input", "ISIC2018_Task3_Training_GroundTruth"
IMAGES, MASKS = "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"
TASKS = ((WEAK_IMAGES, WEAK_TABLE), (IMAGES, MASKS))
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
SUFFIX = "_segmentation"
OFFICIAL = {"NV": 6705, "MEL": 1113, "BKL": 1099, "BCC": 514, "AKIEC": 327, "VASC": 142, "DF": 115}
WEAK_COUNT, LESION_COUNT, COUNT = 10_015, 7_470, 2_594


@dataclass
class Contents:
    """What lies in the folders, listed once: paths, classes and lesions by id. `labels` and `lesions` are of pictures that are there."""

    pictures: dict[str, Path] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    lesions: dict[str, str] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read_folders(root: Path | None) -> Contents:
    """List and compare folders and tables; opens no picture and raises nothing. A task without any of its folders is left out."""
    found = Contents()
    if root is None:
        text = (
            "isic has no data folder: name it with --data-root, or set BENCH_DATA so that $BENCH_DATA/isic holds it, "
            "or put it into the user data folder"
        )
        found.faults.append(Fault("layout", "--data-root", text))
        return found
    missing = _missing(root)
    found.faults.extend(_no_folders(root, missing))
    if not {WEAK_IMAGES, WEAK_TABLE} & missing:
        _read_labelled(root, found)
    if not {IMAGES, MASKS} & missing:
        _read_masked(root, found)
    found.faults.sort(key=lambda fault: list(KINDS).index(fault.kind))  # what others may follow from stands first
    return found


def _missing(root: Path) -> set[str]:
    return {folder for task in TASKS for folder in task if not (root / folder).is_dir()}


def _no_folders(root: Path, missing: set[str]) -> list[Fault]:
    """One fault for the other half of a task, or where there is none of the four folders."""
    names = [f for task in TASKS for f in task if f in missing and (len(missing) == 4 or not missing.issuperset(task))]
    if not names:
        return []
    archives = ", ".join(f"{name}.zip" for name in names)
    text = (
        f"isic: {root} has no folder {', '.join(names)}; extract the official {archives} "
        "(challenge.isic-archive.com/data) there, or name another folder with --data-root or $BENCH_DATA/isic"
    )
    return [Fault("layout", str(root), text)]


def _read_labelled(root: Path, found: Contents) -> None:
    """Task 3: pictures, the one-hot table, the lesions."""
    pictures = _pictures(root, WEAK_IMAGES, found.faults)
    if not pictures:
        return
    known = read_labels(root, pictures, found.faults)
    lesions = read_lesions(root, known, found.faults)
    found.pictures |= pictures
    found.labels = {i: label for i, label in known.items() if i in lesions}
    found.lesions = {i: lesions[i] for i in found.labels}
    if found.labels:
        found.faults.extend(_labelled_counts(root, pictures, found))


def _read_masked(root: Path, found: Contents) -> None:
    """Task 1: pictures and their masks."""
    images = _pictures(root, IMAGES, found.faults)
    masks = {i.removesuffix(SUFFIX): p for i, p in _pictures(root, MASKS, found.faults, (".png",)).items()}
    if not images or not masks:
        return
    again = f"extract {MASKS}.zip again"
    _each("missing-mask", images.keys() - masks.keys(), f"{root / MASKS} has no mask for the image", again, found)
    again = f"extract {IMAGES}.zip again or remove the mask"
    _each("missing-image", masks.keys() - images.keys(), f"{root / IMAGES} has no image for the mask", again, found)
    leak = "remove it from one, it would leak labels"
    both = found.pictures.keys() & images.keys()
    _each("duplicate-id", both, f"{root / IMAGES} has an id of {WEAK_IMAGES}:", leak, found)
    found.pictures |= images
    found.masks = {i: path for i, path in masks.items() if i in images}
    found.faults.extend(_count(root / IMAGES, "images", len(images), COUNT))


def _each(kind: str, ids: Iterable[str], what: str, remedy: str, found: Contents) -> None:
    found.faults.extend(Fault(kind, i, f"{what} {i}; {remedy}") for i in sorted(ids))


def _pictures(root: Path, folder: str, faults: list[Fault], suffixes: Collection[str] = PICTURES) -> dict[str, Path]:
    """The pictures of a folder; of the masks those that are called so."""
    pictures = list_pictures(root / folder, root, faults, suffixes)
    if folder == MASKS:
        pictures = {i: path for i, path in pictures.items() if i.endswith(SUFFIX)}
    if not pictures:
        text = f"{root / folder} holds no pictures; extract {folder}.zip again"
        faults.append(Fault("layout", str(root / folder), text))
    return pictures


def read_labels(root: Path, pictures: Collection[str], faults: list[Fault]) -> dict[str, int]:
    """The class of each picture, from the one-hot table."""
    path = root / WEAK_TABLE / f"{WEAK_TABLE}.csv"
    faults.extend(link_out(path, root))
    table = collect_rows(path, ("image", *CLASSES), faults)
    labels, seen = dict[str, int](), set[str]()
    for line, row in table.rows:
        name = row["image"]
        fault = _misplaced(path, line, name, seen) or _not_one_hot(path, line, row)
        if fault is None and name not in pictures:
            again = f"extract {WEAK_IMAGES}.zip again or remove the row"
            fault = Fault(
                "missing-image", name, f"{root / WEAK_IMAGES} has no image for the table's row {name}; {again}"
            )
        if fault is None:
            labels[name] = _one_hot(row).index(1.0)
        else:
            faults.append(fault)
        seen.add(name)
    again = f"extract {WEAK_TABLE}.zip again or remove the image"
    faults.extend(_no_row(path, "row", set(pictures) - seen - table.torn, again) if seen else ())
    return labels


def read_lesions(root: Path, labels: Collection[str], faults: list[Fault]) -> dict[str, str]:
    """The lesion of each picture with a label. The official file lies beside the folders; some put it into that of the labels."""
    places = [root / LESIONS, root / WEAK_TABLE / LESIONS]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        text = f"isic: neither {places[0]} nor {places[1]} exists; put the official {LESIONS} into {root}"
        faults.append(Fault("layout", str(places[0]), text))
        return {}
    faults.extend(link_out(path, root))
    table = collect_rows(path, ("image", "lesion_id"), faults)
    lesions, seen = dict[str, str](), set[str]()
    for line, row in table.rows:
        name = row["image"]
        fault = _misplaced(path, line, name, seen)
        if fault is not None:
            faults.append(fault)
        elif row["lesion_id"]:
            lesions[name] = row["lesion_id"]
        seen.add(name)
    nameless = set(labels) - lesions.keys() - table.torn
    faults.extend(_no_row(path, "lesion_id", nameless, "put the official file there") if seen else ())
    return lesions


def _misplaced(path: Path, line: int, name: str, seen: Collection[str]) -> Fault | None:
    if not is_id(name):
        return Fault("id", str(path), f"{path} line {line} has the image {name!r}; correct it: {ID_RULE}")
    if name in seen:
        return Fault("duplicate-id", name, f"{path} line {line} lists {name} a second time; remove one of the rows")
    return None


def _not_one_hot(path: Path, line: int, row: Mapping[str, str]) -> Fault | None:
    numbers = _one_hot(row)
    if sorted(numbers) == [0.0] * (len(CLASSES) - 1) + [1.0]:
        return None
    other = [name for name, value in row.items() if name not in ("image", *CLASSES) and value in ("1", "1.0")]
    if other and not any(numbers):
        text = (
            f"{path} line {line} gives {row['image']} the class {other[0]}; it takes {', '.join(CLASSES)}, correct it"
        )
        return Fault("unknown-class", row["image"], text)
    values = ",".join(row[c] for c in CLASSES)
    text = f"{path} line {line} is not one 1 among zeros but {values}; correct it or extract the file again"
    return Fault("table", str(path), text)


def _one_hot(row: Mapping[str, str]) -> list[float]:
    try:
        return [float(row[c]) for c in CLASSES]
    except ValueError:
        return [float("nan")]


def _no_row(path: Path, what: str, ids: Iterable[str], remedy: str) -> list[Fault]:
    return [Fault("missing-label", i, f"{path} has no {what} for the image {i}; {remedy}") for i in sorted(ids)]


def _labelled_counts(root: Path, pictures: Collection[str], found: Contents) -> list[Fault]:
    folder, classes = root / WEAK_IMAGES, Counter(CLASSES[label] for label in found.labels.values())
    faults = _count(folder, "images", len(pictures), WEAK_COUNT)
    for name, official in OFFICIAL.items():
        faults += _count(folder, f"images of class {name}", classes[name], official)
    return [*faults, *_count(folder, "lesions", len(set(found.lesions.values())), LESION_COUNT)]


def _count(folder: Path, what: str, count: int, official: int) -> list[Fault]:
    if count == official:
        return []
    text = f"{folder} has {count:,} {what} and the official data set {official:,}; give a part a name with --set isic.label=NAME"
    return [Fault("count", what, text, blocks=False)]
