"""Runs and pages made by hand for tests of the page: a few methods with seeds and intervals, odd names, and a very large page."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from made_results import finished, score

from bench.leaderboard.page.build import render
from bench.leaderboard.page.details import details, packed, points_for
from bench.leaderboard.page.gathered import Table
from bench.leaderboard.page.rows import shown
from bench.results.columns import LEADERBOARD_COLUMNS
from bench.results.verdicts import Scored

HOSTILE = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>'
LONG = "a_method_whose_name_is_much_longer_than_any_column_of_any_table_should_ever_have_to_be_" * 2
CHINESE = "显著性图方法"
IMAGES = 24


def lines(base: float, seed: int) -> list[dict[str, Any]]:
    """Scores of one seed: Dice around `base`, spread over images, a little of each seed's own."""
    draws = random.Random(round(1000 * base) + seed)
    return [
        score(
            f"i{n:02}",
            split,
            stage,
            min(1.0, max(0.0, base + 0.004 * (n % 8) + draws.gauss(0, 0.01) + (0.03 if stage == "unet" else 0))),
            tp=5 + n,
            fn=5,
            tn=90 - n,
        )
        for split in ("val", "test")
        for stage in ("init", "unet")
        for n in range(IMAGES)
    ]


def runs(out: Path) -> Path:
    """Four ranked methods (two of them close, one with hostile settings and notes), a floor, full supervision, a failed seed."""
    rows = [
        ("clear", 0.8, "method", {}),
        ("near", 0.6, "method", {}),
        ("nearer", 0.602, "method", {}),
        ("odd", 0.5, "method", {"title": HOSTILE}),
    ]
    rows += [("ground", 0.4, "floor", {}), ("full_supervision", 0.9, "full", {})]
    number = 0
    for method, base, role, settings in rows:
        for seed in range(3):
            number += 1
            more = {"masks_train": 100, "rows": [{"rule": "otsu", "degenerate": ""}]} if role == "full" else {}
            note = [HOSTILE, "weights from /home/somebody/secret/resnet50.safetensors"] if method == "odd" else []
            finished(
                out, seed, lines(base, seed), method=method, role=role, settings=settings, notes=note,
                run_id=f"r-{number:012x}", pretraining="none" if method == "near" else "imagenet", seconds=10.0 * number,
                stages=[], all_settings={"lr": 0.001, "inner": {"k": 3}}, **more,
            )  # fmt: skip
    finished(out, 3, [], method="near", run_id="r-ffffffffffff", failed="no memory in /home/somebody/x; smaller batch")
    finished(out, 0, lines(0.7, 0), method="alone", dataset="other", label="", run_id="r-eeeeeeeeeeee", stages=[])
    return out


def row(**given: Any) -> dict[str, Any]:
    """A row of leaderboard.csv."""
    usual = {"dataset": "d", "label": "", "fingerprint": "f0", "protocol": "quick", "protocol_version": 1, "method": "m", "role": "method",
             "settings": "", "kind": "measured", "ranked": False, "rule": "otsu", "seeds": 3, "images": 500, "clusters": 490,
             "pretraining": "imagenet",
             "masks_train": 0, "masks_tune": 0, "degenerate": "", "notes": "", "run_ids": ""}  # fmt: skip
    return {**dict.fromkeys(LEADERBOARD_COLUMNS), **usual, **given}


def table(*rows: dict[str, Any]) -> Table:
    """A table of rows without runs on the disk."""
    return Table(Path("nowhere"), [Scored(one, {}, {}) for one in rows])


def full_row(draws: random.Random, **given: Any) -> dict[str, Any]:
    """A row that says everything, with numbers from a seed."""
    dice = draws.uniform(0.2, 0.9)
    numbers = {
        name: draws.random()
        for name in LEADERBOARD_COLUMNS
        if name.startswith(("test_", "val_", "over_floor", "false_", "foreground"))
    }
    more = {"test_unet": dice, "test_unet_lo": dice - 0.02, "test_unet_hi": dice + 0.02, "rank_lo": 3, "rank_hi": 9, "tie_group": "abc",
            "mdd": 0.02,
            "floor_verdict": "beats all", "floor_best": "otsu (maps)", "break_even": 14.0, "break_even_lo": 7.0, "break_even_hi": 30.0,
            "seconds": 1234.5,
            "seconds_shared": 100.0, "peak_bytes": 5 << 28, "labels_used": 1904, "masks_eval": 1558, "test_openings": 9, "confined": True,
            "plugin": "wsss-bench", "plugin_version": "0.1.0", "ranked": True}  # fmt: skip
    return row(**{**numbers, **more, **given})


def large(methods: int = 100, datasets: int = 20) -> str:
    """The page of so many methods and data sets, every cell filled, each row with a threshold curve, strata and its runs."""
    draws = random.Random(0)
    tables = [
        table(
            *(
                full_row(draws, dataset=f"data_set_{d}", method=f"method_{m}", settings=f"lr=0.00{m},k={m}")
                for m in range(methods)
            )
        )
        for d in range(datasets)
    ]
    points = points_for(methods * datasets)
    parts = [
        {
            "rows": [_with_curves(known, draws, points) for known in details(one, {}, points)],
            "figures": [],
            "gallery": None,
            "why": "",
        }
        for one in tables
    ]
    return render([shown(n, one) for n, one in enumerate(tables)], packed(parts, points), [])


def _with_curves(known: dict[str, Any], draws: random.Random, points: int) -> dict[str, Any]:
    at = [round(n / points, 3) for n in range(points)]
    start, pace = draws.uniform(20, 60), draws.uniform(1, 5)
    dice = [round(start + 30 * x * (pace - x) + draws.gauss(0, 0.5), 1) for x in at]
    runs = " ".join(f"r-{draws.getrandbits(48):012x}" for _ in range(3))
    groups = [
        *known["groups"],
        ("from", [("runs", runs)]),
        ("settings", [("lr", str(pace)), ("epochs", "300"), ("batch", "32")]),
    ]
    return {**known, "groups": groups, "strata": [("object size", str(q), 260, round(start + q, 1)) for q in range(4)],
            "curve": {"x": at, "y": dice, "marks": [("fixed", 0.5, 50.0)], "otsu": 40.0}, "history": []}  # fmt: skip
