"""k-means, names of clusters, and the order of batches over clusters."""

from __future__ import annotations

import itertools

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from bench.methods._batches import merged, round_robin, served
from bench.methods._clusters import _nearest, _Run, agreement, keep_names, kmeans


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(k: int, each: int, spread: float = 0.05) -> torch.Tensor:
    centres = torch.eye(k, 6)
    return centres.repeat_interleave(each, 0) + spread * torch.randn(k * each, 6, generator=generator(3))


def test_blobs_far_apart_are_found() -> None:
    found = kmeans(blobs(5, 20), 5, generator()).view(5, 20)
    assert (found == found[:, :1]).all()
    assert len(found[:, 0].unique()) == 5


def test_the_same_generator_finds_the_same_clusters() -> None:
    points = torch.randn(60, 4, generator=generator(1))
    assert torch.equal(kmeans(points, 4, generator(2)), kmeans(points, 4, generator(2)))


def test_equal_points_and_few_points_are_no_trouble() -> None:
    assert int(kmeans(torch.zeros(9, 2), 3, generator()).max()) < 3
    assert kmeans(torch.randn(2, 2, generator=generator()), 3, generator()).tolist() == [0, 1]


def test_an_empty_cluster_goes_to_the_point_farthest_from_its_centre() -> None:
    points = torch.tensor([[0.0], [1.0], [20.0], [100.0], [101.0]])
    run = _Run(points, torch.zeros(3, 1))
    assert run.move(torch.tensor([0, 0, 0, 2, 2]))
    assert run.centres[:, 0].tolist() == [7, 20, 100.5]


def test_centres_are_means_however_few_points_moved() -> None:
    points, draw = torch.randn(200, 5, generator=generator(7)), generator(8)
    run = _Run(points, points[:4])
    clusters = torch.randint(4, (200,), generator=draw)
    for moving in (200, 90, 3, 1):
        clusters = clusters.clone()
        clusters[:moving] = (clusters[:moving] + 1) % 4
        assert run.move(clusters)
        means = torch.stack([points[clusters == c].mean(0) for c in range(4)])
        assert torch.allclose(run.centres, means, atol=1e-5)
        saved = points.square().sum() - sum((points[clusters == c] - means[c]).square().sum() for c in range(4))
        assert run.gathered() == pytest.approx(float(saved), rel=1e-4)
    assert not run.move(clusters.clone())


def test_the_nearest_centre_of_each_run() -> None:
    points, centres = torch.randn(50, 3, generator=generator(1)), torch.randn(2, 4, 3, generator=generator(2))
    assert torch.equal(_nearest(points, centres), torch.stack([torch.cdist(points, c).argmin(1) for c in centres]))


def inertia(points: torch.Tensor, clusters: torch.Tensor) -> float:
    return sum(float((p - p.mean(0)).square().sum()) for c in clusters.unique() for p in (points[clusters == c],))


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("looks", "spread"), [(6, 0.3), (20, 0.6), (1, 1.0)])
def test_inertia_is_that_of_scikit_learn(looks: int, spread: float) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    draw = generator(4)
    centres = torch.randn(looks, 32, generator=draw)[torch.randint(looks, (600,), generator=draw)]
    points = torch.nn.functional.normalize(centres + spread * torch.randn(600, 32, generator=draw), dim=1)
    theirs = cluster.KMeans(8, n_init=5, random_state=0).fit(points.numpy()).inertia_
    assert inertia(points, kmeans(points, 8, generator())) <= 1.01 * theirs


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_agreement_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = generator(5)
    for k, classes in ((8, 7), (3, 2), (1, 4)):
        clusters, truth = torch.randint(k, (90,), generator=draw), torch.randint(classes, (90,), generator=draw)
        truth[:60] = clusters[:60] % classes
        theirs = metrics.normalized_mutual_info_score(truth.numpy(), clusters.numpy())
        assert agreement(clusters, labels_of(*truth.tolist())) == pytest.approx(theirs, abs=1e-9)


def test_agreement_by_hand() -> None:
    assert agreement(torch.tensor([3, 3, 1, 1]), labels_of(0, 0, 1, 1)) == pytest.approx(1)
    assert agreement(torch.tensor([0, 1, 0, 1]), labels_of(0, 0, 1, 1)) == pytest.approx(0, abs=1e-12)
    # I = H(clusters) = log 2; H(classes) = 3/2 log 2
    assert agreement(torch.tensor([0, 0, 1, 1]), labels_of(0, 0, 1, 2)) == pytest.approx(2 / 2.5)
    several = torch.tensor([[1, 0], [1, 1], [1, 0], [1, 1]]).bool()  # a combination of labels is a class
    assert agreement(torch.tensor([0, 1, 0, 1]), several) == pytest.approx(1)


@pytest.mark.parametrize("renaming", list(itertools.permutations(range(4))))
def test_every_renaming_of_an_unchanged_partition_is_undone(renaming: tuple[int, ...]) -> None:
    previous = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
    assert torch.equal(keep_names(torch.tensor(renaming)[previous], previous, 4), previous)


def test_the_public_code_loses_a_cycle_of_three() -> None:
    previous = torch.arange(3).repeat(5)
    renamed = torch.tensor([1, 2, 0])[previous]
    assert torch.equal(keep_names(renamed, previous, 3), previous)
    assert not (keep_names(renamed, previous, 3, inverse=True) == previous).any()
    swapped = torch.tensor([1, 0, 2])[previous]  # its own inverse
    assert torch.equal(keep_names(swapped, previous, 3, inverse=True), previous)


@pytest.mark.parametrize("seed", range(5))
def test_random_partitions_keep_as_many_names_as_scipy_finds(seed: int) -> None:
    draw = generator(seed)
    previous, current = (torch.randint(6, (80,), generator=draw) for _ in range(2))
    both = torch.zeros(6, 6).index_put_((current, previous), torch.ones(80), accumulate=True).numpy()
    rows, columns = linear_sum_assignment(both, maximize=True)
    kept = int((keep_names(current, previous, 6) == previous).sum())
    assert kept == both[rows, columns].sum()
    assert kept == max(sum(both[i, p] for i, p in enumerate(order)) for order in itertools.permutations(range(6)))


def test_names_survive_an_emptied_cluster_and_points_that_moved() -> None:
    previous = torch.tensor([0, 0, 0, 1, 1, 1, 3, 3, 3])  # cluster 2 is empty
    current = torch.tensor([3, 3, 3, 0, 0, 3, 1, 1, 1])
    assert keep_names(current, previous, 4).tolist() == [0, 0, 0, 1, 1, 0, 3, 3, 3]


def labels_of(*classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(classes), max(classes) + 1).bool()


def test_batches_come_from_one_cluster_each_in_turn_and_short_clusters_start_again() -> None:
    labels = labels_of(*[0, 1] * 40, *[0, 1] * 8)
    clusters = torch.tensor([0] * 80 + [1] * 16)
    steps = list(round_robin(labels, clusters, 2, 16, 8, generator()))
    assert [c for c, _ in steps] == [0, 1] * 5
    for c, index in steps:
        assert (clusters[index] == c).all()
        assert labels[index].sum(0).tolist() == [8, 8]
    assert len(torch.cat([index for c, index in steps if c == 1]).unique()) == 16


def test_what_has_no_pair_to_learn_from_is_left_out() -> None:
    labels = labels_of(0, 0, 0, 1, 1, 2, 0, 0, 1, 0, 0)
    clusters = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2])  # 0: class 2 is alone; 1: class 1 is alone; 2: one class
    assert served(labels, clusters, 4).tolist() == pytest.approx([5 / 11, 0, 0, 0])
    steps = list(round_robin(labels, clusters, 4, 4, 2, generator()))
    assert [c for c, _ in steps] == [0]
    assert 5 not in steps[0][1].tolist()


def test_no_cluster_to_learn_from_makes_no_step() -> None:
    labels = labels_of(0, 0, 1, 1)
    assert list(round_robin(labels, torch.tensor([0, 0, 1, 1]), 2, 4, 2, generator())) == []


def test_rounds_may_be_as_many_as_the_smallest_cluster_has() -> None:
    labels, clusters = labels_of(*[0, 1] * 40, *[0, 1] * 16), torch.tensor([0] * 80 + [1] * 32)
    steps = [c for c, _ in round_robin(labels, clusters, 2, 16, 8, generator(), "min")]
    assert steps == [0, 1] * 2


def test_a_cluster_of_one_class_joins_the_nearest() -> None:
    labels = labels_of(0, 1, 0, 1, 0, 0, 0, 1, 1, 1)
    points = torch.tensor([[0.0], [0], [0], [0], [4], [4], [4], [9], [9], [9]])
    clusters = torch.tensor([0, 0, 0, 0, 2, 2, 2, 3, 3, 3])  # 1 is empty, 2 and 3 have one class each
    joined = merged(labels, clusters, 4, points)
    assert joined.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]  # 2 lies nearer to 0; 3 is nearest to what that has become
    assert clusters.tolist() == [0, 0, 0, 0, 2, 2, 2, 3, 3, 3]
    nearer = points.clone()
    nearer[4:7] = 8
    assert merged(labels, clusters, 4, nearer).tolist() == [0, 0, 0, 0, 3, 3, 3, 3, 3, 3]
    whole = torch.tensor([0] * 5 + [1] * 5)
    assert torch.equal(merged(labels, whole, 2, points), whole)
    one = labels_of(0, 0, 0)
    assert merged(one, torch.tensor([0, 0, 1]), 2, points[:3]).unique().shape == (1,)
