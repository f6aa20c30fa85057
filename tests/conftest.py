"""What all tests share: a cache of their own, one thread, the real images where they are, and made-up plugin packages."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch

settings.register_profile("suite", deadline=None)  # a busy machine is no failure
settings.load_profile("suite")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the caches and folders of the person who runs it; children of a test inherit that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        for name in ("BENCH_DATA", "BENCH_RUNS", "BENCH_CONFIG", "BENCH_DEBUG"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _no_made_up_plugin_outlives_its_test() -> Iterator[None]:
    """Plugin files of one test (in its own folder) claim no names in the next; those of tests/plugins stay."""
    yield
    from bench import plugins

    for file in [file for file in plugins._files if not file.is_relative_to(ROOT)]:
        del plugins._files[file]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images and weights: $BENCH_TEST_DATA, else `shared/data` beside the repository; skips without it."""
    named = os.environ.get("BENCH_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; set BENCH_TEST_DATA to their folder")
    return folder


Package = Callable[..., None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Installs a made-up distribution: `package("theirs", {"mod": source}, methods={"name": "mod"})`."""
    from bench import plugins
    from bench.entry_points import entry_points

    before = set(sys.modules)
    site = tmp_path / "site"
    site.mkdir()

    def install(name: str, modules: Mapping[str, str], **points: Mapping[str, str]) -> None:
        for module, source in modules.items():
            (site / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        groups = [
            [f"[wsss_bench.{group}]", *(f"{k} = {v}" for k, v in names.items())] for group, names in points.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(line for group in groups for line in group))
        monkeypatch.syspath_prepend(site)
        entry_points.cache_clear()

    yield install
    entry_points.cache_clear()
    for name in [n for n in set(sys.modules) - before if str(site) in str(getattr(sys.modules[n], "__file__", ""))]:
        if plugins._manager().has_plugin(name):
            plugins._manager().unregister(name=name)
        del sys.modules[name]


class InlineProcess:
    """Stands in for the method process where a test is about something else: the same worker, without a second Python."""

    def __init__(
        self, job: Mapping[str, Any], readable: list[Path], hidden: Any, scratch: Path, log: Path, report: Any
    ) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self.job = job
        self.report = report
        self.scratch = Path(tempfile.mkdtemp(dir=scratch))
        self.confined = True

    def start(self, writable: Any = ()) -> None:
        from bench.pipeline.method_process import Worker

        self.worker = Worker(self.job, self.report)

    def ask(self, **command: Any) -> dict[str, Any]:
        return self.worker.obey(command)

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def inline_process() -> type:
    """The class that `inline` puts in place of the method process."""
    return InlineProcess


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch, inline_process: type) -> None:
    """Cells of this test run their method in the test's own process."""
    monkeypatch.setattr("bench.pipeline.workbench.MethodProcess", inline_process)


@pytest.fixture(scope="session")
def tiny_file() -> Path:
    """The plugin file with the small methods; loaded."""
    from bench import plugins

    file = ROOT / "tests" / "plugins" / "tiny.py"
    plugins.load_file(file)
    return file
