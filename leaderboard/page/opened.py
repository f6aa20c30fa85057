"""The data set of a table, opened again for its page: pictures where they may be shown, and what only truths tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench import BenchError, plugins
from bench.api import Dataset, Item, Pixels
from bench.leaderboard.page.gathered import Table
from bench.runs.data import TEST, open_dataset, same_images
from bench.runs.listing import Run, read_run
from bench.thresholds import IGNORED

INSIDE, TOUCHING = "inside", "touches the border"


@dataclass(frozen=True)
class Opened:
    """A data set with the test images of a table, and whether its pictures may be put on the page."""

    dataset: Dataset
    items: Sequence[Item]
    shown: bool

    @cached_property
    def marks(self) -> dict[str, dict[str, str]]:
        """What only the data tell of the test images, by id: whether the object touches the border; the class where it is labelled."""
        from bench.data.door import truth  # torch comes with it, and most pages are made without the data

        border = {item.id: _border(truth(self.dataset, item).mask) for item in self.items}
        classes = self.dataset.task.classes
        labelled = {item.id: " + ".join(classes[n] for n in item.labels) for item in self.items if item.labels}
        return {"border": {id: name for id, name in border.items() if name}, "image class": labelled}


class DataSets:
    """The data sets of tables, each opened once. `private`: pictures are shown that may not be published; `roots`: folders of data, by the
    data set's name, under None that of every other."""

    def __init__(self, private: bool, roots: Mapping[str | None, Path]) -> None:
        self.private = private
        self.roots = roots
        self._opened: dict[str, Opened | str] = {}

    def of(self, table: Table) -> Opened | str:
        """The data set of a table, or the sentence that says why it is not opened."""
        run = _a_run(table)
        if run is None:
            return f"{table.title}: no finished run says which images it was scored on"
        key = json.dumps(
            [run.result[name] for name in ("dataset", "dataset_settings", "label", "split_hashes")], sort_keys=True
        )
        if key not in self._opened:
            self._opened[key] = self._open(run, table)
        return self._opened[key]

    def _open(self, run: Run, table: Table) -> Opened | str:
        try:
            name = str(run.result["dataset"])
            dataset = open_dataset(run, self.roots.get(name) or self.roots.get(None))
            return Opened(dataset, same_images(dataset, run), self.private or bool(dataset.publishable))
        except BenchError as error:
            return f"{table.title}: no pictures and no border strata, for {error}"


def publishable(table: Table) -> bool:
    """Whether the data set of a table says that its pictures may be shown; one that is not installed says nothing."""
    try:
        return bool(plugins.load("datasets", table.scored[0].row["dataset"]).publishable)
    except BenchError:
        return False


def _border(mask: Pixels) -> str:
    """Whether an object reaches the frame of its image; nothing where there is none."""
    there = (mask > 0) & (mask != IGNORED)
    if not there.any():
        return ""
    return TOUCHING if there[[0, -1]].any() or there[:, [0, -1]].any() else INSIDE


def _a_run(table: Table) -> Run | None:
    """A finished run of the table that knows its images."""
    found = (result for one in table.scored for result in table.runs_of(one.row))
    return next((read_run(result["folder"]) for result in found if TEST in result.get("split_hashes", {})), None)
