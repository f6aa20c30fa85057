"""What can be wrong with data: the kinds of fault, which of them a run may accept, and how the first one is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from bench.errors import DataError, UsageError

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "layout": "a folder or a file of the data set is missing",
        "table": "a table cannot be read as it should",
        "id": "an id that cannot name a file on every machine",
        "outside": "a link that leaves the data folder",
        "duplicate-id": "one id stands for two things",
        "unknown-class": "a class that the data set does not know",
        "unreadable": "a picture or mask that is cut off, empty or no picture",
        "mask-size": "a mask of another size than its image",
        "mask-values": "a mask with values that mean nothing",
        "missing-image": "a mask or a table's row without its image",
        "missing-mask": "an image without its mask",
        "missing-label": "an image without its row in the table",
        "empty-class": "a class without images",
        "duplicate-bytes": "two images with the same bytes",
        "near-duplicate": "two images that look alike",
        "group-split": "a group (lesion, patient) in two splits",
        "count": "another number of images than the official one",
    }
)

ACCEPTABLE: Mapping[str, str] = MappingProxyType(
    {
        "missing-image": "the row or mask is left out",
        "missing-mask": "the image is left out",
        "missing-label": "the image is left out",
        "duplicate-bytes": "both images stay",
        "group-split": "the group stays in both splits",
    }
)
"""What `--accept KIND` does with a fault; the other kinds have to be mended."""


class Fault(NamedTuple):
    """One thing that is wrong: its kind, the file or id it is about, and a sentence that names both and says what to do.

    A fault that does not block is worth knowing and changes nothing: `bench data check` lists it, `bench run` goes on.
    """

    kind: str
    place: str
    text: str
    blocks: bool = True


def refuse(faults: Iterable[Fault], accepted: Collection[str], name: str) -> None:
    """DataError for the first fault of data set `name` that blocks and is not accepted."""
    blocking = [fault for fault in faults if fault.blocks and fault.kind not in accepted]
    if not blocking:
        return
    first, more = blocking[0], len(blocking) - 1
    rest = f" (at least {more} more; `bench data check {name}` reads everything and lists all)" if more else ""
    way_out = f", or go on with --accept {first.kind}: {ACCEPTABLE[first.kind]}" if first.kind in ACCEPTABLE else ""
    raise DataError(f"{first.text}{way_out}{rest}")


def stamp(faults: Iterable[Fault], accepted: Collection[str]) -> str:
    """What a row says of the faults that were accepted: `accepted: missing-mask (3)`; empty where there was none."""
    counted = Counter(fault.kind for fault in faults if fault.blocks and fault.kind in accepted)
    listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(counted.items()))
    return f"accepted: {listed}" if listed else ""


def check_acceptable(kinds: Iterable[str]) -> None:
    """UsageError for a kind that `--accept` does not take."""
    for kind in kinds:
        if kind not in ACCEPTABLE:
            known = "must be mended and cannot be accepted" if kind in KINDS else "is no kind of fault"
            raise UsageError(f"--accept {kind}: {kind} {known}; accepted can be {', '.join(ACCEPTABLE)}")
