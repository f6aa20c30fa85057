"""Two groups' finished runs and their submissions, made once; and submissions that somebody changed, sealed again or not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench import plugins
from bench.leaderboard.files import sealed
from bench.leaderboard.files.submission import submit
from bench.pipeline import cell_process
from bench.pipeline.plan import plan, prepare
from bench.pipeline.request import RunRequest
from bench.protocol import SMOKE, change

PLUGINS = Path(__file__).resolve().parent / "plugins"
PROTOCOL = change(
    SMOKE,
    {
        "size": "32",
        "weak_images": "20",
        "steps": "3",
        "base_channels": "2",
        "batch": "4",
        "fit_share": "1",
        "rules": "fixed,otsu,val,oracle",
    },
)
OURS = (("tiny", 0), ("tiny", 1), ("centre_disc", 0))
THEIRS = (("full_supervision", 0), ("centre_disc", 0))
JOBS = os.cpu_count() or 1


def request(out: Path, method: str, seed: int, dataset: str = "tiny_shapes") -> RunRequest:
    """What was asked for to make one of the runs: one thread for each cell."""
    return RunRequest((method,), (dataset,), PROTOCOL, (seed,), out=out, jobs=JOBS)


def work(asked: RunRequest) -> Path:
    """The folder of one finished run, made in this process."""
    (one,) = plan(asked)
    prepare([one], lambda *_: None)
    one.folder.mkdir(parents=True, exist_ok=True)
    cell_process.work(one.cell, one.folder, lambda *_: None)
    return one.folder


@cache
def made(inline_process: type, place: Path) -> tuple[Path, Path]:
    """The runs of both groups below `place`; nobody changes them."""
    for name in ("tiny.py", "three_classes.py"):
        plugins.load_file(PLUGINS / name)
    ours, theirs = place / "ours", place / "theirs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)
        for out, cells in ((ours, OURS), (theirs, THEIRS)):
            for method, seed in cells:
                work(request(out, method, seed))
    fail(ours)
    for out in (ours, theirs):
        submit(out, out.with_suffix(".zip"))
    return ours, theirs


def fail(out: Path) -> None:
    """One more seed, which failed: its sentence names a place on the disk."""
    asked = request(out, "tiny", 2)
    (one,) = plan(asked)
    one.folder.mkdir(parents=True)
    told = {
        **cell_process.describe(one.cell, one.fingerprint),
        "failed": f"it broke; its log is {one.folder / 'log.txt'}",
    }
    (one.folder / "result.json").write_text(json.dumps(told))


@pytest.fixture
def groups(inline_process: type, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of both groups' runs; their submissions lie beside them as .zip."""
    return made(inline_process, tmp_path_factory.getbasetemp())


@pytest.fixture
def ours(groups: tuple[Path, Path]) -> Path:
    """Our submission."""
    return groups[0].with_suffix(".zip")


@pytest.fixture
def theirs(groups: tuple[Path, Path]) -> Path:
    """Theirs."""
    return groups[1].with_suffix(".zip")


def contents(file: Path) -> dict[str, bytes]:
    """The members of a submission."""
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def resealed(members: dict[str, bytes], to: Path) -> Path:
    """A submission of these members whose manifest has been written anew: the hashes are right."""
    manifest = json.loads(members[sealed.MANIFEST])
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in members.items()
        if name != sealed.MANIFEST
    }
    sealed.write(to, {**members, sealed.MANIFEST: json.dumps(manifest).encode()})
    return to


def changed(file: Path, to: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """A submission with one member changed by someone who also wrote the hashes anew. `member`: how its name ends."""
    members = contents(file)
    name = next(name for name in sorted(members) if name.endswith(member))
    before = members[name]
    members[name] = change(before)
    assert members[name] != before
    return resealed(members, to)


def with_json(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """A change of a JSON file."""

    def apply(content: bytes) -> bytes:
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return apply


def copy(folder: Path, to: Path) -> Path:
    """A copy of a folder of runs that a test may change, with the times of its files."""
    shutil.copytree(folder, to)
    return to
