"""Margin loss and the choice of pairs, against other people's code and values computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from bench.methods._metric_learning import (
    Triplets,
    all_triplets,
    distance_weighted,
    distance_weights,
    margin_loss,
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


def test_margin_loss_counts_active_pairs_as_the_published_code_did() -> None:
    numbers = json.loads((FIXTURES / "other_codes.json").read_text())
    inputs = np.load(FIXTURES / "other_codes.npz")
    points = torch.from_numpy(inputs["dcml_embeddings"])
    triplets = Triplets(*(torch.from_numpy(inputs[f"dcml_{n}"]).long() for n in ("anchor", "positive", "negative")))
    loss, active = margin_loss(points, triplets)
    assert float(loss) == pytest.approx(numbers["margin_loss_pair_count"], abs=1e-6)
    assert active > len(triplets.anchor)  # more than one active pair in a triplet: the two divisors differ


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
