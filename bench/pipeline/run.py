"""A grid of cells: planned, worked out in child processes, gathered into a table. A failed cell is a row and stops no other."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

from bench.device import pick
from bench.disk import require_writable
from bench.errors import BenchError
from bench.pipeline.cell import RESULT, describe, read_result
from bench.pipeline.children import Children, Stopped
from bench.pipeline.plan import Planned, plan, prepare
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.protocol import Protocol
from bench.results.collected import leaderboard
from bench.store import require_cache, write_json

CPU_SECONDS = {"segment": 0.214 / 32 / 224**2, "fit": 0.088 / 224**2}
"""Measured on two CPU cores: training seconds a picture, pixel (and base channel) of the U-Net, and of a ResNet-50 to layer3."""


def run(request: RunRequest) -> int:
    """Work out what is asked for; the same request again continues where it stopped. Returns the exit code."""
    display = Display(request)
    warn_of_cost(request, display)
    require_cache()
    planned = plan(request)
    if request.dry_run:
        display.plan(planned)
        return 0
    require_writable(request.out, "the results folder", "name another folder with --out or BENCH_RUNS")
    tell_of_data(planned, display)
    with display:
        prepare(planned, display.note)
        work_out([p for p in planned if not p.finished], request, display)
    return gather(planned, request, display)


def tell_of_data(planned: Sequence[Planned], display: Display) -> None:
    """What is worth knowing of the data and stops nothing: fewer images than the official ones, masks that are not there."""
    for dataset in {id(p.cell.dataset): p.cell.dataset for p in planned if not p.finished}.values():
        for fault in dataset.faults():
            if not fault.blocks:
                display.say(f"{dataset.name}: {fault.text}")


def warn_of_cost(request: RunRequest, display: Display) -> None:
    """Say at once what the paper's budget takes on a CPU."""
    if request.protocol.name != "paper" or pick(request.device).type != "cpu":
        return
    days = cpu_days(request.protocol)
    display.say(
        f"protocol {request.protocol.title} on a CPU takes about {days:.1f} days a method and threshold rule; "
        "--protocol quick takes minutes. Going on."
    )


def cpu_days(protocol: Protocol, images: int = 8_015, epochs: int = 300) -> float:
    """Days on two CPU cores for one fit of the paper's length and one segmenter."""
    pixels = protocol.size**2
    fit = CPU_SECONDS["fit"] * pixels * min(images, protocol.weak_images or images) * epochs * protocol.fit_share
    segment = CPU_SECONDS["segment"] * pixels * protocol.base_channels * protocol.steps * protocol.batch
    return (fit + segment) / 86_400


def work_out(cells: list[Planned], request: RunRequest, display: Display) -> None:
    """Run cells in child processes, `jobs` at a time; when this process is stopped, none of them goes on."""
    running = Children()
    display.expect(len(cells))
    with ThreadPoolExecutor(request.jobs) as pool:
        try:
            for each in [pool.submit(work_out_one, one, request, display, running) for one in cells]:
                each.result()
        finally:
            running.stop()


def work_out_one(planned: Planned, request: RunRequest, display: Display, running: Children) -> None:
    """One cell in its own process; whatever happens to it becomes its result. A cell that another run works at is left to it."""
    with display.cell(planned.title) as line:
        try:
            planned.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(planned.folder / ".lock", timeout=0):
                line.finish(cell_in_a_child(planned, request, running, line))
        except Timeout as held:
            line.finish(f"another process is working at it (it holds {held.lock_file}); wait for it, then run again")
        except (BenchError, OSError) as error:
            line.finish(str(error))
        except Stopped:
            return


def cell_in_a_child(
    planned: Planned, request: RunRequest, running: Children, line: Callable[[str, int, int], None]
) -> str:
    """Work out a cell; the sentence with which it failed, or nothing."""
    began = time.time()
    told = {
        **planned.cell.to_json(),
        "parent": os.getpid(),
        "folder": str(planned.folder),
        "fingerprint": planned.fingerprint,
    }
    with tempfile.TemporaryDirectory() as place, (planned.folder / "log.txt").open("a") as log:
        file = Path(place) / "cell.json"
        file.write_text(json.dumps(told), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "bench", "_cell", str(file)]
        how = running.run(command, environment(planned), log, request.timeout, line)
    result = read_result(planned.folder / RESULT)
    if result is None or (planned.folder / RESULT).stat().st_mtime < began:
        return fail(planned, how)
    return str(result.get("failed", ""))


def fail(planned: Planned, how: str) -> str:
    """Write the result of a cell that could not write its own; returns its sentence."""
    sentence = f"{how}; its log is {planned.folder / 'log.txt'}"
    write_json(planned.folder / RESULT, {**describe(planned.cell, planned.fingerprint), "failed": sentence})
    return sentence


def environment(planned: Planned) -> dict[str, str]:
    """A cell's environment: its share of the threads, and freed memory kept (page faults cost more than the arithmetic: measured)."""
    settings = {
        "OMP_NUM_THREADS": str(planned.cell.threads),
        "OMP_WAIT_POLICY": "passive",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
        "PYTHONHASHSEED": "0",
    }
    return {**settings, **os.environ}


def gather(planned: list[Planned], request: RunRequest, display: Display) -> int:
    """The leaderboard of everything under `out`, the table of this request, and what failed."""
    from bench import plugins

    rows = leaderboard(request.out)
    mine = {p.folder.name for p in planned}
    display.table([row for row in rows if mine & set(row["run_ids"].split())], request.out)
    for sentence in plugins.finished(request.out):
        display.say(sentence)
    failed = [p for p in planned if "failed" in (read_result(p.folder / RESULT) or {"failed": ""})]
    return 1 if failed else 0
