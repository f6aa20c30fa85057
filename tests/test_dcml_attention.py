"""DCML with attention: the paper's network, its division of data and vector, and resuming."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from bench.api import Task
from bench.augment import CROPS
from bench.errors import BenchError
from bench.methods._attention import AttentiveEmbedding, whole
from bench.methods._metric_learning import distance_weighted, margin_loss, same_class
from bench.methods.dcml_attention import DCMLAttention, full_from
from bench.training import Training, balanced
from bench.view import View

LESION = Task(classes=("a", "b"), foreground=("lesion",), shows=(0, 0))
BACKBONE = "test_resnet"


def method(**settings: object) -> DCMLAttention:
    return DCMLAttention.model_validate(
        {"backbone": BACKBONE, "pretrained": False, "k": 2, "dimension": 8, "batch": 8, "per_class": 4, **settings}
    )


def network(seed: int = 0, frozen: bool = False, learners: int = 2) -> AttentiveEmbedding:
    torch.manual_seed(seed)
    return AttentiveEmbedding(timm.create_model(BACKBONE), 8, learners, frozen, "test")


def view(n: int = 48, size: int = 32) -> View:
    """Two looks times two classes: k-means finds the looks, within which classes are told apart."""
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(n, 3, size, size, generator=draw) * 60
    look, label = torch.arange(n) % 2, torch.arange(n) // 2 % 2
    images[:, 0] += look[:, None, None] * 180.0
    images[:, 1, : size // 2] += label[:, None, None] * 90.0
    return View(images.byte().numpy(), torch.eye(2).bool()[label], LESION)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_papers_network_has_the_papers_size() -> None:
    with torch.device("meta"):
        net = DCMLAttention(pretrained=False).build(Task(classes=tuple("abcdefg"), foreground=("x",), shows=(0,) * 7))
        features, attention = net.attend(torch.zeros(1, 3, 224, 224))
    assert parameters(net.attention) == 1_216_961
    assert parameters(net) == 9_891_457
    assert features.shape == (1, 1024, 14, 14)
    assert attention.shape == (1, 1, 14, 14)


def test_every_slice_has_unit_length_and_so_has_the_whole() -> None:
    slices, _ = network()(torch.rand(3, 3, 32, 32))
    assert torch.allclose(slices.norm(dim=2), torch.ones(3, 2))
    assert torch.allclose(whole(slices).norm(dim=1), torch.ones(3))
    assert torch.allclose(whole(slices)[:, :4], slices[:, 0] / 2**0.5)


def test_the_scale_of_attention_does_not_reach_the_embedding() -> None:
    net = network().eval()
    nn.init.zeros_(net.dense.bias)
    images = torch.rand(2, 3, 32, 32)
    before = net(images)[0]
    attend = net.attention.forward
    net.attention.forward = lambda features: 0.1 * attend(features)  # type: ignore[method-assign]
    assert torch.allclose(net(images)[0], before, atol=1e-5)


def test_a_learner_leaves_the_rows_of_the_others_without_gradient() -> None:
    net = network()
    slices, _ = net(torch.rand(8, 3, 32, 32))
    same = same_class(torch.eye(2).bool().repeat(4, 1))
    margin_loss(slices[:, 1], distance_weighted(slices[:, 1], same, torch.Generator().manual_seed(0)))[0].backward()
    gradient = net.dense.weight.grad
    assert gradient is not None
    assert not gradient[:4].any()
    assert gradient[4:].any()
    assert all(p.grad is not None and p.grad.any() for part in (net.trunk[0], net.attention) for p in part.parameters())


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_batchnorm_keeps_its_statistics_and_trains_its_scale(frozen: bool) -> None:
    net = network(frozen=frozen).train()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [m.running_mean.clone() for m in norms]  # type: ignore[union-attr]
    net(torch.rand(4, 3, 32, 32))[0][0].sum().backward()
    assert norms
    assert all(torch.equal(m.running_mean, b) is frozen for m, b in zip(norms, before, strict=True))  # type: ignore[arg-type]
    assert any(m.weight.grad is not None and m.weight.grad.any() for m in norms)
    assert net.dropout.training


def test_from_scratch_is_said_in_the_row() -> None:
    assert method().notes() == ("from scratch, BatchNorm trains",)
    assert method(pretrained=True).notes() == ()


def test_k_must_divide_the_dimension() -> None:
    with pytest.raises(ValueError, match="k must divide dimension: 8 is not a multiple of 3"):
        method(k=3)


def test_the_full_embedding_is_trained_from_five_sixths_on() -> None:
    assert [full_from(n) for n in (300, 12, 4, 2, 1)] == [250, 10, 3, 1, 1]


def test_maps_are_the_attention_whatever_the_batch() -> None:
    net, images = network().eval(), torch.rand(5, 3, 64, 64)
    maps = method().maps(net, images, None, LESION)
    alone = torch.cat([method().maps(net, image[None], None, LESION) for image in images])
    assert maps.shape == (5, 1, 4, 4)
    assert torch.allclose(maps, alone, atol=1e-6)
    stretched = method(map_norm="minmax").maps(net, images, None, LESION)
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    assert torch.allclose(stretched, (maps - low) / (high - low), atol=1e-3)


def test_a_known_absence_empties_the_map() -> None:
    dogs = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
    maps = method().maps(network().eval(), torch.rand(2, 3, 32, 32), torch.eye(2).bool(), dogs)
    assert not maps[0].any()
    assert maps[1].all()


def fitted(
    folder: Path, stop_after: int | None = None, share: float = 1.0, **settings: object
) -> tuple[dict[str, torch.Tensor], Training]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(7)
    made = method(**{"epochs": 6, "lr": 1e-3, **settings})
    net = made.build(LESION)
    training = Training(net, folder, seed=7, fit_share=share, report=lambda done, _: stop_if(done == stop_after))
    made.fit(net, view(), training)
    return net.state_dict(), training


def stop_if(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


def test_killed_after_any_epoch_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    expected, whole_run = fitted(tmp_path / "whole", epochs=4)  # divided anew at 0 and 2, the full embedding at 3
    for after in range(1, 5):
        with pytest.raises(KeyboardInterrupt):
            fitted(tmp_path / str(after), after, epochs=4)
        resumed, training = fitted(tmp_path / str(after), epochs=4)
        assert all(torch.equal(value, resumed[name]) for name, value in expected.items()), after
        assert training.history == whole_run.history


def test_learners_are_served_by_turns_until_the_full_embedding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        "bench.methods.dcml_attention.distance_weighted",
        lambda e, same, g: seen.append(tuple(e.shape)) or distance_weighted(e, same, g),
    )
    history = fitted(tmp_path, epochs=60, share=0.1)[1].history
    assert seen == [(8, 4)] * 6 * 5 + [(8, 8)] * 6  # 24 images a cluster, 3 batches of each of two; then 48 images
    shares = {(epoch, name): value for epoch, name, value in history if name.startswith("served")}
    assert shares == {**{(e, f"served_{c}"): 0.5 for e in range(5) for c in (0, 1)}, (5, "served_0"): 1.0}
    assert {name for _, name, _ in history} >= {"loss", "active_pairs", "attention"}


def test_one_learner_is_plain_metric_learning(tmp_path: Path) -> None:
    history = fitted(tmp_path, k=1, epochs=3)[1].history
    losses = [value for _, name, value in history if name == "loss"]
    assert losses == pytest.approx(plain_metric_learning(epochs=3), rel=1e-6)


def plain_metric_learning(epochs: int) -> list[float]:
    """The same without clusters, learners and slices, written out: mean loss of each epoch."""
    torch.manual_seed(7)
    net, data, draw = method(k=1).build(LESION), view(), torch.Generator().manual_seed(7)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, weight_decay=1e-4)
    means = []
    for _ in range(epochs):
        net.train()
        losses = []
        for index in list(balanced(data.labels, 8, draw, per_class=4)):
            images, labels = CROPS(data.images(index), draw), data.labels[index]
            features = net.trunk(net.normalise(images))
            points = nn.functional.normalize(net.dense(net.dropout((net.attention(features) * features).mean((2, 3)))))
            loss, _ = margin_loss(points, distance_weighted(points, same_class(labels), draw))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        means.append(sum(losses) / len(losses))
    return means


def test_all_pairs_can_be_asked_for(tmp_path: Path) -> None:
    history = fitted(tmp_path, sampler="all", epochs=1)[1].history
    pairs = next(value for _, name, value in history if name == "active_pairs")
    assert 8 * 4 < pairs <= 2 * 8 * 3 * 4  # a batch of 2 x 4 has 96 triplets, of which distance weighting draws 32


def test_one_class_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    data, net = view(), method().build(LESION)
    data.labels = torch.tensor([True, False]).expand(48, 2)
    with pytest.raises(BenchError, match="dcml_attention learns by telling classes apart"):
        method().fit(net, data, Training(net, tmp_path, seed=0))
