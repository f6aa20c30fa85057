"""What is installed: one import package over four folders, and nothing called `datasets` beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "bench": "bench",
    "methods": "bench/methods",
    "datasets": "bench/datasets",
    "leaderboard": "bench/leaderboard",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this tree, built from a copy so that no build folder is left in it."""
    source = tmp_path_factory.mktemp("source")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    program = (
        "import os, sys; os.chdir(sys.argv[1]); from setuptools.build_meta import build_wheel; build_wheel(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", program, str(source), str(target)], check=True, capture_output=True)
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_the_wheel_holds_every_module_and_nothing_beside_bench(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    ours = {
        f"{inside}/{path.relative_to(ROOT / folder)}"
        for folder, inside in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {
        "bench/py.typed",
        "bench/leaderboard/page/templates/page.html.j2",
        "bench/leaderboard/table/reported.csv",
    } <= ours
    assert sum(name.startswith("bench/commands/templates/") for name in ours) == 8
    assert names == ours


def test_the_wheel_says_who_and_under_which_licence(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    text = wheel.read(metadata).decode()
    for line in (
        "Name: wsss-bench",
        "License-Expression: MIT",
        "Author: The wsss-bench developers",
        "Requires-Python: >=3.11",
    ):
        assert line in text
    needed = {re.match(r"[\w.-]+", line)[0] for line in re.findall(r"Requires-Dist: (.*)", text) if "extra" not in line}  # type: ignore[index]
    assert {"torch", "torchvision", "timm", "segmentation-models-pytorch", "pluggy", "rich", "pandas"} <= needed
    assert not {"pytest", "scikit-learn", "ruff"} & needed
    assert "torch>=2.10" in text


def test_datasets_never_passes_for_hugging_faces() -> None:
    spec = spec_from_file_location("datasets", ROOT / "datasets" / "__init__.py")
    assert spec
    assert spec.loader
    with pytest.raises(ImportError):
        spec.loader.exec_module(module_from_spec(spec))


def test_every_entry_point_of_the_house_is_installed() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for group, points in declared.items():
        installed = {point.name: point.value for point in entry_points(group=group)}
        assert points.items() <= installed.items(), f"{group}: install again (pip install -e .)"


def test_constraints_name_versions_and_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for group in project["optional-dependencies"].values() for each in group]
    asked = {re.match(r"[\w.-]+", each)[0].lower() for each in (*project["dependencies"], *extras)}  # type: ignore[index]
    assert asked <= pinned


def test_public_names_are_there_and_come_late() -> None:
    for name in bench.__all__:
        assert getattr(bench, name) is not None
    assert bench.Method.__name__ == "Method"
    assert set(bench.__all__) <= set(dir(bench))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = bench.Nothing
    program = "import sys, bench; print([m for m in ('torch', 'pydantic', 'numpy', 'pluggy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_readme_keeps_its_two_lines_where_ci_finds_them() -> None:
    readme = (ROOT / "README.md").read_text()
    for mark, ending in (("run", "--protocol smoke"), ("test", "pytest -n 2")):
        (line,) = re.findall(rf"<!-- ci: {mark} -->\n```sh\n(.*)\n```", readme)
        assert line.startswith("python3.11 -m venv .venv && ")
        assert line.endswith(ending)


def test_the_readmes_method_is_a_method(tmp_path: Path) -> None:
    import torch

    from bench import Task, plugins

    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    file = tmp_path / "mine.py"
    file.write_text(source)
    (method,) = plugins.load_file(file)
    task = Task(classes=("a",), foreground=("object",), shows=(0,))
    made = plugins.instantiate(method, {"power": "1"})
    maps = made.maps(made.build(task), torch.full((2, 3, 4, 4), 0.25), None, task)
    assert maps.shape == (2, 1, 4, 4)
    assert torch.equal(maps, torch.full((2, 1, 4, 4), 0.25))
