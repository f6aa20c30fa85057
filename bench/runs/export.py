"""Maps, proxies and predictions of a finished run as files by image id, for other programs and for `precomputed`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.errors import DataError
from bench.pipeline.cell import RESULT, read_result
from bench.pipeline.mapfile import as_floats, open_maps
from bench.store import MANIFEST, cache_root, write_array, write_file
from bench.view import TARGETS

Array = npt.NDArray[Any]


class Stack(NamedTuple):
    """Some images of a run: their ids, what is to be written of each, and the folder below the target that it belongs into."""

    images: list[str]
    values: Array
    folder: str


def export(run: Path, to: Path, kind: str, form: str, report: Callable[[str, int, int], None] = lambda *_: None) -> int:
    """Write a run's maps (K, h, w) in [0, 1], or its proxies as masks (H, W), one file an image; how many. `run`: the folder of one seed.

    Proxies and predictions lie in a folder for each threshold rule. DataError where the run is not finished, or artifacts are gone.
    """
    written = 0
    for stack in stacks(run, kind):
        for number, image in enumerate(stack.images):
            place = to / stack.folder / image
            if kind == "proxies":
                _write(place, stack.values[number], form)
            else:
                _write(place, as_floats(stack.values[number]), form)
            written += 1
            report(kind, number + 1, len(stack.images))
    return written


def stacks(run: Path, kind: str) -> Iterator[Stack]:
    """The artifacts of a kind that a run rests on, with the ids of their images."""
    result = read_result(run / RESULT)
    if result is None or "failed" in result:
        raise DataError(f"{run} holds no finished run; name a folder runs/DATASET/METHOD/r-... with a result.json")
    store = run.parents[2] / "artifacts"
    manifests = {stage["artifact"]: _manifest(store / stage["artifact"]) for stage in result["stages"]}
    rules = {
        manifest["inputs"].get("rule", ""): name for name, manifest in manifests.items() if name.startswith("targets-")
    }
    for name, manifest in manifests.items():
        inputs = manifest["inputs"]
        if kind == "maps" and name.startswith("maps-") and "segment" not in inputs:
            yield Stack(_images(inputs), np.asarray(open_maps(store / name)), "")
        if kind == "predictions" and "segment" in inputs:
            yield Stack(
                _images(inputs), np.asarray(open_maps(store / name)), _rule(manifests, rules, inputs["segment"])
            )
        if kind == "proxies" and name.startswith("targets-") and "maps" in inputs:
            images = [image for source in inputs["maps"] for image in _images(manifests[source]["inputs"])]
            yield Stack(images, np.load(store / name / TARGETS, mmap_mode="r"), inputs["rule"])


def _rule(manifests: Mapping[str, Any], rules: Mapping[str, str], segment: str) -> str:
    """The threshold rule whose proxies a segmenter was trained on; empty where it was trained on masks."""
    targets = manifests[segment]["inputs"]["targets"]
    return next((rule for rule, name in rules.items() if name == targets), "")


def _images(inputs: Mapping[str, Any]) -> list[str]:
    """The ids of the images that a maps artifact is of."""
    if "images" in inputs:
        return list(inputs["images"])
    view = _manifest(cache_root() / "views" / inputs["view"])
    return [item[0] for item in view["inputs"]["items"]]


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"{folder} is gone; the same `bench run` again makes it") from None


def _write(place: Path, values: Array, form: str) -> None:
    """`.npy` as it is, without an axis for a single foreground; `.png` 16 bits for a map, class numbers for a mask."""
    plain = values[0] if values.ndim == 3 and len(values) == 1 else values
    if form == "npy":
        write_array(place.with_name(f"{place.name}.npy"), plain)
        return
    if plain.ndim == 3:
        raise DataError(
            f"{place.name} has {len(plain)} maps, one for each foreground; --format npy holds them in one file"
        )
    pixels = plain if plain.dtype == np.uint8 else np.rint(plain * 65_535).astype(np.uint16)
    write_file(place.with_name(f"{place.name}.png"), lambda to: Image.fromarray(pixels).save(to, format="PNG"))
