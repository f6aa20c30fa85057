"""`bench data cache`: what was decoded and remembered, and how to be rid of it."""

from __future__ import annotations

import json

import click

from bench.commands.flags import flags
from bench.errors import UsageError


@click.group()
def cache() -> None:
    """List or remove decoded pictures and remembered hashes; whatever is missing is made again."""


@cache.command("list")
def list_() -> None:
    """List what lies in the cache, with data set, split, size and bytes."""
    from bench.data.cache import entries
    from bench.disk import amount

    found = entries()
    if flags().json:
        click.echo(json.dumps([entry.row() for entry in found], indent=1))
        return
    for entry in found:
        what = " ".join(part for part in (entry.dataset, entry.split) if part) or "-"
        size = f"{entry.count or 0:,} at {entry.size} px" if entry.size else f"{entry.count or 0:,}"
        half = ", unfinished" if entry.half else ""
        click.echo(
            f"{entry.kind:<11} {entry.name:<22} {what}, {size}, {amount(entry.bytes)}, used {entry.used:%Y-%m-%d}{half}"
        )
    click.echo(f"{len(found)} entries, {amount(sum(entry.bytes for entry in found))}")


@cache.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything in the cache.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def rm(names: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Remove entries by name, by data set or by kind; what a running process works at stays.

    \b
    bench data cache rm isic --dry-run
    """
    from bench.data.cache import choose, entries, remove

    if bool(names) == everything:
        raise UsageError("name what to remove (an entry, a data set or a kind), or give --all")
    removal = remove(entries() if everything else choose(names), dry_run)
    if flags().json:
        rows = {
            "removed": [e.row() for e in removal.removed],
            "kept": [e.row() for e in removal.kept],
            "bytes": removal.bytes,
        }
        click.echo(json.dumps(rows, indent=1))
        return
    for sentence in removal.sentences():
        click.echo(sentence)
