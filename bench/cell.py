"""One cell, a data set x method x seed under a protocol, from its description to its result. Runs in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.api import Dataset, MaskMethod, Method, Plugin, Pretrained
from bench.errors import BenchError
from bench.keys import code_of, decisive
from bench.protocol import VERSION, Protocol
from bench.samples import Samples, identity
from bench.store import Artifact, Store, canonical, digest, write_file, write_json

RESULT = "result.json"


@dataclass(frozen=True)
class Cell:
    """What a cell is: everything that decides its numbers, and where it is to be worked out."""

    dataset: Dataset
    dataset_plugin: Mapping[str, Any]
    method: Method | MaskMethod
    method_plugin: Mapping[str, Any]
    settings: Mapping[str, Any]  # of the method, those that differ from the defaults, as tables show them
    protocol: Protocol
    seed: int
    out: Path
    device: str = "auto"
    threads: int = 1
    fresh_since: float = 0.0

    def run_id(self, fingerprint: str) -> str:
        """`r-` and 12 hexadecimal digits: the same for the same data, method, settings, protocol and seed."""
        rules = {
            f.name: getattr(self.protocol, f.name)
            for f in fields(self.protocol)
            if f.name not in ("settings", "changed")
        }
        what = {
            "dataset": fingerprint,
            "method": self.method.name,
            "settings": decisive(self.method),
            "protocol": rules,
            "version": VERSION,
            "seed": self.seed,
        }
        return f"r-{digest(what)}"

    def folder(self, fingerprint: str) -> Path:
        """Where its result lies."""
        return self.out / self.dataset.name / self.method.name / self.run_id(fingerprint)

    def recipe(self) -> str:
        """What a finished result must have been made with to be taken as it is: the code of the method beside its run id."""
        return digest([code_of(self.method), self.method_plugin["name"]])

    def to_json(self) -> dict[str, Any]:
        """A description that `from_json` turns into the same cell in another process."""
        protocol = {
            **{f.name: getattr(self.protocol, f.name) for f in fields(Protocol)},
            "settings": dict(self.protocol.settings),
        }
        return {
            "dataset": {"plugin": self.dataset_plugin, "settings": _settings(self.dataset)},
            "method": {"plugin": self.method_plugin, "settings": _settings(self.method)},
            "settings": dict(self.settings),
            "protocol": protocol,
            "seed": self.seed,
            "out": str(self.out),
            "device": self.device,
            "threads": self.threads,
            "fresh_since": self.fresh_since,
        }

    @classmethod
    def from_json(cls, text: str) -> Cell:
        """The cell of a description."""
        from bench.plugins import restore

        told = json.loads(text)
        dataset, method = told["dataset"], told["method"]
        protocol: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in told["protocol"].items()}
        protocol["settings"] = MappingProxyType(protocol["settings"])
        return cls(
            restore(dataset["plugin"]).model_validate(dataset["settings"]),
            dataset["plugin"],
            restore(method["plugin"]).model_validate(method["settings"]),
            method["plugin"],
            told["settings"],
            Protocol(**protocol),
            told["seed"],
            Path(told["out"]),
            told["device"],
            told["threads"],
            told["fresh_since"],
        )


def _settings(plugin: Plugin) -> dict[str, Any]:
    return plugin.model_dump(mode="json", serialize_as_any=True)


def read_result(file: Path) -> dict[str, Any] | None:
    """A result.json, or None where there is none."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def main(file: str) -> int:
    """Work out the cell described in a file; events go to standard output as JSON lines, everything else to the cell's log."""
    from bench.confine import die_with_parent

    told = json.loads(Path(file).read_text(encoding="utf-8"))
    die_with_parent(told["parent"])
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    folder = Path(told["folder"])
    with (folder / "log.txt").open("a") as log:
        os.dup2(log.fileno(), 1)  # what a library prints belongs into the log
        os.dup2(log.fileno(), 2)
    cell = Cell.from_json(Path(file).read_text(encoding="utf-8"))
    try:
        work(cell, folder, lambda stage, done, total: print(json.dumps([stage, done, total]), file=events))
    except BenchError as error:
        return _fail(cell, folder, str(error), error.exit_code, told["fingerprint"])
    except Exception as error:
        traceback.print_exc()
        return _fail(cell, folder, explain(error, folder), 1, told["fingerprint"])
    return 0


def explain(error: Exception, folder: Path) -> str:
    """One sentence for an error that nobody foresaw."""
    text = " ".join(str(error).split())
    if "DefaultCPUAllocator" in text or type(error).__name__ == "OutOfMemoryError":
        return "the segmenter ran out of memory; try --set protocol.batch=8"
    return f"{type(error).__name__}: {text[:300]} (traceback in {folder / 'log.txt'})"


def _fail(cell: Cell, folder: Path, sentence: str, code: int, fingerprint: str) -> int:
    write_json(folder / RESULT, {**describe(cell, fingerprint), "failed": sentence})
    print(f"failed: {sentence}", file=sys.stderr)
    return code


def describe(cell: Cell, fingerprint: str) -> dict[str, Any]:
    """The part of a result that is known before anything runs."""
    method = cell.method
    return {
        "run_id": cell.run_id(fingerprint),
        "recipe": cell.recipe(),
        "dataset": cell.dataset.name,
        "label": cell.dataset.label,
        "dataset_settings": identity(cell.dataset),
        "fingerprint": fingerprint,
        "protocol": cell.protocol.title,
        "protocol_version": VERSION,
        "method": method.name,
        "role": role(cell),
        "settings": dict(cell.settings),
        "all_settings": decisive(method),
        "seed": cell.seed,
        "pretraining": pretraining(method, cell.dataset),
    }


def role(cell: Cell) -> str:
    """method, floor, control or full."""
    if isinstance(cell.method, MaskMethod):
        return cell.method.role
    if cell.protocol.labels == "shuffled":
        return "control"
    return "floor" if cell.method.floor else "method"


def pretraining(method: Plugin, dataset: Dataset) -> str:
    """What the weights have seen before, and its known overlap with the data."""
    if not isinstance(method, Pretrained) or not method.pretrained:
        return ""
    return f"imagenet; {dataset.pretraining}" if dataset.pretraining else "imagenet"


def work(cell: Cell, folder: Path, report: Any) -> None:
    """All stages of a cell; result.json is written last."""
    from bench.device import pick, use_threads
    from bench.provenance import git_state, package_of
    from bench.results import write_scores
    from bench.rows import rows_of, summary_of, write_history
    from bench.workbench import Workbench

    use_threads(cell.threads)
    samples = Samples(cell.dataset, cell.protocol)
    bench = Workbench(
        method=cell.method,
        plugin=cell.method_plugin,
        samples=samples,
        protocol=cell.protocol,
        seed=cell.seed,
        device=pick(cell.device),
        threads=cell.threads,
        store=Store(cell.out / "artifacts", cell.fresh_since),
        log=folder / "log.txt",
        report=report,
    )
    try:
        outcome = rows_of(bench)
    finally:
        bench.close()
    write_scores(folder / "scores.csv", outcome.scores)
    write_file(folder / "history.csv", lambda path: write_history(bench, path))
    keep_predictions(folder / "predictions", outcome.maps)
    result = {
        **describe(cell, samples.fingerprint),
        **summary_of(bench, outcome),
        "split_hashes": samples.hashes,
        "git": git_state(),
        **package_of(cell.method, cell.method_plugin),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    canonical(result)  # no NaN gets into a file
    write_json(folder / RESULT, result)


def keep_predictions(folder: Path, maps: Mapping[str, Artifact]) -> None:
    """The maps that were scored, beside the result: links where the disk allows, else copies."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, artifact in maps.items():
        source, target = artifact.folder / "maps.npy", folder / f"{name}.npy"
        try:
            target.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, target)
