"""k-means, names of clusters, and the order of batches over clusters."""

from __future__ import annotations

import itertools

import pytest
import torch

from bench.methods._batches import round_robin, served
from bench.methods._clusters import _centres, keep_names, kmeans


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
    centres = _centres(points, torch.tensor([0, 0, 0, 2, 2]), torch.zeros(3, 1))
    assert centres[:, 0].tolist() == [7, 20, 100.5]


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_inertia_is_that_of_scikit_learn() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    points = torch.randn(300, 5, generator=generator(4))
    found = kmeans(points, 6, generator(), restarts=10)
    inertia = sum(float((points[found == c] - points[found == c].mean(0)).square().sum()) for c in range(6))
    theirs = cluster.KMeans(6, n_init=10, random_state=0).fit(points.numpy()).inertia_
    assert inertia == pytest.approx(theirs, rel=0.01)


@pytest.mark.parametrize("renaming", list(itertools.permutations(range(4))))
def test_every_renaming_of_an_unchanged_partition_is_undone(renaming: tuple[int, ...]) -> None:
    previous = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
    assert torch.equal(keep_names(torch.tensor(renaming)[previous], previous, 4), previous)


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
