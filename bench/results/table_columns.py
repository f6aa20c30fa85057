"""The columns of a table as people read them: heading, and what stands in a row. One place rounds for the terminal and every export."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import UsageError
from bench.near import did_you_mean
from bench.results.columns import LEADERBOARD_COLUMNS, STAGES, Row

Cell = tuple[str, ...]
"""Parts of a text: beside each other where there is room, else under each other. None: nothing to say."""

NONE: Cell = ()


@dataclass(frozen=True)
class Column:
    """`name` is what `--columns` takes; the heading has line breaks."""

    name: str
    heading: str
    text: Callable[[Row], Cell]


def chosen(names: Sequence[str]) -> list[Column]:
    """The columns of these names, `all` for every one that a table may have; UsageError with near names for an unknown one."""
    wanted = list(dict.fromkeys([*MAIN, *MORE] if "all" in names else names))
    known = [*_MADE, *LEADERBOARD_COLUMNS]
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known, f"known are all, {', '.join(known)}")
            raise UsageError(f"no column is called {name}; {hint}")
    return [column(name) for name in wanted if name not in ("method", "settings", "rule")]


def column(name: str) -> Column:
    """The column of a name; one that only leaderboard.csv has shows what stands there."""
    return _MADE.get(name) or Column(name, name.replace("_", "\n"), _plain(name))


def _plain(name: str) -> Callable[[Row], Cell]:
    def text(row: Row) -> Cell:
        value = row.get(name)
        if value is None or value == "":
            return NONE
        if isinstance(value, bool):
            return ("yes" if value else "no",)
        return (f"{value:.4g}" if isinstance(value, float) else str(value),)

    return text


def _number(name: str, digits: int, factor: float = 100) -> Callable[[Row], Cell]:
    """Percent unless told."""

    def text(row: Row) -> Cell:
        return NONE if row.get(name) is None else (f"{factor * row[name]:.{digits}f}",)

    return text


def _dice(name: str) -> Callable[[Row], Cell]:
    """`52.31 ±1.20`, the spread over seeds only where there are several; a dash where nothing was measured."""

    def text(row: Row) -> Cell:
        if row.get(name) is None:
            return ("-",)
        spread = row.get(f"{name}_sd")
        return (f"{100 * row[name]:.2f}", *([] if spread is None else [f"±{100 * spread:.2f}"]))

    return text


def _interval(row: Row) -> Cell:
    """A dash where a Dice has none: there is not enough data."""
    low, high = row.get("test_unet_lo"), row.get("test_unet_hi")
    if low is None or high is None:
        return NONE if row.get("test_unet") is None or row["kind"] == "reported" else ("-",)
    return (f"{100 * low:.2f} to", f"{100 * high:.2f}")


def _ranks(row: Row) -> Cell:
    low, high = row.get("rank_lo"), row.get("rank_hi")
    return NONE if low is None or high is None else (str(low) if low == high else f"{low}-{high}",)


def _over_floor(row: Row) -> Cell:
    if row.get("over_floor") is None:
        return NONE
    difference = f"{100 * row['over_floor']:+.2f}"
    low, high = row.get("over_floor_lo"), row.get("over_floor_hi")
    return (difference,) if low is None or high is None else (difference, f"({100 * low:.2f} to", f"{100 * high:.2f})")


def _verdict(row: Row) -> Cell:
    return tuple((row.get("floor_verdict") or "").split())


def _masks(row: Row) -> Cell:
    """Masks that training and tuning used; those of evaluation are no part of it."""
    counts = [row.get("masks_train"), row.get("masks_tune")]
    return NONE if counts == [None, None] else (str(sum(count or 0 for count in counts)),)


def _masks_worth(row: Row) -> Cell:
    """`14 (7 to 30)`; an end that lies off the curve is `fewer` or `more`."""
    point, low, high = (row.get(f"break_even{end}") for end in ("", "_lo", "_hi"))
    if point is None and low is None and high is None:
        return NONE
    if point is None and (low is None or high is None):
        return (f"fewer than {high:.0f}",) if low is None else (f"more than {low:.0f}",)
    ends = [f"({'fewer' if low is None else f'{low:.0f}'} to", f"{'more' if high is None else f'{high:.0f}'})"]
    return (*([] if point is None else [f"{point:.0f}"]), *ends)


_MADE: Mapping[str, Column] = {
    made.name: made
    for made in (
        *(Column(name, name.replace("_", "\n").replace("unet", "U-Net"), _dice(name)) for name in STAGES),
        Column("interval", "95 %\ninterval", _interval),
        Column("tie_group", "tie\ngroup", _plain("tie_group")),
        Column("ranks", "rank", _ranks),
        Column("over_floor", "over\nfloor", _over_floor),
        Column("floor_verdict", "verdict", _verdict),
        Column("test_dice_macro", "macro", _number("test_dice_macro", 2)),
        Column("test_below_half", "below\n0.5 %", _number("test_below_half", 1)),
        Column("false_positive_rate", "false\npos. %", _number("false_positive_rate", 1)),
        Column("false_positive_share", "their\narea %", _number("false_positive_share", 1)),
        Column("foreground_share", "object\narea %", _number("foreground_share", 1)),
        Column("break_even", "masks\nworth", _masks_worth),
        Column("images", "images", _plain("images")),
        Column("masks", "masks\nused", _masks),
        Column("test_dice_224", "at\n224", _number("test_dice_224", 2)),
        Column("test_dice_pooled", "pooled", _number("test_dice_pooled", 2)),
        Column("test_iou", "IoU", _number("test_iou", 2)),
        Column("test_hd95", "HD95\npx", _number("test_hd95", 1, 1)),
        Column("test_ap_image", "AP an\nimage", _number("test_ap_image", 2)),
        Column("test_pxap", "PxAP", _number("test_pxap", 2)),
        Column("test_pxap_wsol", "PxAP\nwsol", _number("test_pxap_wsol", 2)),
        Column("dead_maps", "dead\nmaps %", _number("dead_maps", 1)),
        Column("empty_maps", "empty\nmaps %", _number("empty_maps", 1)),
        Column("mdd", "smallest\nfound", _number("mdd", 2)),
        Column("seconds", "seconds", _number("seconds", 0, 1)),
        Column("seconds_shared", "of them\nshared", _number("seconds_shared", 0, 1)),
        Column("gpu_seconds", "GPU\nseconds", _number("gpu_seconds", 0, 1)),
        Column("peak_bytes", "peak\nMiB", _number("peak_bytes", 0, 2**-20)),
        Column("energy_j", "energy\nkJ", _number("energy_j", 1, 1e-3)),
    )
}
MAIN = list(_MADE)[: list(_MADE).index("masks") + 1]
"""What a table shows, from left to right."""
MORE = [
    *list(_MADE)[len(MAIN) :],
    *"floor_best seeds clusters labels_used masks_train masks_tune masks_eval test_openings confined".split(),
    *"pretraining plugin plugin_version".split(),
]
"""What `--columns all` adds."""
FIRST = (
    *"test_unet foreground_share false_positive_rate over_floor floor_verdict tie_group test_init masks".split(),
    *"interval ranks break_even false_positive_share test_dice_macro test_below_half images val_unet val_init".split(),
)
"""The same columns, what matters most first: what a narrow terminal shows."""
SMALL_IS_GOOD = (
    *"rank_lo rank_hi tie_group test_below_half test_hd95 dead_maps empty_maps false_positive_rate".split(),
    *"false_positive_share labels_used masks_train masks_tune masks_eval test_openings break_even".split(),
    *"seconds seconds_shared gpu_seconds peak_bytes energy_j".split(),
)
"""By these `--sort` goes from low to high."""
