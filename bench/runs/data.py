"""The data set of a finished run, opened again: with the settings of then, in the folder of now, and with the same images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import plugins
from bench.api import Dataset, Item
from bench.data.samples import file_digests, split_hash
from bench.errors import DataError, UsageError
from bench.roots import data_root
from bench.runs.listing import Run

TEST = "test"


def open_dataset(run: Run, root: Path | None) -> Dataset:
    """The data set of a run, with the settings of then and the folder of now."""
    name, result = str(run.result["dataset"]), run.result
    cls = plugins.load("datasets", name)
    given = {} if cls.embedded else {"root": data_root(name, root)}
    dataset: Dataset = plugins.instantiate(
        cls, {**result["dataset_settings"]["settings"], "label": result["label"], **given}
    )
    return dataset


def require_publishable(dataset: Dataset, private: bool) -> None:
    """UsageError where pictures of a data set may not be shown and nobody said that they will not be."""
    if not dataset.publishable and not private:
        raise UsageError(
            f"pictures of {dataset.name} may not be shown in public (it does not say that it is publishable); "
            "--private makes a sheet for your own disk"
        )


def same_images(dataset: Dataset, run: Run) -> Sequence[Item]:
    """The test images of a run in the order of its maps; DataError where those of the data set are others."""
    items = dataset.items(TEST)
    known = run.result["split_hashes"][TEST]
    if split_hash(items, file_digests(dataset.files(TEST))) != known:
        place = f" at {dataset.root}" if dataset.root else ""
        raise DataError(
            f"the test images of {dataset.name}{place} are not those of {run.id}; name the folder that it was run on with --data-root"
        )
    return items
