"""What cells will take, before they run: seconds on two CPU cores and bytes on the disk, from what was measured. Within a factor of two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.api import MaskMethod, Method, Pretrained
from bench.data.cache import entries
from bench.data.samples import LABELLED, Samples
from bench.pipeline.cell import Cell
from bench.pipeline.keys import fit_settings
from bench.pipeline.method_process import needed
from bench.pipeline.plan import Planned
from bench.pipeline.run import CPU_SECONDS
from bench.protocol import SPLITS
from bench.store import canonical

FORWARD = 1 / 3
"""A forward pass by a training step of the same picture."""
SCORED = ("val", "test")
UNET_BYTES = 4 * 31e6 / 64**2
"""float32 weights of the U-Net by its base channels squared (31 million at 64: paper 1's)"""
MAP_BYTES = 2
"""uint16"""


@dataclass(frozen=True)
class Estimate:
    """Seconds on two CPU cores, bytes of results, bytes of decoded pictures that are not in the cache yet."""

    seconds: float = 0
    results: int = 0
    pictures: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.seconds + other.seconds, self.results + other.results, self.pictures + other.pictures)


def estimate(planned: Sequence[Planned]) -> Estimate:
    """Of all cells that are not finished. A fit that cells share is counted once; what another run has left is not taken off."""
    to_do = [p.cell for p in planned if not p.finished]
    of = {id(cell.dataset): cell for cell in to_do}
    counts = {key: image_counts(cell) for key, cell in of.items()}
    total = Estimate(pictures=sum(_undecoded(cell, counts[key]) for key, cell in of.items()))
    fits = {_fit_key(cell): cell for cell in to_do}
    for cell in to_do:
        total += rows_of(cell, counts[id(cell.dataset)])
    for cell in fits.values():
        total += fit_of(cell, counts[id(cell.dataset)]["weak"])
    return total


def image_counts(cell: Cell) -> dict[str, int]:
    """How many images of each split a cell looks at."""
    samples = Samples(cell.dataset, cell.protocol)
    return {split: len(samples[split]) for split in SPLITS}


def fit_of(cell: Cell, images: int) -> Estimate:
    """Of the fit of a cell's method, and of the methods inside it; the network is as large as the file that it starts from."""
    method, rules = cell.method, cell.protocol
    if not isinstance(method, Method):
        return Estimate()
    lengths = [getattr(m, "epochs", 0) for m in (method, *needed(method).values())]
    epochs = sum(max(1, round(n * rules.fit_share)) for n in lengths if n) if rules.fit_share else 0
    file = method.weights if isinstance(method, Pretrained) else None
    return Estimate(CPU_SECONDS["fit"] * rules.size**2 * images * epochs, file.stat().st_size if file else 0)


def rows_of(cell: Cell, counts: Mapping[str, int]) -> Estimate:
    """Of what follows the fit: maps, proxies, and a segmenter for each rule. `counts`: images of each split."""
    rules = cell.protocol
    weak, scored = (sum(counts[split] for split in splits) for splits in (LABELLED, SCORED))
    channel = rules.size**2 * len(cell.dataset.task.foreground) * MAP_BYTES
    step = CPU_SECONDS["segment"] * rules.size**2 * rules.base_channels
    one = Estimate(
        step * (rules.steps * rules.batch + FORWARD * scored),
        round(scored * channel + weak * rules.size**2 + UNET_BYTES * rules.base_channels**2),
    )
    return sum([one] * _segmenters(cell), _maps(cell, weak + scored, channel))


def _maps(cell: Cell, images: int, channel: int) -> Estimate:
    """Of the method's own maps: a network's are small and cost a forward pass; a rule without network has them at the pictures' size."""
    if isinstance(cell.method, MaskMethod):
        return Estimate()
    if isinstance(cell.method, Pretrained):
        return Estimate(FORWARD * CPU_SECONDS["fit"] * cell.protocol.size**2 * images)
    return Estimate(results=images * channel)


def _segmenters(cell: Cell) -> int:
    """How many segmenters a cell trains: one for each rule that makes proxies."""
    method = cell.method
    if isinstance(method, MaskMethod):
        return 1
    if method.constant:
        return 0
    return 1 if method.binary else len([rule for rule in cell.protocol.rules if rule != "oracle"])


def _fit_key(cell: Cell) -> str:
    """Cells with the same key share their fit."""
    if not isinstance(cell.method, Method):
        return ""
    rules = cell.protocol
    return canonical(
        [cell.dataset.name, fit_settings(cell.method), rules.labels, rules.fit_share, cell.method.name, cell.seed]
    )


def _undecoded(cell: Cell, counts: Mapping[str, int]) -> int:
    """Bytes of the views that are not in the cache."""
    size = cell.protocol.size
    there = {
        (e.split, e.count)
        for e in entries()
        if (e.kind, e.dataset, e.size) == ("views", cell.dataset.name, size) and not e.half
    }
    return sum(count * 3 * size**2 for split, count in counts.items() if (split, count) not in there)


def duration(seconds: float) -> str:
    """Seconds as people say them: `40 s`, `12 min`, `3.5 h`, `4.1 days`."""
    for unit, length, most in (("s", 1, 90), ("min", 60, 120), ("h", 3600, 48)):
        if seconds / length < most:
            return f"{seconds / length:.1f} {unit}" if unit == "h" else f"{math.ceil(seconds / length)} {unit}"
    return f"{seconds / 86_400:.1f} days"
