"""`bench run`: the command line becomes a RunRequest. Nothing here imports torch or an installed plugin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import plugins
from bench.commands.config_options import config_option, origins
from bench.commands.flags import flags
from bench.commands.settings import data_roots, settings_of, table_origins
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.pipeline.request import RunRequest


def _complete(kind: str) -> Any:
    """Completion for a comma list of names of a kind."""

    def names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        known = _protocols() if kind == "protocols" else [*plugins.offers(kind), "all"]
        return [before + comma + name for name in known if name.startswith(last)]

    return names


def _protocols() -> list[str]:
    from bench.protocol import PROTOCOLS

    return list(PROTOCOLS)


@click.command()
@click.option(
    "--method",
    "methods",
    multiple=True,
    required=True,
    metavar="M[,M]",
    shell_complete=_complete("methods"),
    help="Methods by name, or `all`; may be repeated.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    metavar="D[,D]",
    shell_complete=_complete("datasets"),
    help="Data sets by name, or `all`; may be repeated.",
)
@click.option(
    "--protocol",
    "rules",
    default="paper",
    show_default=True,
    metavar="P",
    shell_complete=_complete("protocols"),
    help="The rules of the comparison: paper, quick or smoke.",
)
@click.option(
    "--seed", "seeds", multiple=True, default=["0"], metavar="N[,N]", help="Seeds; each makes a run. [default: 0]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="[OBJ.]K=V",
    help="A setting of a plugin or of `protocol`; without OBJ of every chosen method that has it.",
)
@click.option("--data-root", "roots", multiple=True, metavar="[D=]PATH", help="Folder of the data (of data set D).")
@click.option(
    "--out",
    default="runs",
    envvar="BENCH_RUNS",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where results go; the same command again continues there.",
)
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--plugin",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .py file that offers methods or data sets.",
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), metavar="N", help="Cells at a time.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Stop a cell that takes longer."
)
@click.option(
    "--controls", is_flag=True, help="Each weak method twice more: trained on permuted labels, and untrained."
)
@click.option(
    "--accept",
    multiple=True,
    metavar="FAULT[,FAULT]",
    help="Kinds of fault in the data to go on with (`bench data check` names them); shown in every row.",
)
@config_option
@click.option("--fresh", is_flag=True, help="Make every artifact again.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would be made, what is there, what it takes, and where each option comes from; make nothing.",
)
@click.pass_context
def run(context: click.Context, /, **options: Any) -> int:
    """Fit methods on image labels, train the same U-Net on their proxies, and print the Dice table.

    \b
    bench run --method gradcam_resnet50,otsu --dataset isic --data-root ISIC --protocol quick --seed 0,1,2
    """
    request = parse(**options)
    if request.dry_run:
        from bench.commands.dry_run import dry_run

        return dry_run(request, [*origins(context), *table_origins(request, options["settings"], options["roots"])])
    from bench.pipeline.run import run as run_cells

    return run_cells(request)


def parse(
    methods: tuple[str, ...],
    datasets: tuple[str, ...],
    rules: str,
    seeds: tuple[str, ...],
    settings: tuple[str, ...],
    roots: tuple[str, ...],
    files: tuple[Path, ...],
    accept: tuple[str, ...],
    device: str,
    **plain: Any,
) -> RunRequest:
    """The request of a command line; UsageError (exit 2) for what does not exist or does not parse."""
    from bench import protocol
    from bench.pipeline.request import RunRequest

    for file in files:
        plugins.load_file(file)
    chosen = _names("methods", methods)
    on = _names("datasets", datasets)
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UsageError(f"--device is auto, cpu, cuda or cuda:N, not {device!r}")
    split = [setting for setting, _ in settings_of(settings, chosen, on)]
    changes = {key: text for owner, key, text in split if owner == "protocol"}
    return RunRequest(
        methods=chosen,
        every_method="all" in _listed(methods),
        datasets=on,
        protocol=protocol.change(protocol.find(rules), changes),
        seeds=_seeds(seeds),
        settings=tuple(s for s in split if s[0] != "protocol"),
        data_roots={name: path for name, (path, _) in data_roots(roots, on).items()},
        plugins=files,
        accept=accepted(accept),
        device=device,
        **plain,
        **vars(flags()),
    )


def accepted(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds of fault that `--accept` names, sorted; UsageError for one that it does not take."""
    from bench.faults import check_acceptable

    kinds = tuple(sorted(_listed(texts)))
    check_acceptable(kinds)
    return kinds


def _listed(texts: tuple[str, ...]) -> list[str]:
    """Repeated comma lists as one list without repeats, in order."""
    return list(dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip()))


def _names(kind: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    listed = _listed(texts)
    if "all" in listed:
        return tuple(plugins.names(kind))
    if not listed:
        raise UsageError(f"no {plugins.SINGULAR[kind]} is named; `bench list {kind}` shows what there is")
    for name in listed:
        plugins.check_name(kind, name)
    return tuple(listed)


def _seeds(texts: tuple[str, ...]) -> tuple[int, ...]:
    listed = _listed(texts)
    wrong = [text for text in listed if not re.fullmatch(r"[0-9]{1,9}", text)]
    if wrong or not listed:
        raise UsageError(f"--seed takes whole numbers from 0, as in 0,1,2, not {', '.join(map(repr, wrong or texts))}")
    return tuple(dict.fromkeys(int(text) for text in listed))
