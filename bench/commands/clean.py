"""`bench runs rm` and `bench runs gc`: said before, asked, and done."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.flags import flags
from bench.commands.which import OUT, UNDER, complete_run
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.runs.clean import Plan

YES = click.option("--yes", is_flag=True, help="Agree beforehand.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")


@click.command()
@click.argument("chosen", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@UNDER
@DRY_RUN
@YES
def rm(chosen: tuple[str, ...], out: Path, dry_run: bool, yes: bool) -> int:
    """Remove runs, and the artifacts that only they rest on; what others rest on stays.

    \b
    bench runs rm r-0123456789ab --dry-run
    """
    from bench.runs.clean import plan_rm, rewrite_table
    from bench.runs.listing import find_run

    found = {run.folder: run for run in [find_run(text, out) for text in chosen]}
    places = dict.fromkeys(run.out for run in found.values())
    if len(places) > 1:
        raise UsageError(
            f"these runs lie under {len(places)} folders ({', '.join(map(str, places))}); name those of one"
        )
    agreed = _remove(plan_rm(list(found.values())), dry_run, yes)
    if agreed and not dry_run and (sentence := rewrite_table(next(iter(places)))):
        click.echo(sentence, err=True)
    return 0 if agreed else 1


@click.command()
@OUT
@DRY_RUN
@YES
def gc(out: Path, dry_run: bool, yes: bool) -> int:
    """Remove artifacts under RUNS (default: runs) that no result rests on, and what killed runs left.

    \b
    bench runs gc --dry-run
    """
    from bench.runs.clean import plan_gc

    return 0 if _remove(plan_gc(out), dry_run, yes) else 1


def _remove(plan: Plan, dry_run: bool, yes: bool) -> bool:
    """Say what goes, ask, remove it, and say how much that was; whether that was agreed to."""
    from bench.commands.reading import Reading
    from bench.disk import amount
    from bench.runs.clean import carry_out

    say = partial(click.echo, err=flags().json)
    for sentence in plan.sentences():
        say(sentence)
    if plan.places and not dry_run and not yes and not _asked(f"remove this ({amount(plan.bytes)})?"):
        return False
    freed = plan.bytes
    if plan.places and not dry_run:
        with Reading(flags()) as reading:
            freed = carry_out(plan, reading)
    if flags().json:
        click.echo(json.dumps(plan.row(dry_run, freed), indent=1))
    else:
        click.echo(f"{'would free' if dry_run else 'freed'} {amount(freed)}")
    return True


def _asked(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody is there to be asked whether this may be removed; agree with --yes, or look with --dry-run"
        )
    return click.confirm(question, err=True)
