"""What Dice, IoU, distance and average precision are where there is nothing to compare with: ours beside MONAI's, smp's, scikit-learn's.

The table of docs/protocol.md (Empty masks) says the same in words; where the libraries disagree with each other there is no reference.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from bench.metrics import average_precision, dice, fine_histogram
from bench.pipeline.distances import Outline

pytestmark = pytest.mark.oracle

SIDE = 8
CASES = {
    "both empty": (0, 0),
    "something is found where nothing is": (1, 0),
    "the object is missed": (0, 1),
    "half of it": (1, 2),
}


def regions(predicted, true):
    """A prediction of so many rows and a mask of so many, from the top."""
    rows = np.arange(SIDE)[:, None] + np.zeros((1, SIDE), int)
    return rows < predicted, rows < true


def ours(predicted, true):
    return float(dice((predicted & true).sum(), (predicted & ~true).sum(), (~predicted & true).sum()))


def monai_dice(predicted, true, **more):
    from monai.metrics import compute_dice

    one, other = (torch.from_numpy(r)[None, None].float() for r in (predicted, true))
    return float(compute_dice(one, other, **more))


def smp_f1(predicted, true, reduction):
    from segmentation_models_pytorch import metrics

    one, other = (torch.from_numpy(r)[None, None].long() for r in (predicted, true))
    stats = metrics.get_stats(one, other, mode="binary")
    return float(metrics.f1_score(*stats, reduction=reduction))


def sklearn_f1(predicted, true, zero_division):
    from sklearn.metrics import f1_score

    return float(f1_score(true.ravel(), predicted.ravel(), zero_division=zero_division))


@pytest.mark.parametrize("case", CASES)
def test_dice_is_monais_everywhere(case):
    """Its default leaves images without foreground out, as we do: NaN, which no mean counts."""
    assert monai_dice(*regions(*CASES[case])) == pytest.approx(ours(*regions(*CASES[case])), nan_ok=True)


@pytest.mark.parametrize("case", ["the object is missed", "half of it"])
def test_where_there_is_an_object_all_libraries_say_the_same(case):
    pair = regions(*CASES[case])
    others = [sklearn_f1(*pair, zero_division=0), smp_f1(*pair, "micro"), smp_f1(*pair, "micro-imagewise")]
    assert others == pytest.approx([ours(*pair)] * 3)


def test_where_there_is_none_they_differ_so_that_we_leave_it_out():
    empty, found = (regions(*CASES[name]) for name in ("both empty", "something is found where nothing is"))
    assert math.isnan(ours(*empty))
    assert math.isnan(ours(*found))
    assert (monai_dice(*empty, ignore_empty=False), monai_dice(*found, ignore_empty=False)) == (1, 0)
    assert [sklearn_f1(*empty, zero_division=z) for z in (0, 1)] == [0, 1]
    assert sklearn_f1(*found, zero_division=1) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # smp warns that it divides by zero
        assert math.isnan(smp_f1(*empty, "micro"))
        assert smp_f1(*empty, "micro-imagewise") == 1


def test_distances_where_one_of_the_two_is_empty_are_not_defined_by_monai_and_counted_by_us():
    from monai.metrics import compute_hausdorff_distance

    for case, expected in [
        ("both empty", "nan"),
        ("something is found where nothing is", "nan"),
        ("the object is missed", "diagonal"),
    ]:
        predicted, true = regions(*CASES[case])
        one, other = (torch.from_numpy(r)[None, None].float() for r in (predicted, true))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI warns that it may be NaN or infinite
            theirs = float(compute_hausdorff_distance(one, other, True, percentile=95))
        assert not math.isfinite(theirs)
        found = Outline(true).hd95(predicted)
        assert math.isnan(found) if expected == "nan" else found == pytest.approx(SIDE * math.sqrt(2))


def test_average_precision_without_an_object_is_zero_for_scikit_learn_and_not_measured_for_us():
    from sklearn.metrics import average_precision_score

    values, mask = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32), np.zeros((SIDE, SIDE), np.uint8)
    with pytest.warns(UserWarning, match="No positive class"):
        assert average_precision_score(mask.ravel(), values.ravel()) == 0
    assert math.isnan(average_precision(fine_histogram(values, mask)))
