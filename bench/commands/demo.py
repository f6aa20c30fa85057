"""`bench demo`: a table and a page from nothing, in minutes, without a network or a GPU."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import plugins
from bench.commands.flags import flags
from bench.commands.run import parse

if TYPE_CHECKING:
    from bench.pipeline.request import RunRequest
    from bench.results.columns import Row

METHODS = ("gradcam_resnet50", "dcml_attention", "reconstruction_decomposition")
FLOORS = ("all_foreground", "centre_disc", "otsu", "otsu_classic", "random_network", "shape_prior")
SETTINGS = (
    "protocol.rules=otsu",
    "protocol.fit_share=0.035",
    "backbone=resnet10t",
    "reconstruction_decomposition.epochs=60",
    "reconstruction_decomposition.classifier.epochs=60",
    "reconstruction_decomposition.classifier.backbone=resnet10t",
)
"""Frozen by the time that they take: three minutes on two cores. Cut twice after tables had been seen (from a fit_share of 0.05, and 100
and 200 epochs), because those took 314 CPU seconds and then 189 s; no Dice decided them, and none may change them."""
FROZEN = (
    "Pictures and budget were chosen by what two CPU cores do in minutes; no Dice decided them, and they are frozen: "
    "this table says that everything works, not which method is good."
)


@click.command()
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where results and page go; the same command again continues there.",
)
@click.pass_context
def demo(context: click.Context, out: Path) -> int:
    """Three methods, six floors and full supervision on made pictures: table and page in minutes, offline, on a CPU.

    \b
    bench demo
    bench demo --out try
    """
    from bench.pipeline.cells import carry_out, succeeded
    from bench.pipeline.plan import plan
    from bench.pipeline.progress import Display
    from bench.results.orders import orders
    from bench.store import require_cache

    request = frozen(out)
    display = Display(request)
    require_cache()
    planned = plan(request)
    display.say(f"{len(planned)} rows on made pictures, {request.jobs} at a time; about 2 minutes on two idle cores")
    mine = {p.folder.name for p in planned}
    rows = [s.row for s in carry_out(planned, display) if not mine.isdisjoint(s.row["run_ids"].split())]
    found = orders(rows)
    page = build_page(context, out) if any(row["seeds"] for row in rows) else None
    show(rows, found, page)
    display.say(what_next(request, page))
    return 0 if succeeded(planned) else 1


def frozen(out: Path) -> RunRequest:
    """What the demo runs: on a CPU, from scratch, one seed."""
    return parse(
        methods=(*METHODS, *FLOORS, "full_supervision"),
        datasets=("synthetic",),
        rules="smoke",
        seeds=("0",),
        settings=SETTINGS,
        roots=(),
        files=(),
        accept=(),
        device="cpu",
        out=out,
        jobs=min(2, os.cpu_count() or 1),
    )


def build_page(context: click.Context, out: Path) -> Path:
    """OUT/index.html by `bench leaderboard build`, which a plugin adds."""
    group = plugins.load_command("leaderboard")
    assert isinstance(group, click.Group)
    with redirect_stdout(StringIO()):  # it prints the path, which stands below the table here
        context.invoke(group.commands["build"], runs=out, output=out)
    return out / "index.html"


def show(rows: Sequence[Row], found: Sequence[str], page: Path | None) -> None:
    """The table, the orders that one would expect, and where the page lies; one JSON document with --json."""
    if flags().json:
        document = {"rows": rows, "orders": found, "page": page and str(page)}
        click.echo(json.dumps(document, indent=1, default=str))
        return
    from rich.console import Console

    from bench.results import tables

    tables.show(rows, Console(highlight=False))
    click.echo("What one would expect, and what these rows say (Dice on test images in %, one seed):")
    for sentence in found:
        click.echo(f"- {sentence}")
    click.echo(FROZEN)
    if page:
        click.echo(f"\npage: {page}")


def what_next(request: RunRequest, page: Path | None) -> str:
    """The next things to type, with the paths of this run."""
    again = "bench run --method otsu,random_network --dataset synthetic --protocol smoke --seed 0,1,2"
    return "\n".join([
        "\nNext:",
        *([f"  open {page} in a browser; every row unfolds"] if page else []),
        f"  bench runs list {request.out}".ljust(52) + "what was made",
        "  bench list".ljust(52) + "methods, data sets, protocols",
        "  bench new method mine".ljust(52) + "a method of your own, ready to edit",
        "  bench data describe FOLDER".ljust(52) + "your own images: is the folder understood?",
        f"  {again}",
    ])  # fmt: skip
