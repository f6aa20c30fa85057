"""Where the data of a data set lies: --data-root, else $BENCH_DATA/<name>, else the user's data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from bench.errors import DataError


def data_root(name: str, given: Path | None = None) -> Path:
    """The folder of a data set; DataError names all three places where there is none."""
    if given is not None:
        if not given.is_dir():
            raise DataError(f"--data-root {given} is no folder; give the folder that data set {name} lies in")
        return given.resolve()
    for place in places(name):
        if place.is_dir():
            return place.resolve()
    base = os.environ.get("BENCH_DATA")
    tried = f"$BENCH_DATA/{name} ({Path(base) / name if base else 'BENCH_DATA is not set'})"
    raise DataError(
        f"data set {name} is not found: give its folder with --data-root PATH, or put it at {tried} or at {places(name)[-1]}"
    )


def target(name: str, given: Path | None = None) -> Path:
    """Where a download goes: the folder that `data_root` would find, or the first place where it would look."""
    if given is not None:
        return given.absolute()
    return next((place for place in places(name) if place.is_dir()), places(name)[0]).absolute()


def places(name: str) -> list[Path]:
    """Where a data set is looked for when no folder is given, first to last."""
    base = os.environ.get("BENCH_DATA")
    return [*([Path(base) / name] if base else []), platformdirs.user_data_path("wsss-bench") / name]
