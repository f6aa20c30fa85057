"""The arrows of the house point one way: bench/ knows no plugin by name, and inside bench/ nobody imports from below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

LEVELS = {
    1: """
        errors faults ahead evenly near disk entry_points data.source pipeline.code_digest hookspecs api protocol
        store pipeline.request roots
    """,
    2: """
        settings plugins files data_tables duplicates data.web data.archives data.unpack data.receipts
        data.download resizing pipeline.distances thresholds metrics statistics.row_scores
        statistics.differences statistics.pairs statistics.letters statistics.families statistics.over_floors
        statistics.resampling statistics.across statistics.masks_worth worth.break_even worth.label_budget
        results.columns results.orders results.csv_files results.seed_scores results.verdicts results.collected view
        data.leaks data.samples pipeline.keys data.door data.decoding data.pictures pipeline.mapfile
        data.cache device provenance
    """,
    3: """
        pipeline.confine augment weights training
    """,
    4: """
        pipeline.signals pipeline.networks pipeline.segmenter pipeline.method_client pipeline.method_process
    """,
    5: """
        pipeline.workbench pipeline.stages
    """,
    6: """
        pipeline.ledger pipeline.rules pipeline.score_lines pipeline.rows pipeline.summary
        pipeline.cell pipeline.cell_process pipeline.plan
    """,
    7: """
        data.check data.describe runs.export runs.listing runs.scores runs.check runs.locks runs.clean
        runs.table runs.data runs.learning_curves runs.sheet runs.contact_sheet runs.own_images runs.predict
        doctor.machine doctor.plugins doctor.findings contract.dataset contract.surroundings contract.made
        contract.plugin_faults contract.trial contract.firewall contract.settings contract.fit contract.maps
        contract.targets testing results.visible results.table_columns results.remarks runs.sheets
        results.tables pipeline.progress pipeline.children pipeline.run pipeline.cells worth.counts
        worth.table worth.run worth.proxy_dice worth.attribution_table worth.attribution commands.flags
        commands.reading commands.transfer_bars data.get commands.explain commands.listing commands.cache
        commands.data commands.check commands.config commands.config_options commands.settings
        commands.estimate commands.dry_run commands.new_plugin commands.new commands.run commands.demo notebook
        commands.break_even commands.which commands.clean commands.runs commands.predict commands.doctor
        commands.cli __init__ __main__
    """,
}
"""Every module of bench/ imports only from modules that stand before it here. Level 1 imports no torch, level 4's
method_process nothing that knows where masks are."""
ORDER = [name for names in LEVELS.values() for name in names.split()]
LIGHT = [
    *(ROOT / "bench" / f"{name.replace('.', '/')}.py" for name in LEVELS[1].split()),
    *(ROOT / "datasets").glob("*.py"),
]
PLUGINS = ("methods", "datasets", "leaderboard")
PUBLIC = {"bench", "bench.api", "bench.errors", "bench.faults", "bench.hookspecs"}
ALLOWED = {
    "methods": PUBLIC
    | {f"bench.{name}" for name in ("training", "metrics", "thresholds", "weights", "augment", "view", "store")},
    "datasets": PUBLIC | {f"bench.{name}" for name in ("files", "data_tables", "duplicates", "store")},
    "leaderboard": PUBLIC
    | {
        f"bench.{name}"
        for name in """
            ahead api evenly commands.config commands.flags commands.reading commands.settings data.door data.pictures data.samples
            disk metrics near pipeline.cell pipeline.distances pipeline.keys pipeline.mapfile pipeline.plan
            pipeline.progress pipeline.request pipeline.rules pipeline.run pipeline.score_lines
            pipeline.signals pipeline.stages pipeline.summary pipeline.workbench plugins protocol resizing results.collected
            results.columns results.csv_files results.remarks results.seed_scores results.table_columns
            results.tables results.verdicts results.visible runs.data runs.learning_curves runs.listing
            runs.sheets statistics.families statistics.letters statistics.over_floors statistics.pairs
            statistics.resampling statistics.row_scores store thresholds view worth.break_even worth.label_budget
        """.split()
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
    assert node.module
    for alias in node.names:
        inside = f"{node.module}.{alias.name}"
        yield inside if node.module.startswith("bench") and is_module(inside) else node.module


def is_module(name: str) -> bool:
    """Whether bench.NAME lies in one of the four folders."""
    first, _, rest = name.removeprefix("bench.").partition(".")
    path = ROOT.joinpath(first if first in PLUGINS else f"bench/{first}", *rest.split(".") if rest else ())
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def modules(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "templates" not in path.parts)


def name_of(path: Path) -> str:
    """`pipeline.stages` for bench/pipeline/stages.py."""
    return ".".join(path.relative_to(ROOT / "bench").with_suffix("").parts)


def test_every_module_has_its_level() -> None:
    assert sorted(ORDER) == sorted(
        name_of(path) for path in modules("bench") if path.stem != "__init__" or path.parent.name == "bench"
    )


@pytest.mark.parametrize("name", ORDER)
def test_bench_imports_only_from_above(name: str) -> None:
    above = {f"bench.{other}" for other in ORDER[: ORDER.index(name)]}
    for found in imports(ROOT / "bench" / f"{name.replace('.', '/')}.py"):
        if found.module.split(".")[0] == "bench":
            assert found.module in above, f"bench/{name}.py, line {found.line}: {found.module} stands below it"


@pytest.mark.parametrize("name", ORDER)
def test_bench_names_no_plugin_module(name: str) -> None:
    texts = [
        n.value
        for n in ast.walk(ast.parse((ROOT / "bench" / f"{name.replace('.', '/')}.py").read_text()))
        if isinstance(n, ast.Constant)
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
    [ROOT / "bench" / f"{name.replace('.', '/')}.py" for name in LEVELS[1].split()] + modules("datasets"),
    ids=lambda path: path.name,
)
def test_level_one_and_data_sets_start_without_torch(path: Path) -> None:
    heavy = [f.module for f in imports(path) if f.module.split(".")[0] in ("torch", "torchvision", "timm", "pandas")]
    late = [f.module for f in imports(path) if f.late]
    assert set(heavy) <= set(late), path.name


def test_the_method_process_reaches_nothing_that_knows_masks() -> None:
    reached, waiting = set[str](), ["bench.pipeline.method_process"]
    while waiting:
        name = waiting.pop()
        file = ROOT / f"{name.replace('.', '/')}.py"
        if name not in reached and file.exists():
            reached.add(name)
            waiting += [found.module for found in imports(file)]
    assert "bench.view" in reached
    assert not reached & {
        "bench.data.door",
        "bench.data.samples",
        "bench.data.pictures",
        "bench.pipeline.workbench",
        "bench.pipeline.cell",
    }
