"""The classes of ImageNet's 50,000 flat validation pictures, from the devkit or from the table that Kaggle gives out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.data_tables import read_table
from bench.datasets._dog_names import SYNSET
from bench.errors import DataError
from bench.faults import Fault

TABLE = "LOC_val_solution.csv"
NUMBERS, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
DEVKIT = "ILSVRC2012_devkit_t12"
TRUTHS = (TABLE, f"the folder {DEVKIT} (with data/{NUMBERS} and data/{META})")


class Truth(NamedTuple):
    """The synset of each picture by id, the file that says so, and what is wrong with it."""

    file: Path
    synset: dict[str, str]
    faults: tuple[Fault, ...] = ()


def find_truth(root: Path) -> Truth | None:
    """From the table in `root`, else from the devkit's two files in its folder or in `root`; None where there is neither."""
    if (root / TABLE).is_file():
        return _read(root / TABLE, _table)
    for folder in (root / DEVKIT / "data", root):
        if (folder / NUMBERS).is_file():
            return _read(folder / NUMBERS, _devkit)
    return None


def _read(file: Path, reader: Callable[[Path], dict[str, str]]) -> Truth:
    try:
        return Truth(file, reader(file))
    except DataError as error:
        return Truth(file, {}, (Fault("table", str(file), str(error)),))


def _table(file: Path) -> dict[str, str]:
    """Rows like `ILSVRC2012_val_00048981,n03995372 85 1 499 272`: the synset, then boxes."""
    found = {}
    for line, row in read_table(file, ("ImageId", "PredictionString")):
        synset = row["PredictionString"].split(" ")[0]
        if not SYNSET.fullmatch(synset):
            raise DataError(
                f"{file} line {line} names no synset but {synset[:40]!r}; download the table again", "table"
            )
        found[row["ImageId"]] = synset
    return found


def _devkit(file: Path) -> dict[str, str]:
    """Line n of the ground truth is the devkit's own number of picture n's synset, which is no place in the sorted synsets."""
    synset = _synsets(file.parent / META)
    found = {}
    for line, number in enumerate(file.read_text(encoding="utf-8", errors="replace").split(), 1):
        if number not in synset:
            raise DataError(
                f"{file} line {line} is {number[:40]} and no number of a synset; extract the devkit again", "table"
            )
        found[f"ILSVRC2012_val_{line:08}"] = synset[number]
    return found


def _synsets(meta: Path) -> dict[str, str]:
    """The synset of each number, from the devkit's MATLAB file; those above the 1,000 classes are nodes of the tree."""
    from scipy.io import loadmat

    if not meta.is_file():
        raise DataError(f"{meta} is missing; put the devkit's {META} beside {NUMBERS}", "table")
    try:
        rows: Any = loadmat(meta, squeeze_me=True)["synsets"]
        return {str(int(row["ILSVRC2012_ID"])): str(row["WNID"]) for row in rows if int(row["num_children"]) == 0}
    except Exception as error:  # scipy's reader has no error of its own: each damage ends in another one
        raise DataError(
            f"{meta} cannot be read ({type(error).__name__}: {error}); extract the devkit again", "table"
        ) from error
