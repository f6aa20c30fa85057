"""Golden numbers of a protocol version: `python tests/golden_numbers.py` writes tests/golden/protocol-VERSION.json, once for each version.

A change that moves them raises VERSION in bench/protocol.py first; the file of an older version is never touched again.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from bench.protocol import SMOKE, VERSION, change

FOLDER = Path(__file__).resolve().parent / "golden"
FILE = FOLDER / f"protocol-{VERSION}.json"
RULES = change(SMOKE, {"rules": "fixed,otsu,val,oracle"})
METHODS = ("otsu", "otsu_classic", "centre_disc", "shape_prior", "gradcam_resnet50", "full_supervision")
SETTINGS = (
    ("gradcam_resnet50", "backbone", "resnet10t"),
    ("gradcam_resnet50", "layer", "layer3"),
    ("shape_prior", "count", "5"),
)
NUMBERS = """val_init val_unet test_init test_unet test_dice_224 test_dice_pooled test_dice_macro test_below_half test_ap_image test_pxap
             test_pxap_wsol test_iou test_hd95 dead_maps empty_maps labels_used masks_train masks_tune masks_eval""".split()


def numbers(out: Path) -> dict[str, dict[str, Any]]:
    """By method and rule, the numbers of a small run on the embedded images."""
    from bench.pipeline.cell_process import work
    from bench.pipeline.plan import plan, prepare
    from bench.pipeline.request import RunRequest
    from bench.results.collected import collect

    planned = plan(RunRequest(METHODS, ("synthetic",), RULES, settings=SETTINGS, out=out, device="cpu"))
    prepare(planned, lambda *_: None)
    for one in planned:
        one.folder.mkdir(parents=True, exist_ok=True)
        work(one.cell, one.folder, lambda *_: None)
    return {f"{row['method']} {row['rule']}".strip(): {name: row[name] for name in NUMBERS} for row in collect(out)}


if __name__ == "__main__":
    if FILE.exists():
        raise SystemExit(f"{FILE} is there; numbers that move need another VERSION in bench/protocol.py")
    with tempfile.TemporaryDirectory() as folder:
        FOLDER.mkdir(exist_ok=True)
        FILE.write_text(json.dumps(numbers(Path(folder)), indent=1) + "\n", encoding="utf-8")
