"""A cell worked out, in a process of its own: `python -m bench _cell FILE` runs all stages and writes the result last."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from bench.data.samples import Samples
from bench.device import pick, settle
from bench.errors import BenchError
from bench.pipeline.cell import RESULT, Cell, describe
from bench.pipeline.confine import die_with_parent
from bench.pipeline.mapfile import MAPS
from bench.pipeline.rows import rows_of
from bench.pipeline.summary import summary_of, write_history
from bench.pipeline.workbench import Report, Workbench
from bench.provenance import git_state, package_of
from bench.results.csv_files import write_scores
from bench.store import Artifact, Store, canonical, write_file, write_json


def main(file: str) -> int:
    """Work out the cell described in a file; events go to standard output as JSON lines, everything else to the cell's log."""
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


def work(cell: Cell, folder: Path, report: Report) -> None:
    """All stages of a cell; result.json is written last."""
    device = pick(cell.device)
    settle(cell.threads, device)
    samples = Samples(cell.dataset, cell.protocol)
    bench = Workbench(
        method=cell.method,
        plugin=cell.method_plugin,
        samples=samples,
        protocol=cell.protocol,
        seed=cell.seed,
        device=device,
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
        source, target = artifact.folder / MAPS, folder / f"{name}.npy"
        try:
            target.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, target)
