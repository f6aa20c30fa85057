"""`bench leaderboard compare`: two rows on the same images."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.commands.flags import flags
from bench.leaderboard.table.rows import scored_rows


@click.command()
@click.argument("a")
@click.argument("b")
@click.argument("runs", default="runs", envvar="BENCH_RUNS", type=click.Path(path_type=Path))
@click.option("--stage", type=click.Choice(["unet", "init"]), help="[default: the last that both have]")
@click.option("--images", default=5, show_default=True, type=click.IntRange(0), help="How many to name either way.")
@click.option(
    "--data-root",
    "root",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder of the data; with it, images whose object touches the border are told apart.",
)
def compare(a: str, b: str, runs: Path, stage: str | None, images: int, root: Path | None) -> None:
    """The difference of rows A and B with its 95 % interval, by class and size, and the images that differ most.

    A row is METHOD[:RULE][,SETTING=VALUE...], or the id of one seed; without a rule it is the one under otsu.

    \b
    bench leaderboard compare dcml_attention gradcam_resnet50 runs
    bench leaderboard compare dcml_attention:fixed,map_norm=minmax otsu:fixed runs --stage init
    bench leaderboard compare r-0f57ba54f9f1 r-3aa52f40fc41 runs
    """
    from bench.leaderboard.table.compare import compare_rows
    from bench.leaderboard.table.selectors import pairs_of

    found = [compare_rows(*pair, stage, images, root) for pair in pairs_of(a, b, scored_rows(runs))]
    if flags().json:
        click.echo(json.dumps([each.to_json() for each in found], indent=1))
        return
    from rich.console import Console

    from bench.leaderboard.table.show_compare import show

    for each in found:
        show(each, Console(highlight=False))
