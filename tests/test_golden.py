"""Numbers of this protocol version do not move: whoever changes them raises the version, so that no table mixes the two."""

from __future__ import annotations

import json
import math
from pathlib import Path

import golden_numbers
from golden_numbers import FILE, FOLDER, numbers

from bench.protocol import VERSION

EXACT = 1e-9
TRAINED = 0.05
"""What other processors and versions of torch may move Dice of a trained network; distances are in pixels, and move more."""


def test_numbers_are_those_of_this_protocol_version(tmp_path: Path, inline: None) -> None:
    wanted, found = json.loads(FILE.read_text(encoding="utf-8")), numbers(tmp_path)
    assert found.keys() == wanted.keys()
    moved = [
        f"{row}: {name} is {found[row][name]} and was {value}"
        for row, columns in wanted.items()
        for name, value in columns.items()
        if not same(found[row][name], value, tolerance(row, name))
    ]
    assert not moved, (
        f"raise VERSION in bench/protocol.py, then run {Path(golden_numbers.__file__).name}: " + "; ".join(moved)
    )


def tolerance(row: str, name: str) -> float:
    """Maps that nothing trained are exact; everything behind a trained network is not."""
    trained = (
        "unet" in name
        or row.startswith(("gradcam", "full"))
        or (not row.startswith(("centre", "shape")) and "_init" not in name)
    )
    if name.startswith(("labels", "masks")) or not trained:
        return EXACT
    return 10.0 if name == "test_hd95" else TRAINED


def same(found: float | None, wanted: float | None, within: float) -> bool:
    """Equal, or both not measured."""
    return found is wanted or (
        found is not None and wanted is not None and math.isclose(found, wanted, rel_tol=0, abs_tol=within)
    )


def test_every_version_so_far_has_kept_its_numbers() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {
        f"protocol-{version}.json" for version in range(1, VERSION + 1)
    }
