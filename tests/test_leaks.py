"""What two splits share: told always, and in the way of a run where one of them is scored on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import DataError, Item, UsageError
from bench.data.leaks import apart, leaks
from bench.faults import ACCEPTABLE, KINDS, Fault, check_acceptable, refuse, stamp

SPLITS = ("weak", "weak_heldout", "masks", "val", "test")


def found(splits: dict[str, list[Item]], digests: dict[str, list[str]] | None = None) -> list[Fault]:
    return leaks(
        {split: splits.get(split, []) for split in SPLITS}, {split: (digests or {}).get(split, []) for split in SPLITS}
    )


def test_nothing_is_invented() -> None:
    splits = {"weak": [Item("a", (0,), "g"), Item("b", (0,), "g")], "test": [Item("c", None, "h")]}
    assert found(splits, {"weak": ["1", "2"], "test": ["3"]}) == []


@pytest.mark.parametrize(
    ("split", "other", "blocks"),
    [
        ("weak", "test", True),
        ("masks", "val", True),
        ("val", "test", True),
        ("weak", "weak_heldout", False),
        ("weak", "masks", False),
    ],
)
def test_the_same_bytes_and_the_same_group_block_where_one_side_is_scored_on(
    split: str, other: str, blocks: bool
) -> None:
    splits = {split: [Item("a", None, "g")], other: [Item("b", None, "g")]}
    by_bytes, by_group = found(splits, {split: ["1"], other: ["1"]})
    assert (by_bytes.kind, by_bytes.place, by_bytes.blocks) == ("duplicate-bytes", "b", blocks)
    assert by_bytes.text == f"a ({split}) and b ({other}) have the same bytes; remove one of them"
    assert (by_group.kind, by_group.place, by_group.blocks) == ("group-split", "g", blocks)
    assert by_group.text == f"the group g lies in two splits: a in {split}, b in {other}; keep a group in one split"


def test_the_same_bytes_in_one_split_are_told_and_do_not_block() -> None:
    (fault,) = found({"test": [Item("a", None), Item("b", None)]}, {"test": ["1", "1"]})
    assert fault.kind == "duplicate-bytes"
    assert not fault.blocks


def test_an_id_in_two_splits_blocks_and_is_told_once() -> None:
    (fault,) = found(
        {"weak": [Item("a", (0,))], "weak_heldout": [Item("a", (0,))]}, {"weak": ["1"], "weak_heldout": ["1"]}
    )
    assert fault == Fault(
        "duplicate-id",
        "a",
        "the id a stands in weak and in weak_heldout; an image belongs to one split, take it out of one",
    )


def test_a_group_in_three_splits_is_told_for_each_further_split() -> None:
    splits = {split: [Item(f"{split}{n}", None, "g") for n in range(3)] for split in ("weak", "val", "test")}
    assert [fault.text.split(": ")[1].split(";")[0] for fault in found(splits)] == [
        "weak0 in weak, val0 in val",
        "weak0 in weak, test0 in test",
    ]


@given(st.dictionaries(st.sampled_from(SPLITS), st.lists(st.integers(0, 5), max_size=6)))
def test_every_pair_of_equal_bytes_across_a_scored_split_blocks(drawn: dict[str, list[int]]) -> None:
    """Against the plain definition: some pair of images with equal bytes lies in two splits of which one is val or test."""
    splits = {split: [Item(f"{split}{n}", None) for n in range(len(numbers))] for split, numbers in drawn.items()}
    faults = found(splits, {split: [str(number) for number in numbers] for split, numbers in drawn.items()})
    shared = any(
        set(drawn[one]) & set(drawn[other]) and ({one, other} & {"val", "test"})
        for one in drawn
        for other in drawn
        if one != other
    )
    assert any(fault.blocks for fault in faults) == shared


def test_apart() -> None:
    assert not apart("test", "test")
    assert apart("val", "test")


def test_the_first_blocking_fault_is_told_with_the_way_out_and_how_many_more() -> None:
    faults = [
        Fault("count", "", "count", blocks=False),
        Fault("missing-mask", "a", "a has no mask"),
        Fault("unreadable", "b", "b is cut"),
    ]
    with pytest.raises(DataError) as told:
        refuse(faults, (), "isic")
    assert str(told.value) == (
        "a has no mask, or go on with --accept missing-mask: the image is left out "
        "(at least 1 more; `bench data check isic` reads everything and lists all)"
    )
    with pytest.raises(DataError, match=r"^b is cut$"):
        refuse(faults, ("missing-mask",), "isic")
    refuse(faults[:2], ("missing-mask",), "isic")
    assert stamp(faults[:2] * 3, ("missing-mask",)) == "accepted: missing-mask (3)"
    assert stamp(faults, ()) == ""


def test_only_what_can_be_gone_on_with_is_accepted() -> None:
    assert set(ACCEPTABLE) <= set(KINDS)
    check_acceptable(ACCEPTABLE)
    with pytest.raises(
        UsageError, match="unreadable must be mended and cannot be accepted; accepted can be missing-image"
    ):
        check_acceptable(["unreadable"])
    with pytest.raises(UsageError, match="rust is no kind of fault"):
        check_acceptable(["rust"])


def test_the_page_lists_every_kind_of_fault_and_what_accepting_it_does() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
    assert all(f"| `{kind}` | {text} | {ACCEPTABLE.get(kind, '')} |" in page for kind, text in KINDS.items())
