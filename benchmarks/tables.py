"""A table from a million scored images beside pandas reading them as one CSV; `bench leaderboard show` beside what it may take."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.results.columns import SCORES_COLUMNS
from benchmarks import Row
from benchmarks.start import cpu_seconds

METHODS, DATASETS, IMAGES, TURNS = 50, 20, 1_000, 3
SHOW_ALLOWED = 1.5
"""CPU seconds that showing a finished run may take, its start included"""
READ = "import pandas, sys; pandas.read_csv(sys.argv[1])"
COLLECT = "import sys, pathlib; from bench.results import collected; collected.collect(pathlib.Path(sys.argv[1]))"
PEAK = """
from pathlib import Path; import resource, sys
if (status := Path("/proc/self/status")).is_file():  # ru_maxrss would count what the parent held when it started this process
    print(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1))
"""
"""The most KiB that the process ever held."""


def measure(folder: Path) -> Iterator[Row]:
    """CPU seconds of whole processes; memory beyond what importing takes, in MiB, beside four times the size of the CSV."""
    runs, whole = folder / "many", folder / "whole.csv"
    make(runs, METHODS, DATASETS, IMAGES)
    join(runs, whole)
    rows = f"{METHODS * DATASETS * IMAGES:,} rows"
    ours = min(cpu_seconds(["-P", "-c", COLLECT, str(runs)]) for _ in range(TURNS))
    theirs = min(cpu_seconds(["-P", "-c", READ, str(whole)]) for _ in range(TURNS))
    yield Row(f"table from {rows}", ours, "pandas reads them as one CSV", theirs)
    few = folder / "few"
    make(few, 4, 1, IMAGES, seeds=3)
    show = ["-P", "-m", "bench", "leaderboard", "show", str(few)]
    yield Row(
        "`bench leaderboard show` of 12 runs", min(cpu_seconds(show) for _ in range(TURNS)), "allowed", SHOW_ALLOWED
    )


def memory(folder: Path) -> tuple[float, float]:
    """MiB that a table from `many` takes beyond its imports, and the size of its CSV; after `measure`."""
    importing = "from bench.results import collected; import pandas"
    taken = _peak(COLLECT, folder / "many") - _peak(importing, folder)
    return taken, (folder / "whole.csv").stat().st_size / 2**20


def _peak(program: str, argument: Path) -> float:
    words = [sys.executable, "-P", "-c", f"{program}\n{PEAK}", str(argument)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout) / 2**10


def make(out: Path, methods: int, datasets: int, images: int, seeds: int = 1) -> None:
    """Finished runs of methods on data sets: a result.json and a scores.csv each, with the U-Net's test images."""
    draws = np.random.default_rng(0)
    for d in range(datasets):
        truth = draws.integers(500, 20_000, images)
        for m in range(methods):
            for seed in range(seeds):
                number = (d * methods + m) * seeds + seed
                run = out / f"data{d:02}" / f"method{m:02}" / f"r-{number:012x}"
                run.mkdir(parents=True)
                (run / "result.json").write_text(json.dumps(_result(d, m, seed, run.name, images)), encoding="utf-8")
                (run / "scores.csv").write_text(_scores(truth, draws), encoding="utf-8")


def join(runs: Path, whole: Path) -> None:
    """All scores.csv as one file."""
    with whole.open("w", encoding="utf-8") as file:
        for number, scores in enumerate(sorted(runs.glob("*/*/*/scores.csv"))):
            text = scores.read_text(encoding="utf-8")
            file.write(text if not number else text.partition("\n")[2])


def _result(d: int, m: int, seed: int, run_id: str, images: int) -> dict[str, Any]:
    return {
        "run_id": run_id, "seed": seed, "dataset": f"data{d:02}", "label": "", "fingerprint": f"f{d:011}", "protocol": "quick",
        "protocol_version": 1, "method": f"method{m:02}", "role": "method", "settings": {}, "rows": [{"rule": "otsu"}],
        "images": images, "clusters": images, "masks_train": 0, "masks_tune": 0, "stages": [], "notes": [],
    }  # fmt: skip


def _scores(truth: Any, draws: np.random.Generator) -> str:
    hit = (truth * draws.uniform(0.3, 0.95, len(truth))).astype(int)
    extra = (truth * draws.uniform(0.05, 0.8, len(truth))).astype(int)
    lines = [",".join(SCORES_COLUMNS)]
    for n, (all_, tp, fp) in enumerate(zip(truth.tolist(), hit.tolist(), extra.tolist(), strict=True)):
        dice, pixels = 2 * tp / (all_ + tp + fp), 50_176
        lines.append(
            f"ISIC_{n:07},ISIC_{n:07},lesion,test,unet,otsu,0.5,{tp},{fp},{all_ - tp},{pixels - all_ - fp},{dice},{dice},{dice},0,1,"
            f"{(tp + fp) / pixels},{draws.uniform(1, 60)}"
        )
    return "\n".join(lines) + "\n"
