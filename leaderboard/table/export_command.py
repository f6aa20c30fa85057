"""`bench leaderboard export`: the rows of finished runs as a file."""

from __future__ import annotations

from pathlib import Path

import click

from bench.leaderboard.table.rows import COLUMNS, REPORTED, RUNS, SORT, asked, scored_rows, with_reported

FORMATS = ("csv", "md", "latex", "html", "json")


@click.command()
@RUNS
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="csv", show_default=True, help="The form of the file."
)
@click.option("-o", "to", type=click.Path(path_type=Path), metavar="FILE", help="Write there instead of stdout.")
@SORT
@COLUMNS
@REPORTED
def export(runs: Path, kind: str, to: Path | None, sort: str | None, columns: str | None, reported: bool) -> None:
    """Write the rows of the runs under RUNS: csv and json with every column, exact; md, latex and html as tables to read.

    \b
    bench leaderboard export runs --format md -o table.md
    bench leaderboard export runs --format latex --columns test_init,test_unet,interval,tie_group
    """
    from bench.leaderboard.table.export import text_of
    from bench.store import write_file

    shown = asked(columns)
    rows = with_reported([scored.row for scored in scored_rows(runs)], reported)
    text = text_of(kind, rows, shown, sort)
    if to is None:
        click.echo(text, nl=False)
        return
    write_file(to, lambda path: path.write_bytes(text.encode("utf-8", "backslashreplace")))
    click.echo(f"wrote {len(rows)} rows to {to}", err=True)
