"""The columns of scores.csv and leaderboard.csv, and the words that stand in some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

SCORES_COLUMNS = (
    *"image cluster class split stage rule threshold tp fp fn tn dice dice_224 ap dead_map".split(),
    *"present foreground_share hd95".split(),
)
LATER = ("present", "foreground_share", "hd95")
"""Columns that an older file lacks. The first two follow from the counts wherever there are any; distances do not."""
SCORES_TEXT = ("image", "cluster", "class", "split", "stage", "rule")
STAGES = ("val_init", "val_unet", "test_init", "test_unet")
LEADERBOARD_COLUMNS = (
    *"dataset label fingerprint protocol protocol_version method role settings kind ranked".split(),
    *"tie_group rank_lo rank_hi mdd seeds images clusters".split(),
    *(f"{stage}{end}" for stage in STAGES for end in ("", "_sd", "_lo", "_hi")),
    *"test_dice_224 test_dice_pooled test_dice_macro test_below_half test_ap_image test_pxap rule degenerate".split(),
    *"floor_best floor_verdict over_floor over_floor_lo over_floor_hi".split(),
    *"labels_used masks_train masks_tune masks_eval test_openings confined".split(),
    *"break_even break_even_lo break_even_hi seconds seconds_shared gpu_seconds peak_bytes energy_j".split(),
    *"pretraining plugin plugin_version notes run_ids".split(),
    *"test_iou test_hd95 test_pxap_wsol dead_maps empty_maps false_positive_rate false_positive_share".split(),
    "foreground_share",
)
ROLES = ("method", "floor", "control", "full")
RULES = ("fixed", "otsu", "val", "oracle", "")
RANKED_RULE = "otsu"
"""Letters and ranks are of the rule that takes no label and no mask."""


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings that differ from their defaults as one cell: `k=3,lr=0.001`; dotted where a method lies inside a method."""
    return ",".join(f"{key}={_setting(value)}" for key, value in sorted(flat(settings).items()))


def method_title(row: Row) -> str:
    """A method with its settings, as in texts: `dcml_attention (map_norm=minmax)`."""
    return f"{row['method']} ({row['settings']})" if row["settings"] else str(row["method"])


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings of a method inside a method under dotted names."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def _setting(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(map(_setting, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
