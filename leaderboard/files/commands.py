"""`bench leaderboard submit|verify|reproduce|merge|check`: the files that groups exchange. Nothing here imports torch or pydantic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench import plugins
from bench.commands.flags import flags, tell
from bench.commands.settings import named_roots, settings_of

if TYPE_CHECKING:
    from bench.leaderboard.files.findings import Finding
    from bench.pipeline.plan import Planned
    from bench.pipeline.request import RunRequest
    from bench.results.columns import Row

DIFFERS = 6
POINTS = 0.5
"""Dice points (hundredths) that each of the four Dice of each seed may lie apart. On the machine and with the versions of the submission
the difference is 0; other devices and versions sum in another order, and training amplifies that."""
FILE = click.argument("file", type=click.Path(path_type=Path))
ROOTS = click.option(
    "--data-root", "roots", multiple=True, metavar="[D=]PATH", help="Folder of the data (of data set D)."
)
PLUGINS = click.option(
    "--plugin",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A .py file that offers methods or data sets.",
)


def _output(required: bool, text: str) -> Callable[..., Any]:
    return click.option(
        "-o",
        "--output",
        "to",
        required=required,
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=text,
    )


@click.command()
@click.argument("runs", default="runs", envvar="BENCH_RUNS", type=click.Path(path_type=Path))
@_output(True, "The submission, a .zip.")
@click.option("--method", "methods", multiple=True, metavar="M[,M]", help="Only these methods. [default: all]")
@click.option(
    "--compact", is_flag=True, help="U-Net maps as run-length masks: smaller, but their AP cannot be recomputed."
)
@ROOTS
@PLUGINS
def submit(
    runs: Path, to: Path, methods: tuple[str, ...], compact: bool, roots: tuple[str, ...], files: tuple[Path, ...]
) -> None:
    """Pack the runs under RUNS (default: runs) into one file that anybody can verify.

    It holds results without places on the disk, per-image scores, predictions, rows and hashes. --compact needs the data set, for
    the sizes of its images; no mask is opened.

    \b
    bench leaderboard submit runs -o ours.zip
    """
    from bench.leaderboard.files.submission import submit as pack

    _load(files)
    wanted = [name for text in methods for name in text.split(",") if name]
    rows = pack(runs, to, wanted, _sizes(named_roots(roots)) if compact else None)
    tell(
        {"file": str(to), "rows": len(rows), "bytes": to.stat().st_size},
        f"wrote {len(rows)} rows with their predictions to {to}",
    )


@click.command()
@FILE
@ROOTS
@PLUGINS
@_output(False, "Write the rows there, kind `recomputed`, as a leaderboard.csv.")
def verify(file: Path, roots: tuple[str, ...], files: tuple[Path, ...], to: Path | None) -> int:
    """Recompute every number of the submission FILE from its predictions and the data that lie here; exit 6 where one differs.

    It says that the arithmetic is right, not that the predictions were honestly come by: test masks are public.

    \b
    bench leaderboard verify theirs.zip --data-root isic=ISIC
    """
    from bench.commands.reading import Reading
    from bench.leaderboard.files.verify import verify as recompute

    _load(files)
    with Reading(flags()) as reading:
        done = recompute(file, named_roots(roots), reading)
    return _answer(done.rows, done.findings, to, done.left_out)


@click.command()
@FILE
@click.option("--rows", "wanted", multiple=True, metavar="M[:RULE][,...]", help="Only these rows. [default: all]")
@click.option(
    "--tolerance",
    default=POINTS,
    show_default=True,
    type=click.FloatRange(0),
    metavar="POINTS",
    help="How far a Dice of one seed may lie from the submitted one, in Dice points (hundredths); 0: not at all.",
)
@click.option(
    "--out",
    default="reproduced",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where runs go.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="M.K=FILE", help="A file that a method starts from, say its weights."
)
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")
@ROOTS
@PLUGINS
@_output(False, "Write the rows there, kind `reproduced`, as a leaderboard.csv.")
def reproduce(
    file: Path,
    wanted: tuple[str, ...],
    tolerance: float,
    out: Path,
    settings: tuple[str, ...],
    device: str,
    roots: tuple[str, ...],
    files: tuple[Path, ...],
    to: Path | None,
) -> int:
    """Train rows of the submission FILE again from their recorded settings; exit 6 where a Dice lies further away than the tolerance.

    The same command again continues. A row is made again only where its id comes out the same: same data, settings, weights and protocol.

    \b
    bench leaderboard reproduce theirs.zip --rows dcml_attention:otsu --data-root ISIC
    """
    from bench.leaderboard.files.reproduce import reproduce as train
    from bench.pipeline.request import RunRequest
    from bench.protocol import PAPER

    _load(files)
    names = tuple(plugins.names("methods")), tuple(plugins.names("datasets"))
    given = tuple(setting for setting, _ in settings_of(settings, *names))
    asked = RunRequest(
        (),
        (),
        PAPER,
        settings=given,
        data_roots=named_roots(roots),
        out=out,
        device=device,
        plugins=files,
        **vars(flags()),
    )
    rows = [name for text in wanted for name in text.split(",") if name]
    done = train(file, rows, asked, tolerance, _work)
    said = f"largest difference {done.largest:.4f} Dice points, tolerance {tolerance:g}"
    return _answer(done.rows, done.findings, to, [said])


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_output(True, "The joined leaderboard.csv.")
def merge(files: tuple[Path, ...], to: Path) -> None:
    """Join FILES (submissions, or leaderboard.csv files) of many groups into one table.

    Rows on other data or of another protocol version are refused, and so is a row that two files give different numbers for.
    Letters, ranks and floors need per-image scores: they are computed where all rows of a table come in submissions.

    \b
    bench leaderboard merge ours.zip theirs.zip -o leaderboard.csv
    """
    from bench.leaderboard.files.merge import merge as join

    merged = join(files)
    _write(to, merged.rows)
    for sentence in merged.notes:
        click.echo(sentence, err=True)
    tell({"file": str(to), "rows": len(merged.rows), "notes": merged.notes}, f"wrote {len(merged.rows)} rows to {to}")


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
def check(folder: Path) -> int:
    """Check a results repository: every submission (*.zip) below FOLDER, and the leaderboard.csv in it; exit 6 where anything differs.

    Needs no data: hashes, columns, ids, arithmetic, and every aggregate recomputed from per-image scores.

    \b
    bench leaderboard check .
    """
    from bench.leaderboard.files.check import check as look

    found = look(folder)
    for sentence in found.refused:
        click.echo(f"error: {sentence}", err=True)
    _show(found.findings)
    told = {
        "submissions": found.submissions,
        "rows": found.rows,
        "refused": found.refused,
        "differences": [one._asdict() for one in found.findings],
    }
    verdict = (
        f"{len(found.findings) + len(found.refused)} differences"
        if found.differs
        else f"{found.rows} rows, as they should be"
    )
    tell(told, f"{found.submissions} submissions, {verdict}")
    return DIFFERS if found.differs else 0


FILE_COMMANDS: tuple[click.Command, ...] = (submit, verify, reproduce, merge, check)
"""What `bench leaderboard` gets from here."""


def _load(files: Iterable[Path]) -> None:
    for file in files:
        plugins.load_file(file)


def _sizes(roots: Mapping[str | None, Path]) -> Any:
    """Sizes of images, for run-length masks."""
    from bench.leaderboard.files.recount import images_of

    def sizes(run: Any, split: str) -> list[tuple[int, int]]:
        name = run.result["dataset"]
        images = images_of(run, roots.get(name) or roots.get(None))
        shapes = [images.dataset.image(item).shape for item in images[split]]
        return [(shape[1], shape[2]) for shape in shapes]

    return sizes


def _work(planned: Sequence[Planned], request: RunRequest) -> None:
    """Work out cells as `bench run` does."""
    from bench.disk import require_writable
    from bench.pipeline.plan import prepare
    from bench.pipeline.progress import Display
    from bench.pipeline.run import work_out

    require_writable(request.out, "the folder of runs", "name another folder with --out")
    display = Display(request)
    with display:
        prepare(list(planned), display.note)
        work_out(list(planned), request, display)


def _answer(rows: list[Row], findings: Sequence[Finding], to: Path | None, notes: Sequence[str]) -> int:
    """Print what became of the rows; rows are only written where nothing differs."""
    _show(findings)
    for sentence in notes:
        click.echo(sentence, err=True)
    if not findings:
        _show_rows(rows)
        if to is not None:
            _write(to, rows)
    told = {"rows": rows, "differences": [one._asdict() for one in findings], "notes": list(notes)}
    kind = rows[0]["kind"] if rows else "nothing"
    tell(told, f"{len(findings)} differences" if findings else f"{len(rows)} rows {kind}")
    return DIFFERS if findings else 0


def _write(to: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    from bench.results.columns import LEADERBOARD_COLUMNS
    from bench.results.csv_files import write_rows

    write_rows(to, LEADERBOARD_COLUMNS, rows)


def _show_rows(rows: Sequence[Row]) -> None:
    columns = ("dataset", "method", "settings", "rule", "seeds", "test_init", "test_unet", "kind")
    headings = (*columns[:5], "init %", "U-Net %", "kind")
    _table(headings, [[_percent(name, row[name]) for name in columns] for row in rows])


def _percent(name: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{100 * value:.2f}" if name.startswith("test_") else str(value)


def _show(findings: Sequence[Finding]) -> None:
    from bench.leaderboard.files.findings import SHOWN

    if findings:
        _table(("file", "row", "column", "expected", "found"), findings[:SHOWN])
    if len(findings) > SHOWN and not flags().json:
        click.echo(f"and {len(findings) - SHOWN} more differences (--json lists all)")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table; cells are text by strangers, in which nothing is markup."""
    if flags().json:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
