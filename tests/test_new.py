"""`bench new`: what it writes works as it is, and a name that would confuse is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench import UsageError, plugins
from bench.commands.cli import cli
from bench.commands.new_plugin import check_new_name, write_package
from bench.entry_points import entry_points

NAMES = {"method": "edge_of_things", "dataset": "plates_2019"}


def bench(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new method and a new data set."""
    folder = tmp_path_factory.mktemp("new")
    for kind, name in NAMES.items():
        done = bench("new", kind, name, "-o", folder)
        assert done.exit_code == 0, done.output
        assert f"pip install -e {folder / name}" in done.stdout
    return folder


def test_a_package_is_a_module_its_test_pyproject_and_readme_all_under_the_new_name(packages: Path) -> None:
    for name in NAMES.values():
        files = {path.name: path.read_text() for path in (packages / name).iterdir()}
        assert set(files) == {f"{name}.py", f"test_{name}.py", "pyproject.toml", "README.md"}
        for text in files.values():
            assert name in text
            assert not {word for word in ("my_method", "my_dataset", "MyMethod", "MyDataset", "my-") if word in text}
    assert "class EdgeOfThings(Method)" in (packages / "edge_of_things" / "edge_of_things.py").read_text()
    assert 'name = "wsss-bench-plates-2019"' in (packages / "plates_2019" / "pyproject.toml").read_text()


def test_their_own_tests_pass(packages: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=prepend", *NAMES.values()]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout


def test_installed_they_stand_in_the_list(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    folders = [packages / name for name in NAMES.values()]
    subprocess.run([*pip, "--target", tmp_path, *folders], check=True, capture_output=True)
    assert "EdgeOfThings" not in bench("list").stdout
    monkeypatch.syspath_prepend(tmp_path)
    entry_points.cache_clear()
    try:
        told = json.loads(bench("list", "--json").stdout)
        assert {
            "name": "edge_of_things",
            "text": "Evidence of a small classifier with global average pooling.",
        } in told["methods"]
        assert "plates_2019" in {row["name"] for row in told["datasets"]}
        assert plugins.load("methods", "edge_of_things").model_fields["lr"].description
    finally:
        entry_points.cache_clear()


def test_a_new_method_makes_a_row(packages: Path, tmp_path: Path, inline: None) -> None:
    from bench.pipeline.cell import Cell
    from bench.pipeline.cell_process import work
    from bench.pipeline.plan import plan
    from bench.pipeline.request import RunRequest
    from bench.protocol import change, find

    file = packages / "edge_of_things" / "edge_of_things.py"
    plugins.load_file(file)
    rules = change(find("smoke"), {"steps": "2", "weak_images": "12", "size": "32", "base_channels": "2"})
    (planned,) = plan(RunRequest(("edge_of_things",), ("synthetic",), rules, plugins=(file,), out=tmp_path))
    planned.folder.mkdir(parents=True)
    cell = replace(Cell.from_json(json.dumps(planned.cell.to_json())), threads=1)
    work(cell, planned.folder, lambda stage, done, total: None)
    result = json.loads((planned.folder / "result.json").read_text())
    assert [row["rule"] for row in result["rows"]] == ["fixed", "otsu"]
    assert result["masks_train"] == 0
    assert result["labels_used"] == 12


def test_nothing_is_overwritten(packages: Path) -> None:
    before = {path: path.read_bytes() for path in packages.rglob("*.py")}
    done = bench("new", "method", "edge_of_things", "-o", packages)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {packages / 'edge_of_things'} is there already and stays as it is")
    assert {path: path.read_bytes() for path in packages.rglob("*.py")} == before


REFUSED = {
    "Edges": "is no name for a plugin",
    "ab": "is no name for a plugin",
    "a" * 41: "is no name for a plugin",
    "../out": "is no name for a plugin",
    "a__b": "is no name for a plugin",
    "9lives": "is no name for a plugin",
    "kän": "is no name for a plugin",
    "protocol": "means something else",
    "smoke": "means something else",
    "lambda": "means something else",
    "otsu": "there is a plugin called otsu already",
    "isic": "there is a plugin called isic already",
    "otsu2": "otsu2 would be taken for otsu",
    "gradcam_resnet_50": "would be taken for gradcam_resnet50",
    "dcml_attentoin": "would be taken for dcml_attention",
    "ml_attentions": "would be taken for ml_attention",
    "torch": "a module torch can be imported already",
    "json": "a module json can be imported already",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_would_confuse_is_refused(name: str, tmp_path: Path) -> None:
    done = bench("new", "method", name, "-o", tmp_path)
    assert done.exit_code == 2
    assert REFUSED[name] in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["attention_of_my_own", "grad_cam_plus_plus", "otsu_twice"])
def test_a_name_of_its_own_is_taken(name: str) -> None:
    check_new_name(name)


def test_a_plugin_of_a_loose_file_counts_too(tiny_file: Path, tmp_path: Path) -> None:
    known = next(cls.name for cls in plugins.load_file(tiny_file))
    with pytest.raises(UsageError, match=f"there is a plugin called {known} already"):
        write_package("method", known, tmp_path)


def test_json_names_the_files(tmp_path: Path) -> None:
    told = json.loads(bench("new", "dataset", "plates_of_2020", "-o", tmp_path, "--json").stdout)
    assert sorted(Path(path).name for path in told) == [
        "README.md",
        "plates_of_2020.py",
        "pyproject.toml",
        "test_plates_of_2020.py",
    ]


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    """Loose files that a test loads are forgotten: their names are free again."""
    before = dict(plugins._files)
    yield
    plugins._files.clear()
    plugins._files.update(before)
