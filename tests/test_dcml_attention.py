"""DCML with attention: the paper's network, its division of data and vector, and resuming."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from bench.api import Task
from bench.augment import CROPS
from bench.errors import BenchError, UsageError
from bench.methods._attention import AttentiveEmbedding, whole
from bench.methods._class_means import ClassMeans
from bench.methods._metric_learning import active_share, distance_weighted, margin_loss, same_class
from bench.methods.dcml_attention import DCMLAttention, first_epoch
from bench.methods.ml_attention import MLAttention
from bench.settings import instantiate
from bench.testing import check_method, made_view
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
    return AttentiveEmbedding(
        timm.create_model(BACKBONE), 8, learners, frozen, "test", ClassMeans(2, 8, exclusive=True)
    )


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


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"k": "3"}, "settings of dcml_attention: k must divide dimension: 128 is not a multiple of 3"),
        ({"batch": "2"}, "dcml_attention.batch takes a value greater than or equal to 4, not '2'"),
        (
            {"batch": "8"},
            "settings of dcml_attention: batch must hold two classes: 8 is less than 2 x 8; lower per_class",
        ),
    ],
)
def test_settings_that_cannot_train_are_refused_in_a_sentence(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        instantiate(DCMLAttention, settings)


def test_every_setting_says_what_it_is() -> None:
    assert not [name for name, field in DCMLAttention.model_fields.items() if not field.description]


def test_the_full_embedding_is_trained_from_five_sixths_on() -> None:
    assert [first_epoch(5 / 6, n) for n in (300, 12, 4, 2, 1)] == [250, 10, 3, 1, 1]
    assert [first_epoch(5 / 6 * 8 / 19, n) for n in (300, 4)] == [105, 1]  # where the public code changes the loss
    assert [first_epoch(share, 4) for share in (0, 1)] == [0, 4]


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
        "bench.methods.ml_attention.distance_weighted",
        lambda e, *rest: seen.append(tuple(e.shape)) or distance_weighted(e, *rest),
    )
    history = fitted(tmp_path, epochs=60, share=0.1)[1].history
    assert seen == [(8, 4)] * 6 * 5 + [(8, 8)] * 6  # 24 images a cluster, 3 batches of each of two; then 48 images
    shares = {(epoch, name): value for epoch, name, value in history if name.startswith("served")}
    assert shares == {**{(e, f"served_{c}"): 0.5 for e in range(5) for c in (0, 1)}, (5, "served_0"): 1.0}
    logged = {name for epoch, name, _ in history if epoch == 0}
    assert logged >= {"loss", "triplets", "active_pairs", "active_triplets", "attention", "foreground", "nmi"}
    assert "nmi" not in {name for epoch, name, _ in history if epoch == 5}


def values(history: list[tuple[int, str, float]], name: str) -> list[float]:
    return [value for _, each, value in history if each == name]


def test_what_is_logged_is_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.methods.ml_attention.CROPS", lambda images, _: images)
    made, net, data = method(epochs=1, lr=1e-12, dropout=0, weight_decay=0, sampler="all"), network(), view()
    net.dropout.p = 0
    with torch.no_grad():
        middle = net.eval().attend(data.images(torch.arange(48)))[1].median()
        net.attention[4].bias -= middle.logit()
        slices, attention = net.eval()(data.images(torch.arange(48)))
    training = Training(net, tmp_path, seed=0)
    net.train = lambda mode=True: net  # type: ignore[method-assign]  # BatchNorm of batches is another network
    made.fit(net, data, training)
    logged = {name: value for _, name, value in training.history}
    assert logged["attention"] == pytest.approx(float(attention.mean()), abs=0.01)
    assert 0.4 < logged["foreground"] < 0.6
    assert logged["foreground"] == pytest.approx(float((attention > 0.5).float().mean()), abs=0.1)
    assert logged["triplets"] == 2 * 4 * 3 * 4
    alike = [active_share(slices[look::2, c], same_class(data.labels[look::2])) for look in (0, 1) for c in (0, 1)]
    assert min(alike) - 0.1 <= logged["active_triplets"] <= max(alike) + 0.1
    assert logged["nmi"] == pytest.approx(0, abs=1e-9)  # the clusters are the looks, which do not tell the labels


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


def test_one_learner_is_ml_attention(tmp_path: Path) -> None:
    settings = {"backbone": BACKBONE, "pretrained": False, "dimension": 8, "batch": 8, "per_class": 4}
    history, nets = {}, {}
    for made in (MLAttention(**settings, epochs=3, lr=1e-3), DCMLAttention(**settings, epochs=3, lr=1e-3, k=1)):  # type: ignore[arg-type]
        torch.manual_seed(7)
        net = nets[made.name] = made.build(LESION)
        (tmp_path / made.name).mkdir()
        training = Training(net, tmp_path / made.name, seed=7)
        made.fit(net, view(), training)
        history[made.name] = [entry for entry in training.history if not entry[1].startswith("served")]
    assert history["ml_attention"] == history["dcml_attention"]
    assert len(history["ml_attention"]) == 3 * 6
    images = view().images(torch.arange(8))
    maps = [method(k=1).maps(nets[name].eval(), images, None, LESION) for name in nets]
    assert torch.equal(*maps)


def test_the_codes_schedule_trains_the_whole_vector_on_single_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        "bench.methods.ml_attention.distance_weighted",
        lambda e, *rest: seen.append(tuple(e.shape)) or distance_weighted(e, *rest),
    )
    history = fitted(tmp_path, full_embedding_from=5 / 6 * 8 / 19)[1].history
    assert seen == [(8, 4)] * 6 * 2 + [(8, 8)] * 6 * 4
    assert [epoch for epoch, name, _ in history if name == "served_1"] == [0, 1, 2, 3, 4]


def test_never_and_always_the_whole_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        "bench.methods.ml_attention.distance_weighted",
        lambda e, *rest: seen.append(e.shape[1]) or distance_weighted(e, *rest),
    )
    fitted(tmp_path / "never", epochs=2, full_embedding_from=1, all_images_from=1)
    fitted(tmp_path / "always", epochs=2, all_images_from=0)
    assert seen == [4] * 12 + [8] * 12


@pytest.mark.parametrize(
    "setting",
    [
        {"sampler": "dcml-code"},
        {"cluster_on": "embedding"},
        {"hungarian": "code"},
        {"divisor": "triplets"},
        {"decay_dense": False, "weight_decay": 0.1},
        {"batchnorm": "trained"},
        {"alpha": 0.3},
        {"cutoff": 0.9},
        {"dropout": 0.5},
        {"one_class": "merge"},
    ],
)
def test_every_setting_of_the_codes_fits(tmp_path: Path, setting: dict[str, object]) -> None:
    losses = values(fitted(tmp_path, **{"epochs": 3, **setting})[1].history, "loss")
    assert len(losses) == 3
    assert all(0 < loss < 2 for loss in losses)


def test_clusters_are_made_of_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    renamed: list[bool] = []
    monkeypatch.setattr(
        "bench.methods.dcml_attention.kmeans",
        lambda points, k, generator, restarts: seen.append((*points.shape, restarts)) or torch.arange(len(points)) % k,
    )
    monkeypatch.setattr(
        "bench.methods.dcml_attention.keep_names",
        lambda current, previous, k, inverse: renamed.append(inverse) or current,
    )
    fitted(tmp_path / "a", epochs=6)  # divided anew at 0, 2 and 4
    fitted(tmp_path / "b", epochs=2, cluster_on="embedding", restarts=2)
    fitted(tmp_path / "c", epochs=4, hungarian="code")
    channels = network().dense.in_features
    assert seen == [(48, channels, 5)] * 3 + [(48, 8, 2)] + [(48, channels, 5)] * 2
    assert renamed == [False, False, True]


def test_weight_decay_leaves_the_dense_layer_alone_where_asked() -> None:
    for decay, expected in ((True, [0.1, 0.1]), (False, [0.1, 0])):
        groups = method(weight_decay=0.1, decay_dense=decay).optimizer(network()).param_groups
        assert [group["weight_decay"] for group in groups] == expected
        assert len(groups[1]["params"]) == 2
        assert sum(len(group["params"]) for group in groups) == len(list(network().parameters()))


def test_clusters_of_one_class_each_leave_the_data_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = view()
    classes = data.labels.int().argmax(1)
    monkeypatch.setattr("bench.methods.dcml_attention.kmeans", lambda *_: classes)
    monkeypatch.setattr("bench.methods.dcml_attention.keep_names", lambda current, *_, **__: current)
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        "bench.methods.ml_attention.distance_weighted",
        lambda e, *rest: seen.append(tuple(e.shape)) or distance_weighted(e, *rest),
    )
    history = fitted(tmp_path, epochs=2)[1].history
    assert seen == [(8, 8)] * 6 * 2
    assert values(history, "served_0") == [0, 1]  # in the second epoch the whole vector's turn has come
    assert values(history, "nmi") == [pytest.approx(1)]


def test_no_triplet_in_a_batch_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, training = fitted(tmp_path, epochs=2, sampler="dcml-code", cutoff=1.99)
    assert values(training.history, "triplets") == [0, 0]
    assert values(training.history, "loss") == [0, 0]
    assert all(value.isfinite().all() for value in state.values())


def test_a_loss_that_is_not_a_number_stops_at_its_step(tmp_path: Path) -> None:
    data, net = view(), method().build(LESION)
    nn.init.constant_(net.dense.weight, torch.nan)
    with pytest.raises(BenchError, match="the loss is nan in epoch 1, step 1"):
        method(sampler="all", k=1).fit(net, data, Training(net, tmp_path, seed=0))


def test_32_images_are_learnt_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.methods.ml_attention.CROPS", lambda images, _: images)
    four = Task(classes=tuple("abcd"), foreground=("lesion",), shows=(0,) * 4)
    data, made = (
        made_view(four, 32, 32),
        method(backbone="resnet18", epochs=40, batch=16, lr=1e-3, dimension=128, one_class="merge"),
    )
    torch.manual_seed(0)
    net = made.build(four)

    def active() -> float:
        with torch.no_grad():
            return active_share(whole(net.eval()(data.images(torch.arange(32)))[0]), same_class(data.labels))

    assert active() > 0.9
    made.fit(net, data, Training(net, tmp_path, seed=0))
    assert active() < 0.05


def test_it_keeps_the_contract() -> None:
    check_method(method(epochs=3))


def test_all_pairs_can_be_asked_for(tmp_path: Path) -> None:
    history = fitted(tmp_path, sampler="all", epochs=1)[1].history
    pairs = next(value for _, name, value in history if name == "active_pairs")
    assert 8 * 4 < pairs <= 2 * 8 * 3 * 4  # a batch of 2 x 4 has 96 triplets, of which distance weighting draws 32


def test_one_class_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    data, net = view(), method().build(LESION)
    data.labels = torch.tensor([True, False]).expand(48, 2)
    with pytest.raises(BenchError, match="dcml_attention learns by telling classes apart"):
        method().fit(net, data, Training(net, tmp_path, seed=0))
