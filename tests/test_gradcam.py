"""GradCAM: against pytorch-grad-cam, captum and class activation mapping, a hand-made network, and the contract of a method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from bench.api import Task
from bench.errors import BenchError, MachineError, UsageError
from bench.methods._gradcam import Classifier, evidence, gradcam, predicted, require_places
from bench.methods.gradcam import GradCAM, GradCAM101, bench_methods, classification_loss
from bench.plugins import instantiate
from bench.training import Training
from bench.view import View

LESION = Task(classes=("a", "b", "c"), foreground=("lesion",), shows=(0, 0, 0))
DOGS = Task(classes=("not_dog", "dog"), foreground=("dog",), shows=(None, 0))
BACKBONE = "test_resnet"
OTHERS = ["test_convnext", "test_efficientnet", "test_byobnet", "test_nfnet", "test_mambaout"]
"""Layers by other names; the last but one writes into its features behind the layer, the last has its channels last."""


def classifier(classes: int = 3, seed: int = 0, backbone: str = BACKBONE) -> Classifier:
    torch.manual_seed(seed)
    whole_blocks = {"zero_init_last": False} if "resnet" in backbone else {}
    return Classifier(timm.create_model(backbone, num_classes=classes, **whole_blocks), "test").eval()


def pictures(n: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=size, mode="nearest")


def method(**settings: object) -> GradCAM:
    return GradCAM.model_validate({"backbone": BACKBONE, "pretrained": False, **settings})


@pytest.mark.parametrize("backbone", [BACKBONE, *OTHERS])
def test_a_look_gives_the_logits_of_the_network(backbone: str) -> None:
    net, images = classifier(backbone=backbone), pictures(2)
    features, logits = net.look(images, "last")
    assert torch.equal(logits, net(images))
    assert features.shape[0] == 2
    assert torch.autograd.grad(logits.sum(), features)[0].any()


@pytest.mark.parametrize("layer", ["last", "layer3"])
def test_nothing_below_the_layer_is_kept_for_a_backward(layer: str) -> None:
    net = classifier()
    features, logits = net.look(pictures(2), layer)
    assert features.is_leaf
    below = [p for name, p in net.model.named_parameters() if name.startswith(("conv1", "layer1", "layer2"))]
    assert torch.autograd.grad(logits.sum(), below, allow_unused=True) == (None,) * len(below)


@pytest.mark.parametrize("graphs", [True, False])
def test_a_look_leaves_the_callers_grad_mode_and_no_hook(graphs: bool) -> None:
    net = classifier()
    with torch.set_grad_enabled(graphs):
        net.look(pictures(1), "layer4")
        assert torch.is_grad_enabled() is graphs
        assert net(pictures(1)).requires_grad is graphs


def test_what_follows_the_layer_may_write_into_its_output() -> None:
    torch.manual_seed(0)
    tail = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    tail.pretrained_cfg = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    net, images = Classifier(tail, "test"), pictures(2)
    features, logits = net.look(images, "0")
    assert torch.equal(features, tail[0](images))
    assert features.min() < 0
    assert torch.equal(logits, net(images))


def test_the_network_normalises_images_as_imagenet_weights_expect() -> None:
    net = Classifier(timm.create_model("resnet10t"), "test")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    grey = torch.full((1, 3, 32, 32), 0.5)
    assert torch.allclose(net.normalise(grey)[0, :, 0, 0], (0.5 - mean) / std)


def one_dead_map(net: Classifier, images: torch.Tensor) -> None:
    """Let the head predict class 1, which every feature speaks against, for one image alone."""
    with torch.no_grad():
        net.model.fc.weight.zero_()
        net.model.fc.bias.zero_()
        net.model.fc.weight[0], net.model.fc.weight[1] = 1, -1
        sums = net(images)[:, 0].sort().values
        net.model.fc.bias[1] = sums[0] + sums[1]  # between twice the least and twice the next
        net.model.fc.bias[2] = -1e6
    assert (net(images).argmax(1) == 1).sum() == 1


@pytest.mark.parametrize("layer", ["last", "layer3"])
def test_maps_do_not_depend_on_the_batch(layer: str) -> None:
    net, images = classifier().double(), pictures(5).double()
    together = method(layer=layer).maps(net, images, None, LESION)
    alone = torch.cat([method(layer=layer).maps(net, image[None], None, LESION) for image in images])
    assert torch.allclose(together, alone, rtol=0, atol=1e-10)
    assert together.shape == (5, 1, 64, 64)
    assert together.amax((1, 2, 3)).tolist() == pytest.approx([1] * 5, abs=1e-5)


def test_a_map_without_evidence_is_zero() -> None:
    net, images = classifier(), pictures(2)
    one_dead_map(net, images)
    maps = gradcam(net, images, "layer4", predicted(True), LESION)
    dead = net(images).argmax(1) == 1
    assert not maps[dead].any()
    assert maps[~dead].max() > 0.99


def test_faint_evidence_is_stretched_like_strong() -> None:
    net, images = classifier(), pictures(3)
    nn.init.zeros_(net.model.fc.bias)
    strong = gradcam(net, images, "layer4", predicted(True), LESION)
    with torch.no_grad():
        net.model.fc.weight *= 1e-6
    assert strong.any()
    assert torch.allclose(gradcam(net, images, "layer4", predicted(True), LESION), strong, atol=0.01)


def test_a_bright_square_that_decides_scores_high() -> None:
    net = classifier(2)
    net.model.layer4 = nn.Sequential(nn.AvgPool2d(2), Brightness())
    net.model.fc = nn.Linear(2, 2, bias=False)
    net.model.fc.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    for part in ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3"):
        setattr(net.model, part, nn.Identity())
    images = torch.full((1, 3, 32, 32), 0.2)
    images[:, :, 4:12, 16:28] = 0.9
    maps = method().maps(net, images, None, DOGS.model_copy(update={"shows": (None, 0)}))
    assert maps[0, 0, 6:10, 18:26].min() > 0.9
    assert maps[0, 0, 16:, :].max() < 0.1


class Brightness(nn.Module):
    """Two features: how dark, and (more strongly) how bright a place is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        level = images.mean(1, keepdim=True)
        return torch.cat([(-level).relu() * 0.01, level.relu()], 1)


def test_the_class_that_shows_nothing_has_an_empty_map() -> None:
    net, images = classifier(2), pictures(4)
    maps = {c: method(target="label").maps(net, images, one_hot(c, 4), DOGS) for c in (0, 1)}
    assert not maps[0].any()
    by_prediction = method().maps(net, images, one_hot(1, 4), DOGS)
    says_dog = net(images).argmax(1) == 1
    assert torch.equal(by_prediction[says_dog], maps[1][says_dog])
    assert not by_prediction[~says_dog].any()


def test_a_known_label_empties_what_it_rules_out_and_decides_nothing_else() -> None:
    net, images = classifier(2), pictures(6)
    with torch.no_grad():
        net.model.fc.bias[0] += (net(images) @ torch.tensor([-1.0, 1.0])).median()
    says_dog = net(images).argmax(1) == 1
    assert 0 < says_dog.sum() < 6
    blind = method().maps(net, images, None, DOGS)
    either = method().maps(net, images, None, DOGS.model_copy(update={"shows": (0, 0)}))
    assert either[~says_dog].any()
    assert torch.equal(blind, either * says_dog[:, None, None, None])
    assert torch.equal(method().maps(net, images, one_hot(1, 6), DOGS), blind)
    assert not method().maps(net, images, one_hot(0, 6), DOGS).any()


def one_hot(c: int, n: int) -> torch.Tensor:
    return torch.eye(2).bool()[c].expand(n, 2)


def test_of_classes_that_go_together_each_present_one_has_its_map() -> None:
    task = Task(classes=("cat", "dog"), foreground=("cat", "dog"), shows=(0, 1), exclusive=False)
    net, images = classifier(2), pictures(3)
    present = torch.tensor([[True, True], [True, False], [False, False]])
    maps = method(target="label").maps(net, images, present, task)
    for c in (0, 1):
        alone = gradcam(net, images, "layer4", lambda _, c=c: one_hot(c, 3), task)[:, c]
        assert torch.equal(maps[:, c], alone * present[:, c, None, None])
        assert not maps[~present[:, c], c].any()
    assert maps.any()
    assert torch.equal(
        predicted(False)(torch.tensor([[1.0, 2.0], [-1.0, 0.5]])), torch.tensor([[True, True], [False, True]])
    )


def test_behind_pooling_and_one_linear_layer_it_is_class_activation_mapping() -> None:
    net, images = classifier(), pictures(3)
    ((which, cam),) = evidence(net, images, "last", predicted(True))
    weights = net.model.fc.weight[which.int().argmax(1)]  # (B, A): Zhou et al., CVPR 2016
    features = net.model.forward_features(net.normalise(images))
    by_hand = torch.einsum("ba,bahw->bhw", weights, features).relu() / features[0, 0].numel()
    assert torch.equal(which, predicted(True)(net(images)))
    assert torch.allclose(cam[:, 0], by_hand, rtol=1e-4, atol=1e-5 * float(by_hand.detach().max()))


def their_maps(net: Classifier, images: torch.Tensor, layer: str) -> tuple[Any, Any]:
    """pytorch-grad-cam's maps, and what it has before it scales them (float64 where the network is)."""
    theirs = pytest.importorskip("pytorch_grad_cam")

    class Kept(theirs.GradCAM):  # type: ignore[misc, name-defined]
        def get_cam_image(self, *args: Any, **kwargs: Any) -> Any:
            self.raw = np.maximum(super().get_cam_image(*args, **kwargs), 0)
            return self.raw

    channels = (lambda t: t.movedim(3, 1)) if net.places_first else None
    with Kept(model=net, target_layers=[net.model.get_submodule(layer)], reshape_transform=channels) as cam:
        return cam(input_tensor=images, targets=None), cam.raw


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_maps_equal_pytorch_grad_cam(layer: str) -> None:
    net, images = classifier(), pictures(2, 96)
    one_dead_map(net, images)
    ours = gradcam(net, images, layer, predicted(True), LESION)[:, 0].numpy()
    assert np.abs(ours - their_maps(net, images, layer)[0]).max() <= 1e-5
    assert sorted(ours.max((1, 2)) > 0) == [False, True]


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backbone", OTHERS)
def test_maps_of_other_networks_equal_pytorch_grad_cam(backbone: str) -> None:
    net, images = classifier(backbone=backbone), pictures(3, 96)
    ours = gradcam(net, images, "last", predicted(True), LESION)[:, 0].numpy()
    for module in net.modules():  # they would look at what is left after writing in place
        if getattr(module, "inplace", False):
            module.inplace = False
    assert np.abs(ours - their_maps(net, images, net.model.feature_info[-1]["module"])[0]).max() <= 1e-5
    assert ours.any()


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_resnets_equal_pytorch_grad_cam_and_captum_and_are_as_precise(backbone: str) -> None:
    captum = pytest.importorskip("captum.attr")
    net, images = classifier(backbone=backbone).requires_grad_(False), pictures(2, 96)
    net.model.layer4.requires_grad_()  # they go back through all that has gradients
    one_dead_map(net, images)
    single = gradcam(net, images, "last", predicted(True), LESION)[:, 0].numpy()
    their_single, _ = their_maps(net, images, "layer4")

    net, images = net.double(), images.double()
    ((which, cam),) = evidence(net, images, "last", predicted(True))
    explained = captum.LayerGradCam(net, net.model.layer4).attribute(
        images, target=which.int().argmax(1), relu_attributions=True
    )
    raw = their_maps(net, images, "layer4")[1]
    assert np.abs(cam[:, 0].numpy() - raw).max() <= 1e-9 * raw.max()
    assert float((cam - explained).abs().max()) <= 1e-9 * raw.max()

    exact, ours = in_double(raw, 96), gradcam(net, images, "last", predicted(True), LESION)[:, 0].numpy()
    assert np.abs(ours - exact).max() <= 1e-9
    assert sorted(exact.max((1, 2)) > 0) == [False, True]
    assert np.abs(single - exact).max() <= 2 * np.abs(their_single - exact).max()
    assert ((single > 0.5) != (exact > 0.5)).mean() <= 1e-3


def in_double(raw: Any, size: int) -> Any:
    """pytorch-grad-cam's scale_cam_image, twice, with OpenCV's resizing left in float64."""
    cv2 = pytest.importorskip("cv2")

    def scaled(cam: Any) -> Any:
        return (cam - cam.min()) / (1e-7 + (cam - cam.min()).max())

    return np.stack([scaled(cv2.resize(scaled(cam), (size, size))) for cam in raw])


def view(labels: torch.Tensor, size: int = 32) -> View:
    images = (pictures(len(labels), size) * 255).byte().numpy()
    return View(images, labels, LESION)


def fitted(folder: Path, stop_after: int | None = None, **settings: object) -> dict[str, torch.Tensor]:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(3)
    made = method(epochs=3, batch=8, per_class=4, lr=1e-3, **settings)
    net = made.build(LESION)
    training = Training(net, folder, seed=3, report=lambda done, _: stop_if(done == stop_after))
    made.fit(net, view(torch.eye(3).bool().repeat(6, 1)), training)
    return net.state_dict()


def stop_if(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 2, 3])
def test_killed_after_an_epoch_it_ends_in_the_same_weights(tmp_path: Path, after: int) -> None:
    whole = fitted(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "killed", after)
    resumed = fitted(tmp_path / "killed")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_training_lowers_the_loss_and_moves_batchnorm(tmp_path: Path) -> None:
    net = method().build(LESION)
    before = net.model.bn1.running_mean.clone()
    training = Training(net, tmp_path, seed=0)
    method(epochs=8, batch=8, per_class=4, lr=1e-3).fit(net, view(torch.eye(3).bool().repeat(6, 1)), training)
    losses = [value for _, name, value in training.history if name == "loss"]
    assert losses[-1] < losses[0]
    assert not torch.equal(net.model.bn1.running_mean, before)


def test_the_loss_is_softmax_where_classes_exclude_each_other_and_sigmoid_where_not() -> None:
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([[True, False]])
    assert float(classification_loss(logits, labels, True)) == pytest.approx(np.log(1 + np.exp(-2)))
    assert float(classification_loss(logits, labels, False)) == pytest.approx((np.log(1 + np.exp(-2)) + np.log(2)) / 2)


def test_one_class_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    net = method().build(LESION)
    with pytest.raises(
        BenchError, match=r"gradcam_resnet50 learns by telling classes apart: .* two classes with two images each"
    ):
        method().fit(net, view(torch.eye(3).bool()[:1].expand(6, 3)), Training(net, tmp_path, seed=0))


def tinted(classes: int = 3, count: int = 32, size: int = 32) -> View:
    """Noise with a tint that tells the class, wherever it is cropped."""
    labels = torch.eye(classes).bool()[torch.arange(count) % classes]
    random = np.random.default_rng(0)
    pictures = random.integers(0, 120, (count, 3, size, size), dtype=np.uint8)
    pictures[np.arange(count), labels.int().argmax(1).numpy()] += 130
    return View(pictures, labels, LESION)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("backbone", "epochs"),
    [(BACKBONE, 60), *(pytest.param(deep, 150, marks=pytest.mark.slow) for deep in ("resnet18", "resnet50"))],
)
def test_it_can_overfit(backbone: str, epochs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "_save", lambda *_: None)  # a checkpoint an epoch would take longer than the epoch
    torch.manual_seed(0)
    made = method(backbone=backbone, batch=16, lr=1e-3, epochs=epochs)
    net = made.build(LESION)
    training = Training(net, tmp_path, seed=0)
    made.fit(net, tinted(), training)  # two steps an epoch
    losses = [value for _, name, value in training.history if name == "loss"]
    assert np.mean(losses[-5:]) <= losses[0] / 10


def test_two_resnets_are_offered_and_differ_in_depth_alone() -> None:
    assert {m.name: m().backbone for m in bench_methods()} == {
        "gradcam_resnet50": "resnet50",
        "gradcam_resnet101": "resnet101",
    }
    fields = GradCAM().model_dump()
    assert GradCAM101().model_dump() == {**fields, "backbone": "resnet101"}
    net = GradCAM101(pretrained=False).build(LESION)
    assert len(net.model.layer3) == 23


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"backbone": "test_vit"},
            r"gradcam_resnet50\.backbone: the output of blocks\.5 is no map over places; GradCAM needs",
        ),
        (
            {"backbone": "vit_tiny_patch16_224"},
            r"gradcam_resnet50\.backbone: the output of blocks\.11 is no map over places",
        ),
        (
            {"layer": "layer5"},
            r"gradcam_resnet50\.layer: this network has no layer layer5; timm lists .*layer3, layer4$",
        ),
        ({"layer": "global_pool"}, r"gradcam_resnet50\.layer: the output of global_pool is no map over places"),
        (
            {"backbone": "test_convnext", "layer": "head.global_pool"},
            r"gradcam_resnet50\.layer: the output of head\.global_pool in test_convnext is one place; name a layer before it",
        ),
    ],
)
def test_what_keeps_no_places_is_refused_before_anything_is_built(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        instantiate(GradCAM, settings)


@pytest.mark.parametrize(
    "backbone",
    ["resnet10t", "vgg11", "densenet121", "convnext_atto", "efficientnet_b0", "swin_tiny_patch4_window7_224"],
)
def test_classifiers_of_many_kinds_are_taken(backbone: str) -> None:
    require_places(backbone, "last", "test")


def test_weights_of_another_network_are_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "other.pt"
    torch.save(timm.create_model("resnet10t").state_dict(), file)
    with pytest.raises(
        MachineError, match=r"other\.pt does not hold the weights of test_resnet: keys .*; name a file for this"
    ):
        method(pretrained=True, weights=file).build(LESION)
