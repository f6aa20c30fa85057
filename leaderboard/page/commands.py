"""`bench leaderboard build` and `figure`: finished runs as a page, and as figures for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.flags import flags, tell
from bench.commands.settings import named_roots
from bench.leaderboard.table.rows import RUNS

FIGURES = ("letters", "floors", "thresholds", "cost", "break-even", "labels", "attribution")
"""As leaderboard.figures draws them; not imported from there, so that `--help` stays light."""


@click.command()
@RUNS
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="Where index.html goes."
)
@click.option("--private", is_flag=True, help="Pictures that may not be published too, for your own disk.")
@click.option(
    "--images",
    default=16,
    show_default=True,
    type=click.IntRange(0, 200),
    metavar="N",
    help="So many images a gallery; 0: none.",
)
@click.option("--data-root", "roots", multiple=True, metavar="[D=]PATH", help="Folder of the data, or of one data set.")
@click.option(
    "--plugin", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="A loose plugin file."
)
def build(
    runs: Path, output: Path, private: bool, images: int, roots: tuple[str, ...], files: tuple[Path, ...]
) -> None:
    """Write one page of all finished runs: tables, figures, sections for each method, and a gallery. It opens from the disk.

    \b
    bench leaderboard build runs -o page
    bench leaderboard build runs -o page --private --data-root isic=ISIC
    """
    from bench import plugins
    from bench.leaderboard.page.build import Options, write_page

    for file in files:
        plugins.load_file(file)
    remarks = write_page(runs, output, Options(private, images, named_roots(roots)))
    for remark in remarks:
        if not flags().quiet:
            click.echo(remark, err=True)
    tell({"page": str(output / "index.html"), "remarks": remarks}, str(output / "index.html"))


@click.command()
@click.argument("name", type=click.Choice(FIGURES))
@RUNS
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="An .svg or a .png."
)
@click.option("--dataset", metavar="D", help="The data set, where several have such a figure.")
@click.option("--protocol", metavar="P", help="The protocol, where several have such a figure.")
def figure(name: str, runs: Path, output: Path, dataset: str | None, protocol: str | None) -> None:
    """Draw one figure of finished runs for a paper, as SVG or PNG.

    letters: rows that are told apart; floors: difference to the strongest floor; thresholds: Dice against T; cost: seconds against Dice;
    break-even: masks that a method is worth; labels: Dice against the number of labels; attribution: what the U-Net mends by itself.

    \b
    bench leaderboard figure letters runs -o letters.svg
    bench leaderboard figure thresholds runs -o thresholds.png --dataset isic --protocol quick
    """
    from bench.leaderboard.page import figures
    from bench.leaderboard.page.gathered import gather

    figures.save(figures.one(name, gather(runs), dataset, protocol), output)
    tell({"figure": str(output)}, str(output))


PAGE_COMMANDS = (build, figure)
