"""The files of a leaderboard as models: what may stand in every column. The JSON schema in docs/ is made from them."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import models_json_schema

FORMAT = 1
"""Raised when a file of today could not be read as one of tomorrow."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What moves the cursor of a terminal, breaks a line, or turns the direction of writing."""
MARKUP = re.compile(r"<\s*[a-z/!?]|javascript:", re.IGNORECASE)


def plain(text: str) -> str:
    """Text as it is; ValueError where it would do something in a terminal or on a page."""
    if CONTROL.search(text):
        raise ValueError("holds control characters")
    if MARKUP.search(text):
        raise ValueError("holds markup of a page")
    return text


def _empty(cell: Any) -> Any:
    """An empty cell is not measured, never 0."""
    return None if cell == "" else cell


Plain = AfterValidator(plain)
Empty = BeforeValidator(_empty)
Text = Annotated[str, Field(max_length=300), Plain]
LongText = Annotated[str, Field(max_length=20_000), Plain]
Id = Annotated[str, Field(min_length=1, max_length=200), Plain]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
Fingerprint = Annotated[str, Field(pattern=r"^([0-9a-f]{12})?$")]
RunId = Annotated[str, Field(pattern=r"^r-[0-9a-f]{12}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[Annotated[float, Field(ge=0, le=1)] | None, Empty]
Difference = Annotated[Annotated[float, Field(ge=-1, le=1)] | None, Empty]
Amount = Annotated[Annotated[float, Field(ge=0)] | None, Empty]
Count = Annotated[Annotated[int, Field(ge=0)] | None, Empty]
Place = Annotated[Annotated[int, Field(ge=1)] | None, Empty]
Flag = Annotated[Literal["true", "false"] | None, Empty]
Bit = Annotated[Annotated[int, Field(ge=0, le=1)] | None, Empty]
Role = Literal["method", "floor", "control", "full"]
Rule = Literal["fixed", "otsu", "val", "oracle", ""]
Kind = Literal["measured", "reported", "recomputed", "reproduced"]
Whole = Annotated[int, Field(ge=0, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Spent = Annotated[float, Field(ge=0, strict=True)]


class Line(BaseModel):
    """A line of a file: these columns and no others; no NaN, no infinity."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class ScoreLine(Line):
    """One line of scores.csv: an image and a foreground at one stage under one rule."""

    key: ClassVar[tuple[str, ...]] = ("image", "class", "split", "stage", "rule")

    image: Id
    cluster: Id
    class_: Annotated[Id, Field(alias="class")]
    split: Literal["val", "test"]
    stage: Literal["init", "unet"]
    rule: Rule
    threshold: Annotated[float, Field(ge=0, le=1, multiple_of=1 / 256)]
    tp: Count
    fp: Count
    fn: Count
    tn: Count
    dice: Fraction
    dice_224: Fraction
    ap: Fraction
    dead_map: Bit
    present: Bit
    foreground_share: Fraction
    hd95: Amount


class LeaderboardRow(Line):
    """One line of leaderboard.csv: a method with its settings under one rule, over its seeds."""

    key: ClassVar[tuple[str, ...]] = (
        *("dataset", "label", "fingerprint", "protocol", "protocol_version"),
        *("method", "role", "settings", "rule"),
    )

    dataset: Name
    label: Text
    fingerprint: Fingerprint
    protocol: Text
    protocol_version: Place
    method: Name
    role: Role
    settings: LongText
    kind: Kind
    ranked: Flag
    tie_group: Annotated[str, Field(pattern=r"^([a-z][0-9]*)*$", max_length=300)]
    rank_lo: Place
    rank_hi: Place
    mdd: Amount
    seeds: Place
    images: Count
    clusters: Count
    val_init: Fraction
    val_init_sd: Fraction
    val_init_lo: Difference
    val_init_hi: Amount
    val_unet: Fraction
    val_unet_sd: Fraction
    val_unet_lo: Difference
    val_unet_hi: Amount
    test_init: Fraction
    test_init_sd: Fraction
    test_init_lo: Difference
    test_init_hi: Amount
    test_unet: Fraction
    test_unet_sd: Fraction
    test_unet_lo: Difference
    test_unet_hi: Amount
    test_dice_224: Fraction
    test_dice_pooled: Fraction
    test_dice_macro: Fraction
    test_below_half: Fraction
    test_ap_image: Fraction
    test_pxap: Fraction
    rule: Rule
    degenerate: Text
    floor_best: LongText
    floor_verdict: Text
    over_floor: Difference
    over_floor_lo: Annotated[float | None, Empty]
    over_floor_hi: Annotated[float | None, Empty]
    labels_used: Count
    masks_train: Count
    masks_tune: Count
    masks_eval: Count
    test_openings: Count
    confined: Flag
    break_even: Amount
    break_even_lo: Amount
    break_even_hi: Amount
    seconds: Amount
    seconds_shared: Amount
    gpu_seconds: Amount
    peak_bytes: Count
    energy_j: Amount
    pretraining: Text
    plugin: Text
    plugin_version: Text
    notes: LongText
    run_ids: Annotated[str, Field(pattern=r"^(r-[0-9a-f]{12}( r-[0-9a-f]{12})*)?$", max_length=20_000)]
    test_iou: Fraction
    test_hd95: Amount
    test_pxap_wsol: Fraction
    dead_maps: Fraction
    empty_maps: Fraction
    false_positive_rate: Fraction
    false_positive_share: Fraction
    foreground_share: Fraction

    @model_validator(mode="after")
    def _ours_say_where_from(self) -> LeaderboardRow:
        if self.kind != "reported" and not (self.fingerprint and self.protocol_version and self.run_ids):
            raise ValueError("fingerprint, protocol_version and run_ids may be empty only where kind is reported")
        if self.kind == "reported" and self.ranked == "true":
            raise ValueError("a reported row is never ranked")
        return self


class Member(Line):
    """A file of a submission."""

    sha256: Sha256
    bytes: Whole


class Images(Line):
    """The images of a table: how many lines each stage and rule has in scores.csv, and a hash over their ids, clusters and classes."""

    val: Whole
    test: Whole
    sha256: Sha256


class Manifest(Line):
    """manifest.json of a submission."""

    format: Literal[1]
    bench: Text
    protocol_version: Annotated[int, Field(ge=1)]
    runs: Annotated[tuple[str, ...], Field(max_length=10_000)]
    """folders, in the order in which their results were written: where a seed was run twice, the later counts"""
    images: dict[Fingerprint, Images]
    masks_only: tuple[Text, ...]
    """columns of scores.csv that do not follow from predictions stored as masks"""
    underived: tuple[Text, ...]
    """columns of leaderboard.csv that follow from nothing in the file: only the hashes hold them"""
    files: dict[str, Member]


class RuleRow(BaseModel):
    """A row of result.json: what one rule cut and chose."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    rule: Rule
    degenerate: Text = ""


class Stage(BaseModel):
    """An artifact that a run rests on."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    artifact: Name
    seconds: Spent


class Result(BaseModel):
    """What every reader needs of result.json; a finished run has the later fields, a failed one the sentence."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    run_id: RunId
    dataset: Name
    label: Text
    dataset_settings: dict[str, Any]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    protocol: Text
    protocol_version: Annotated[int, Field(ge=1)]
    method: Name
    role: Role
    settings: dict[str, Any]
    all_settings: dict[str, Any]
    seed: Whole
    failed: LongText | None = None
    rows: list[RuleRow] = []
    images: Whole = 0
    clusters: Whole = 0
    split_hashes: dict[Name, Sha256] = {}
    stages: list[Stage] = []
    pxap: dict[Rule, Share | None] = {}
    pxap_wsol: dict[Rule, Share | None] = {}
    labels_used: Whole | None = None
    masks_train: Whole | None = None
    masks_tune: Whole | None = None
    masks_eval: Whole | None = None
    test_openings: Whole | None = None
    confined: bool | None = None
    seconds: Spent | None = None
    gpu_seconds: Spent | None = None
    energy_j: Spent | None = None
    peak_bytes: Whole | None = None
    pretraining: Text = ""
    plugin: Text = ""
    plugin_version: Text = ""
    notes: list[LongText] = []

    @model_validator(mode="after")
    def _finished_or_failed(self) -> Result:
        if not self.failed and not (self.rows and self.split_hashes):
            raise ValueError("it has neither rows with split_hashes nor the sentence with which it failed")
        return self


FILES: dict[str, type[BaseModel]] = {
    "leaderboard.csv": LeaderboardRow,
    "scores.csv": ScoreLine,
    "manifest.json": Manifest,
    "result.json": Result,
}


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of every file by its name; a line of CSV is an object of its cells."""
    keys, whole = models_json_schema(
        [(model, "validation") for model in FILES.values()], title=f"wsss-bench leaderboard, format {FORMAT}"
    )
    properties = {name: keys[model, "validation"] for name, model in FILES.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "version": FORMAT,
        **whole,
        "properties": properties,
    }
