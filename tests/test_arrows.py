"""The arrows of the house point one way: bench/ knows no plugin by name, and inside bench/ nobody imports from below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

LEVELS = {
    1: "errors faults ahead near disk entry_points source code_digest hookspecs api protocol store request roots",
    2: """settings plugins files data_tables duplicates web archives unpack receipts download
          resizing distances thresholds metrics row_scores differences pairs letters families over_floors resampling across masks_worth
          break_even label_budget
          columns csv_files seed_scores verdicts results view leaks samples keys door decoding pictures mapfile cache device provenance""",
    3: "confine augment weights training",
    4: "networks segmenter method_client method_process",
    5: "workbench stages",
    6: "ledger rules score_lines signals rows summary cell cell_process plan",
    7: """data_check data_describe export runs_list runs_scores runs_check locks runs_clean runs_table run_data learning_curves sheet contact_sheet own_images predict
          doctor_machine doctor_plugins doctor
          dataset_contract surroundings made plugin_faults trial firewall settings_contract fit_contract maps_contract targets_contract testing visible table_columns remarks sheets tables progress children run
          cells mask_counts break_even_table break_even_run proxy_dice attribution_table attribution
          cli_flags reading transfer_bars data_get explain cli_list cli_cache cli_data cli_check
          config cli_config cli_settings estimate dry_run new_plugin cli_new cli_run notebook cli_break_even cli_which cli_clean cli_runs cli_predict cli_doctor cli __init__ __main__""",
}
"""Every module of bench/ imports only from modules that stand before it here. Level 1 imports no torch, level 4's
method_process nothing that knows where masks are."""
ORDER = [name for names in LEVELS.values() for name in names.split()]
LIGHT = [*(ROOT / "bench" / f"{name}.py" for name in LEVELS[1].split()), *(ROOT / "datasets").glob("*.py")]
PLUGINS = ("methods", "datasets", "leaderboard")
PUBLIC = {"bench", "bench.api", "bench.errors", "bench.faults", "bench.hookspecs"}
ALLOWED = {
    "methods": PUBLIC
    | {f"bench.{name}" for name in ("training", "metrics", "thresholds", "weights", "augment", "view", "store")},
    "datasets": PUBLIC | {f"bench.{name}" for name in ("files", "data_tables", "duplicates", "store")},
    "leaderboard": PUBLIC
    | {
        f"bench.{name}"
        for name in """columns csv_files results verdicts tables cli_flags sheets table_columns visible near pairs families letters
            over_floors api remarks break_even label_budget learning_curves mapfile door pictures resizing thresholds
            resampling row_scores seed_scores metrics run_data runs_list store ahead cell cli_settings disk distances keys plan progress
            protocol reading request rules run samples score_lines stages summary workbench plugins""".split()
    },
}


class Import(NamedTuple):
    module: str
    line: int
    late: bool
    """inside a function: imported when that is called"""


def imports(file: Path) -> Iterator[Import]:
    """Everything a file imports when it runs (not what only type checkers see), as full module names."""
    yield from _walk(ast.parse(file.read_text(encoding="utf-8")), late=False)


def _walk(node: ast.AST, late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are absolute"
            yield from (Import(name, child.lineno, late) for name in _imported(child))
        else:
            yield from _walk(child, late or isinstance(child, ast.FunctionDef))


def _imported(node: ast.ImportFrom) -> Iterator[str]:
    """`from bench import plugins` imports bench.plugins, `from bench import Method` bench alone."""
    submodules = {path.stem for path in (ROOT / "bench").glob("*.py")} | set(PLUGINS)
    for alias in node.names if node.module == "bench" else ():
        yield f"bench.{alias.name}" if alias.name in submodules else "bench"
    if node.module and node.module != "bench":
        yield node.module


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("*.py"))


def test_every_module_has_its_level() -> None:
    assert sorted(ORDER) == sorted(path.stem for path in modules("bench"))


@pytest.mark.parametrize("name", ORDER)
def test_bench_imports_only_from_above(name: str) -> None:
    above = {f"bench.{other}" for other in ORDER[: ORDER.index(name)]}
    for found in imports(ROOT / "bench" / f"{name}.py"):
        if found.module.split(".")[0] == "bench":
            assert found.module in above | {"bench.statistics"}, (
                f"bench/{name}.py, line {found.line}: {found.module} stands below it"
            )


@pytest.mark.parametrize("name", ORDER)
def test_bench_names_no_plugin_module(name: str) -> None:
    texts = [
        n.value for n in ast.walk(ast.parse((ROOT / "bench" / f"{name}.py").read_text())) if isinstance(n, ast.Constant)
    ]
    assert not [
        text for text in texts if isinstance(text, str) and text.startswith(tuple(f"bench.{each}." for each in PLUGINS))
    ]


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugins_import_public_names_and_their_own_files(folder: str) -> None:
    for path in modules(folder):
        for found in imports(path):
            inside = f"{found.module}.".startswith(f"bench.{folder}.")
            ours = found.module.split(".")[0] in ("bench", *PLUGINS, "tests")
            assert not ours or inside or found.module in ALLOWED[folder], (
                f"{folder}/{path.name}, line {found.line}: {found.module}"
            )


@pytest.mark.parametrize(
    "path",
    [ROOT / "bench" / f"{name}.py" for name in LEVELS[1].split()] + modules("datasets"),
    ids=lambda path: path.name,
)
def test_level_one_and_data_sets_start_without_torch(path: Path) -> None:
    heavy = [f.module for f in imports(path) if f.module.split(".")[0] in ("torch", "torchvision", "timm", "pandas")]
    late = [f.module for f in imports(path) if f.late]
    assert set(heavy) <= set(late), path.name


def test_the_method_process_reaches_nothing_that_knows_masks() -> None:
    reached, waiting = set[str](), ["bench.method_process"]
    while waiting:
        name = waiting.pop()
        file = ROOT / f"{name.replace('.', '/')}.py"
        if name not in reached and file.exists():
            reached.add(name)
            waiting += [found.module for found in imports(file)]
    assert "bench.view" in reached
    assert not reached & {"bench.door", "bench.samples", "bench.pictures", "bench.workbench", "bench.cell"}
