"""`bench run --dry-run`: where each option comes from, which cells are there, and what the others take. Nothing is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from bench.commands.estimate import Estimate, duration, estimate
from bench.device import pick
from bench.disk import amount, free_bytes
from bench.pipeline.plan import Planned, plan
from bench.pipeline.progress import Display
from bench.pipeline.request import RunRequest
from bench.pipeline.run import warn_of_cost
from bench.store import cache_root

if TYPE_CHECKING:
    from bench.commands.config_options import Origin


def dry_run(request: RunRequest, origins: Sequence[Origin]) -> int:
    """Show on stdout what `bench run` would do. Returns the exit code; everything that a run refuses early is refused here."""
    warn_of_cost(request, Display(request))
    planned = plan(request)
    takes = estimate(planned)
    if request.json:
        click.echo(json.dumps(_document(request, origins, planned, takes), indent=1))
    else:
        click.echo("\n".join([*_columns(origins), "", *map(_line, planned), "", *_takes(request, planned, takes)]))
    return 0


def _document(
    request: RunRequest, origins: Sequence[Origin], planned: Sequence[Planned], takes: Estimate
) -> dict[str, Any]:
    return {
        "options": [origin._asdict() for origin in origins],
        "cells": [{"cell": p.title, "finished": p.finished, "folder": str(p.folder)} for p in planned],
        "device": str(pick(request.device)),
        "seconds_on_two_cores": round(takes.seconds),
        "bytes_of_results": takes.results,
        "bytes_of_pictures": takes.pictures,
    }


def _columns(origins: Sequence[Origin]) -> list[str]:
    """Options, values and origins below each other."""
    wide = max(len(origin.option) for origin in origins)
    wider = min(48, max(len(origin.value) for origin in origins))
    return [f"{option:{wide}}  {value:{wider}}  ({origin})" for option, value, origin in origins]


def _line(planned: Planned) -> str:
    state = "finished" if planned.finished else "to do   "
    return f"{state}  {planned.title}, {planned.cell.protocol.title}  {planned.folder}"


def _takes(request: RunRequest, planned: Sequence[Planned], takes: Estimate) -> list[str]:
    """The last lines: how much is to do, how long it takes, what it needs of the disk."""
    left = sum(not p.finished for p in planned)
    lines = [f"{left} of {len(planned)} cells to do"]
    if not left:
        return lines
    gpu = "" if pick(request.device).type == "cpu" else "; how much less on the GPU was not measured"
    lines.append(f"about {duration(takes.seconds)} on two CPU cores{gpu}")
    places = [("results", takes.results, request.out.resolve()), ("decoded pictures", takes.pictures, cache_root())]
    for what, need, folder in places:
        free = free_bytes(folder)
        short = "" if need < free else ": there is no room"
        lines.append(f"about {amount(need)} of {what} in {folder} ({amount(free)} free{short})")
    return lines
