"""What a notebook calls: `run`, `load_results` and `scores_of` give tables as DataFrames, `map_of` and `picture_of` one image of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.commands.config import assignments, text
from bench.errors import DataError, UsageError
from bench.near import did_you_mean
from bench.pipeline.cell import RESULT, read_result
from bench.pipeline.mapfile import as_floats
from bench.resizing import resize
from bench.results.collected import collect
from bench.results.columns import LEADERBOARD_COLUMNS, Row
from bench.results.csv_files import read_scores
from bench.runs.export import stacks
from bench.store import MANIFEST, cache_root
from bench.view import IMAGES

if TYPE_CHECKING:
    from pandas import DataFrame

Texts = str | Sequence[str]
Place = str | Path
KINDS = ("maps", "proxies", "predictions")


def run(
    method: Texts,
    dataset: Texts,
    *,
    protocol: str = "paper",
    seed: int | Sequence[int] = 0,
    set: Mapping[str, Any] | None = None,
    data_root: Place | Mapping[str, Place] | None = None,
    out: Place = "runs",
    device: str = "auto",
    jobs: int = 1,
    timeout: float | None = None,
    controls: bool = False,
    accept: Texts = (),
    plugin: Place | Sequence[Place] = (),
    fresh: bool = False,
    progress: bool = False,
) -> DataFrame:
    """`bench run` from Python: work out what is not there yet under `out`, and return the rows of what was asked for.

    Every argument means what the option of the same name means; no bench.toml and no BENCH_RUNS is read. `set` may be nested:
    `{"lr": 1e-4, "isic": {"label": "reduced"}}`. `timeout` in seconds. A method of your own lies in a file (`plugin`): it runs in a
    process of its own. Nothing is printed unless `progress`. Columns as in leaderboard.csv (scores 0 to 1), and `failed`: the sentences
    of the seeds that failed. Raises BenchError where nothing can run: an unknown name, a bad setting, data that are not there.
    """
    from bench.commands.run import parse
    from bench.pipeline.cells import carry_out
    from bench.pipeline.plan import plan
    from bench.pipeline.progress import Display
    from bench.store import require_cache

    request = parse(
        methods=_tuple(method),
        datasets=_tuple(dataset),
        rules=protocol,
        seeds=_tuple(seed),
        settings=tuple(assignments(set or {})),
        roots=tuple(assignments(data_root)) if isinstance(data_root, Mapping) else _tuple(data_root),
        files=tuple(map(Path, _tuple(plugin))),
        accept=_tuple(accept),
        device=device,
        out=Path(out),
        jobs=jobs,
        timeout=timeout,
        controls=controls,
        fresh=fresh,
        dry_run=False,
    )
    request = replace(request, quiet=not progress, progress=progress)
    require_cache()
    planned = plan(request)
    carry_out(planned, Display(request))
    mine = {p.folder.name for p in planned}
    return _frame([row for row in collect(request.out) if not mine.isdisjoint(row["run_ids"].split())])


def load_results(out: Place = "runs") -> DataFrame:
    """The rows of every run under `out`, as `run` returns them; ids are text. DataError where there is none."""
    rows = collect(Path(out))
    if not rows:
        raise DataError(f"there is no finished run under {out}; `bench run --out {out} ...` makes one")
    return _frame(rows)


def scores_of(run: Place, out: Place = "runs") -> DataFrame:
    """scores.csv of one seed: a line for each image, class, stage and rule; `run` as in `map_of`. Ids are text, Dice from 0 to 1."""
    return read_scores(folder_of(run, out) / "scores.csv")


def map_of(
    run: Place, image: str, kind: str = "maps", rule: str = "", out: Place = "runs"
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """What a run made of one image: its map (K, h, w) in [0, 1] (`maps`), its pseudo-mask (H, W) of class numbers (`proxies`), or the
    segmenter's probabilities (K, H, W) (`predictions`).

    run: the folder of one seed, or its id `r-...` under `out`. image: its id. rule: the threshold rule, where there are several.
    DataError where the run or its files are not there; UsageError for an image or a rule that it does not have.
    """
    if kind not in KINDS:
        raise UsageError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    found = {s.folder: s.values[s.images.index(image)] for s in stacks(folder_of(run, out), kind) if image in s.images}
    if not found:
        known = [name for stack in stacks(folder_of(run, out), kind) for name in stack.images]
        hint = did_you_mean(image, known, f"it has {', '.join(known[:3]) or 'none'}{' ...' * (len(known) > 3)}")
        raise UsageError(f"run {run} has no {kind} of an image {image}; {hint}")
    if rule not in found and len(found) > 1:
        raise UsageError(
            f"{kind} of run {run} are there for the rules {', '.join(sorted(found))}, not for {rule or 'none'!r}"
        )
    values = found.get(rule, next(iter(found.values())))
    return np.asarray(values) if kind == "proxies" else as_floats(values)


def picture_of(run: Place, image: str, kind: str = "maps", rule: str = "", out: Place = "runs") -> Image.Image:
    """The same as a picture: black where it is 0, over red and yellow to white where it is 1; foregrounds beside each other.

    On the left is the image as the method saw it, as long as it is in the cache. Such a picture shows the image: mind its licence.
    """
    values = map_of(run, image, kind, rule, out)
    seen = _seen(folder_of(run, out), image)
    size = seen.shape[1:] if seen is not None else values.shape[-2:]
    channels = values / max(1, values.max()) if kind == "proxies" else values
    layers = [resize(each, size) for each in channels.reshape(-1, *channels.shape[-2:]).astype(np.float32)]
    tiles = [*([seen.transpose(1, 2, 0)] if seen is not None else []), *map(_heat, layers)]
    return Image.fromarray(np.concatenate(tiles, axis=1))


def folder_of(run: Place, out: Place = "runs") -> Path:
    """The folder of a run that is named by its folder, or by its id under `out`."""
    if Path(run).is_dir():
        return Path(run)
    found = sorted(Path(out).glob(f"*/*/{run}/{RESULT}")) if str(run).startswith("r-") else []
    if not found:
        raise DataError(f"there is no run {run}; give its folder, or its id r-... and the folder `out` of all results")
    return found[0].parent


def _tuple(value: Any) -> tuple[str, ...]:
    each = value if isinstance(value, list | tuple | range) else [] if value is None else [value]
    return tuple(map(text, each))


def _frame(rows: Sequence[Row]) -> DataFrame:
    import pandas as pd

    lines = [{**row, "failed": "; ".join(row["failures"])} for row in rows]
    frame = pd.DataFrame(lines, columns=[*LEADERBOARD_COLUMNS, "failed"])
    empty = [column for column in frame if frame[column].isna().all()]
    return frame.astype(dict.fromkeys(empty, float))


def _heat(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """(H, W) in [0, 1] -> (H, W, 3)."""
    ramp = np.stack([3 * values, 3 * values - 1, 3 * values - 2], axis=-1)
    return (ramp.clip(0, 1) * 255).round().astype(np.uint8)


def _seen(folder: Path, image: str) -> npt.NDArray[np.uint8] | None:
    """The picture (3, H, W) that the run's views hold of an image, None where they are gone from the cache."""
    stages = (read_result(folder / RESULT) or {}).get("stages", ())
    for stage in stages:
        made = _inputs(folder.parents[2] / "artifacts" / stage["artifact"])
        view = cache_root() / "views" / str(made.get("view", ""))
        ids = [item[0] for item in _inputs(view).get("items", ())]
        if image in ids:
            return np.asarray(np.load(view / IMAGES, mmap_mode="r")[ids.index(image)])
    return None


def _inputs(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    return dict(json.loads(file.read_text(encoding="utf-8"))["inputs"]) if file.is_file() else {}
