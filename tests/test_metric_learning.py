"""Margin loss and the choice of pairs, against other people's code and values computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import normalize

from bench.methods._metric_learning import (
    Triplets,
    _drawn,
    active_share,
    all_triplets,
    distance_weighted,
    distance_weights,
    margin_loss,
    nearest_negatives,
    same_class,
)

FIXTURES = Path(__file__).parent / "fixtures"


def on_sphere(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=1)


def four_by_eight() -> torch.Tensor:
    return torch.eye(4).bool().repeat_interleave(8, 0)  # (32, 4)


def pair(distance: float) -> torch.Tensor:
    """Two unit vectors in the plane that far apart."""
    half = np.arcsin(distance / 2)
    return torch.tensor([[np.cos(half), np.sin(half)], [np.cos(half), -np.sin(half)]])


@pytest.mark.parametrize(
    ("distance", "positive", "negative"), [(1.1, 0.1, 0.3), (1.0, 0.0, 0.4), (1.3, 0.3, 0.1), (1.4, 0.4, 0.0)]
)
def test_margin_loss_of_one_pair(distance: float, positive: float, negative: float) -> None:
    points, one, other = pair(distance), torch.tensor([0]), torch.tensor([1])
    nothing = torch.tensor([0])  # at distance 0 of the anchor: as a positive it costs nothing, as a negative 1.4
    loss, active = margin_loss(points, Triplets(one, other, nothing))
    assert float(loss) * active == pytest.approx(positive + 1.4, abs=2e-4)
    loss, active = margin_loss(points, Triplets(one, nothing, other))
    assert float(loss) * active == pytest.approx(negative, abs=1e-5)


def fixture() -> tuple[torch.Tensor, torch.Tensor, Triplets, dict[str, float]]:
    """Embeddings, labels, triplets and losses of DCML's public code."""
    kept = np.load(FIXTURES / "other_codes.npz")
    points, labels = torch.from_numpy(kept["dcml_embeddings"]), torch.from_numpy(kept["dcml_labels"]).long()
    triplets = Triplets(*(torch.from_numpy(kept[f"dcml_{n}"]).long() for n in ("anchor", "positive", "negative")))
    return (
        points,
        torch.nn.functional.one_hot(labels).bool(),
        triplets,
        json.loads((FIXTURES / "other_codes.json").read_text()),
    )


def test_margin_loss_counts_active_pairs_as_the_published_code_did() -> None:
    points, _, triplets, numbers = fixture()
    loss, active = margin_loss(points, triplets)
    assert float(loss) == pytest.approx(numbers["margin_loss_pair_count"], abs=1e-6)
    assert active > len(triplets.anchor)  # more than one active pair in a triplet: the two divisors differ


def test_nearest_negatives_and_the_mean_over_triplets_are_those_of_the_public_code() -> None:
    points, labels, theirs, numbers = fixture()
    ours = nearest_negatives(points, same_class(labels))
    assert len(ours.anchor) == 224
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    loss, _ = margin_loss(points, ours, divisor="triplets")
    assert float(loss) == pytest.approx(numbers["dcml_loss_torch_bool"], abs=1e-6)


@pytest.mark.parametrize(
    ("points", "sizes"),
    [
        (normalize(torch.ones(32, 16) + 0.03 * on_sphere(32, 16), dim=1), (8, 8, 8, 8)),  # collapsed: all too close
        (on_sphere(32, 16, 7), (24, 8)),  # an average anchor has 19 positives, 24 anchors have but 8 negatives
        (on_sphere(32, 16, 8), (32,)),
        (on_sphere(5, 16, 9), (1, 1, 1, 1, 1)),
    ],
)
def test_nearest_negatives_that_are_missing_are_not_made_up(points: torch.Tensor, sizes: tuple[int, ...]) -> None:
    same = same_class(torch.eye(len(sizes)).bool().repeat_interleave(torch.tensor(sizes), 0))
    anchor, positive, negative = nearest_negatives(points, same)
    distance = torch.cdist(points, points)
    assert same[anchor, positive].all()
    assert (anchor != positive).all()
    assert not same[anchor, negative].any()
    assert (distance[anchor, negative] >= 0.5).all()
    assert bool(len(anchor)) is (sizes == (24, 8))
    loss, active = margin_loss(points, Triplets(anchor, positive, negative))
    assert loss.isfinite()
    if not len(anchor):
        assert (float(loss), active) == (0, 0)
    else:
        of_the_small = torch.bincount(anchor, minlength=32)[24:]
        assert of_the_small.tolist() == [7] * 8  # as many as they have positives
        near = distance[31].masked_fill(same[31] | (distance[31] < 0.5), 9).topk(19, largest=False).indices
        assert set(negative[anchor == 31].tolist()) <= set(near.tolist())


def test_a_batch_of_one_class_costs_nothing_and_leaves_a_gradient_of_zero() -> None:
    points = on_sphere(8, 4).requires_grad_()
    triplets = distance_weighted(points, torch.ones(8, 8, dtype=torch.bool), torch.Generator().manual_seed(0))
    loss, active = margin_loss(points, triplets)
    loss.backward()
    assert (float(loss.detach()), active, len(triplets.anchor)) == (0, 0, 0)
    assert points.grad is not None
    assert not points.grad.any()


def test_identical_embeddings_have_a_finite_gradient() -> None:
    points = torch.ones(4, 2).requires_grad_()
    margin_loss(points, all_triplets(same_class(torch.eye(2).bool().repeat(2, 1))))[0].backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


@pytest.mark.parametrize("d", [16, 128])
def test_sampled_triplets_are_valid(d: int) -> None:
    points, same = on_sphere(32, d), same_class(four_by_eight())
    anchor, positive, negative = distance_weighted(points, same, torch.Generator().manual_seed(1))
    distance = torch.cdist(points, points)
    has_negative = ((distance < 1.4) & ~same).any(1)
    assert torch.equal(torch.bincount(anchor, minlength=32), 8 * has_negative)  # 256 of 32 anchors that all have one
    assert same[anchor, positive].all()
    assert (anchor != positive).all()
    assert not same[anchor, negative].any()
    assert (distance[anchor, negative] < 1.4).all()


def test_four_by_eight_on_a_small_sphere_gives_256_triplets() -> None:
    triplets = distance_weighted(on_sphere(32, 16), same_class(four_by_eight()), torch.Generator().manual_seed(2))
    assert len(triplets.anchor) == 256


def test_a_near_negative_is_drawn_rather_than_a_far_one_by_the_density_of_distances() -> None:
    d, near, far = 16, 0.6, 1.2
    angles = [0, 2 * np.arcsin(near / 2), 2 * np.arcsin(far / 2)]
    points = torch.zeros(3, d)
    points[:, :2] = torch.tensor([[np.cos(a), np.sin(a)] for a in angles])
    weights = distance_weights(points, torch.eye(3).bool())

    def density(distance: float) -> float:  # of distances between random points on the sphere (Wu et al., section 4)
        return float(distance ** (d - 2) * (1 - distance**2 / 4) ** ((d - 3) / 2))

    assert float(weights[0, 1] / weights[0, 2]) == pytest.approx(density(far) / density(near), rel=1e-4)


def test_weights_do_not_underflow_at_128_dimensions() -> None:
    points = torch.zeros(4, 128)
    points[:, 0] = 1
    points[2:, 0], points[2:, 1] = np.cos(1.4), np.sin(1.4)  # 2, 3 together; distance to 0, 1 about 1.29
    weights = distance_weights(points, torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]).bool())
    assert weights.sum(1).tolist() == pytest.approx(
        [1, 1, 1, 1]
    )  # by the whole matrix's maximum, rows 2 and 3 would be lost


def density(distance: float, d: int) -> float:
    """Of distances between random points on the sphere in d dimensions (Wu et al., section 4), up to a factor."""
    return float(distance ** (d - 2) * (1 - distance**2 / 4) ** ((d - 3) / 2))


def test_a_hundred_thousand_draws_are_as_frequent_as_the_formula_says() -> None:
    points, labels, draw = on_sphere(32, 6, 11), four_by_eight(), torch.Generator().manual_seed(12)
    points[8] = normalize(points[0] + 0.1 * points[8], dim=0)  # nearer than the cutoff
    same = same_class(labels)
    apart = torch.cdist(points.double(), points.double()).numpy()
    assert apart[0, 8] < 0.5
    expected = np.array([[1 / density(max(x, 0.5), 6) if x < 1.4 else 0 for x in row] for row in apart]) * ~same.numpy()
    expected /= expected.sum(1, keepdims=True)
    negatives, positives = torch.zeros(32, 32), torch.zeros(32, 32)
    for _ in range(391):
        anchor, positive, negative = distance_weighted(points, same, draw)
        negatives.index_put_((anchor, negative), torch.ones(len(anchor)), accumulate=True)
        positives.index_put_((anchor, positive), torch.ones(len(anchor)), accumulate=True)
    assert int(negatives.sum()) == 391 * 256
    for row in range(32):
        likely = expected[row] > 0
        assert not negatives[row].numpy()[~likely].any()
        counts = negatives[row].numpy()[likely]
        assert stats.chisquare(counts, expected[row][likely] * 391 * 8).pvalue > 1e-4
        others = same[row].clone()
        others[row] = False
        assert stats.chisquare(positives[row][others].numpy()).pvalue > 1e-4
        assert not positives[row][~others].any()


@pytest.mark.parametrize("d", [2, 16, 128])
def test_draws_are_those_of_torch_multinomial(d: int) -> None:
    weights = distance_weights(on_sphere(64, d, 3), same_class(torch.eye(2).bool().repeat(32, 1)))
    weights = weights[weights.sum(1) > 0].repeat(20, 1)
    one, other = (torch.Generator().manual_seed(4) for _ in range(2))
    assert torch.equal(_drawn(weights, one), torch.multinomial(weights, 1, generator=other)[:, 0])
    assert torch.equal(one.get_state(), other.get_state())


def test_the_active_share_is_counted_over_all_triplets() -> None:
    points, same = on_sphere(12, 3, 6), same_class(torch.eye(3).bool().repeat(4, 1))
    anchor, positive, negative = all_triplets(same)
    distance = torch.cdist(points, points)
    active = (distance[anchor, positive] > 1.0) | (distance[anchor, negative] < 1.4)
    assert 0 < active.float().mean() < 1
    assert active_share(points, same) == pytest.approx(float(active.float().mean()))
    assert active_share(points, torch.ones(12, 12, dtype=torch.bool)) == 0
    assert (
        active_share(
            torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]]), same_class(torch.eye(2).bool().repeat_interleave(2, 0))
        )
        == 0
    )


def test_all_triplets_are_all() -> None:
    triplets = all_triplets(same_class(four_by_eight()))
    assert len(triplets.anchor) == 32 * 7 * 24
    assert len(set(zip(*(index.tolist() for index in triplets), strict=True))) == 32 * 7 * 24


def test_classes_are_shared_where_one_label_is() -> None:
    labels = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).bool()
    assert same_class(labels).tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, False, False],
    ]


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_loss_equals_pytorch_metric_learning() -> None:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    points, labels = on_sphere(32, 16), four_by_eight()
    theirs = losses.MarginLoss(margin=0.2, nu=0, beta=1.2, learn_beta=False)
    triplets = distance_weighted(points, same_class(labels), torch.Generator().manual_seed(0))
    assert float(margin_loss(points, triplets)[0]) == pytest.approx(
        float(theirs(points, labels.int().argmax(1), tuple(triplets))), abs=1e-6
    )
    everything = all_triplets(same_class(labels))
    assert float(margin_loss(points, everything)[0]) == pytest.approx(
        float(theirs(points, labels.int().argmax(1))), abs=1e-6
    )


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_negatives_are_drawn_as_often_as_by_pytorch_metric_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    utilities = pytest.importorskip("pytorch_metric_learning.utils.loss_and_miner_utils")
    points, labels = on_sphere(32, 16, 5), four_by_eight()
    theirs: dict[str, torch.Tensor] = {}
    draw = utilities.get_random_triplet_indices

    def look(numbers: torch.Tensor, **arguments: torch.Tensor) -> object:
        theirs["weights"] = arguments["weights"]
        return draw(numbers, **arguments)

    monkeypatch.setattr(utilities, "get_random_triplet_indices", look)
    anchors = miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4)(points, labels.int().argmax(1))[0]
    ours = distance_weights(points, same_class(labels))
    assert torch.allclose(ours, theirs["weights"].nan_to_num(), atol=1e-5)
    assert len(anchors) == len(distance_weighted(points, same_class(labels), torch.Generator()).anchor)
