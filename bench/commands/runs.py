"""`bench runs`: what lies under runs/. Nothing here imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.commands.clean import gc, rm
from bench.commands.flags import flags, tell
from bench.commands.which import OUT, RUN, UNDER

if TYPE_CHECKING:
    from bench.runs.check import Finding

DIFFERS = 6
"""Exit code of `runs check` where something is not as it was written."""


@click.group()
def runs() -> None:
    """Look at runs, check them, take files out of them, and be rid of them.

    A RUN is its folder, its id (r-...) or the beginning of its id.
    """


runs.add_command(rm)
runs.add_command(gc)


@runs.command("list")
@OUT
def list_(out: Path) -> None:
    """List the runs under RUNS (default: runs): what each is, its state, when it was made, its size.

    \b
    bench runs list
    """
    from bench.runs.listing import ARTIFACTS, taken
    from bench.runs.listing import runs as found

    rows = [run.row() for run in found(out)]
    if flags().json:
        click.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console

    from bench.disk import amount
    from bench.runs.table import table

    console = Console()
    console.print(table(rows, console.width))
    folders = [*(Path(row["folder"]) for row in rows), out / ARTIFACTS]
    click.echo(
        f"{len(rows)} {'run' if len(rows) == 1 else 'runs'}, {amount(taken(folders))} in all (runs share artifacts)"
    )


@runs.command()
@OUT
def check(out: Path) -> int:
    """Compare everything under RUNS (default: runs) with what was written there; exit 6 if something differs.

    \b
    bench runs check && echo whole
    """
    from bench.commands.reading import Reading
    from bench.runs.check import check as read

    with Reading(flags()) as reading:
        found = read(out, reading)
    differing = [finding for finding in found if finding.differs]
    if flags().json:
        click.echo(json.dumps([finding.row() for finding in found], indent=1))
    else:
        _report(found, len(differing))
    return DIFFERS if differing else 0


def _report(found: list[Finding], differing: int) -> None:
    for finding in found:
        click.echo(f"{finding.kind}: {finding.place}: {finding.text}")
    counted = {0: "no difference", 1: "1 difference"}.get(differing, f"{differing} differences")
    click.echo(f"{counted}; {len(found) - differing} unfinished or without a result (`bench runs gc` removes them)")


@runs.command()
@RUN
@UNDER
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The PNG. [default: r-....png here]"
)
@click.option("--rule", metavar="RULE", help="The threshold rule. [default: otsu, else the run's first]")
@click.option(
    "--images", default=8, show_default=True, type=click.IntRange(1, 200), metavar="N", help="So many images."
)
@click.option("--data-root", "root", type=click.Path(path_type=Path), metavar="PATH", help="Folder of the data.")
@click.option(
    "--plugin", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="A loose plugin file."
)
@click.option("--private", is_flag=True, help="Show pictures that may not be published, for your own disk.")
def show(run: str, out: Path, output: Path | None, files: tuple[Path, ...], private: bool, **how: Any) -> None:
    """Draw image, truth, map, proxy and prediction of some test images, worst to best Dice, and the learning curves.

    \b
    bench runs show r-0123456789ab -o sheet.png
    """
    from bench import plugins
    from bench.runs import contact_sheet
    from bench.runs import data as run_data
    from bench.runs.listing import find_finished

    found = find_finished(run, out)
    for file in files:
        plugins.load_file(file)
    rule, images = contact_sheet.pick_rule(found, how["rule"]), how["images"]
    dataset = run_data.open_dataset(found, how["root"])
    run_data.require_publishable(dataset, private)
    to = output or Path(f"{found.id}.png")
    contact_sheet.draw(found, dataset, rule, images, to)
    tell({"sheet": str(to)}, str(to))


@runs.command()
@RUN
@UNDER
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where the files go."
)
@click.option(
    "--what",
    default="maps",
    show_default=True,
    type=click.Choice(["maps", "proxies", "predictions"]),
    help="The method's maps, the pseudo-masks, or the segmenter's predictions.",
)
@click.option(
    "--format",
    "form",
    default="npy",
    show_default=True,
    type=click.Choice(["npy", "png"]),
    help="npy: floats; png: 16 bits.",
)
def export(run: str, out: Path, output: Path, what: str, form: str) -> None:
    """Write one file an image, named by its id: --what maps is a folder that `precomputed` reads.

    \b
    bench runs export runs/isic/gradcam_resnet50/r-0123456789ab -o gradcam
    bench run --method precomputed --set precomputed.folder=gradcam --dataset isic
    """
    from bench.commands.reading import Reading
    from bench.runs.export import export as write
    from bench.runs.listing import find_run

    found = find_run(run, out)
    with Reading(flags()) as reading:
        count = write(found.folder, output, what, form, reading)
    tell({"files": count, "folder": str(output)}, f"{count} files in {output}")
