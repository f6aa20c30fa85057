"""Starts the spy of tests/plugins/spy.py while masks lie open: in this process, in the cache, in the results.

As a program (`python tests/spied.py FOLDER`) it runs the spy without the wall, so that a test can do it in a process that is new and
small: in that of a long session the spy would have to read everything that other tests have left behind.
"""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench import plugins
from bench.api import Method
from bench.contract.firewall import RULES, HereBench
from bench.data.samples import Samples
from bench.datasets.folder import Folder
from bench.pipeline import stages
from bench.pipeline.workbench import Workbench
from bench.plugins import describe
from bench.store import Store

SIDE = 48
SPLITS = {"weak": 8, "masks": 2, "val": 2, "test": 3}


def surroundings(where: Path) -> dict[str, str]:
    """What the spy's process needs of the environment: the cache."""
    return {"BENCH_CACHE": str(where / "cache")}


def prepare(where: Path) -> Method:
    """A user's folder with masks whose rows stand nowhere else, results with such a mask, and the spy beside them."""
    spy = where / "spy.py"
    shutil.copy(Path(__file__).parent / "plugins" / "spy.py", spy)
    (cls,) = plugins.load_file(spy)
    module = sys.modules[cls.__module__]
    mask = np.tile(np.frombuffer(module.LEFT + module.RIGHT, np.uint8), (SIDE, 1))
    folder(where / "data", mask)
    (where / "runs" / "artifacts" / "targets-0").mkdir(parents=True)
    np.save(where / "runs" / "artifacts" / "targets-0" / "masks.npy", mask)
    return cls()


def folder(data: Path, mask: np.ndarray) -> None:
    """A data set of the folder kind: images of noise that all have one mask."""
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
    random = np.random.default_rng(0)
    names = [f"{split}-{n}" for split, count in SPLITS.items() for n in range(count)]
    for name in names:
        Image.fromarray(random.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)).save(data / "images" / f"{name}.png")
        Image.fromarray(mask * 255).save(data / "masks" / f"{name}.png")
    (data / "labels.csv").write_text("image,label\n" + "".join(f"{n},{'ab'[i % 2]}\n" for i, n in enumerate(names)))
    (data / "splits.csv").write_text("image,split\n" + "".join(f"{n},{n.partition('-')[0]}\n" for n in names))


def workbench(kind: type[Workbench], where: Path, method: Method) -> Workbench:
    rules = replace(RULES, size=SIDE)
    samples = Samples(Folder(root=where / "data"), rules)
    (where / "cell").mkdir()
    return kind(
        method=method,
        plugin=describe(type(method)),
        samples=samples,
        protocol=rules,
        seed=0,
        device=torch.device("cpu"),
        threads=1,
        store=Store(where / "runs" / "artifacts"),
        log=where / "cell" / "log.txt",
        report=lambda *_: None,
    )


def spied(kind: type[Workbench], where: Path, method: Method) -> bool:
    """Run the spy's fit and maps. Whether it was confined."""
    bench = workbench(kind, where, method)
    kept = bench.door.masks("masks", [0, 1], SIDE)
    held = np.load(kept.folder / "masks.npy")
    # At the low end of a mapping, where the spy begins to read: a heap may be larger than what it reads.
    with mmap.mmap(-1, held.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as written:
        written.write(held.tobytes())
        fitted = stages.fit(bench)
        maps = stages.maps(bench, fitted, "test")
    bench.close()
    assert held.any()
    return bool(fitted.record.confined and maps.record.confined)


def unconfined(where: Path) -> str:
    """What the spy says (standard error) without the wall, in a process of its own whose parents are two shells."""
    words: Mapping[str, str] = {**os.environ, **surroundings(where)}
    nested = 'sh -c \'"$@"; exit $?\' sh "$@"; exit $?'
    program = ["sh", "-c", nested, "sh", sys.executable, __file__, str(where)]
    done = subprocess.run(program, env=words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


if __name__ == "__main__":
    place = Path(sys.argv[1])
    assert not spied(HereBench, place, prepare(place))
