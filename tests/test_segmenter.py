"""The second stage: the network's shape, exactly the steps of the protocol, a kill that leaves no trace, names that do not exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from bench.api import Task
from bench.errors import DataError, MachineError, UsageError
from bench.pipeline import networks, segmenter
from bench.pipeline.networks import UNet, check
from bench.pipeline.segmenter import Segmenter, build, foreground_maps, pixel_loss, predict, rate, take, train
from bench.protocol import PAPER, SMOKE
from bench.training import Training
from bench.view import View

TASK = Task(classes=("a",), foreground=("lesion",), shows=(0,))
TINY = replace(SMOKE, base_channels=2, batch=4, augment="flips")
SMP = replace(TINY, segmenter="smp-unet", encoder="resnet18", size=112)


def discs(n=12, size=32):
    """Pictures with a bright disc on dark noise, and the discs: (n, 3, size, size) and (n, size, size) uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    centres = rng.uniform(10, size - 10, (n, 2, 1, 1))
    masks = (np.hypot(y - centres[:, 0], x - centres[:, 1]) < 8).astype(np.uint8)
    pictures = rng.integers(0, 60, (n, 3, size, size)) + 150 * masks[:, None]
    return pictures.astype(np.uint8), torch.from_numpy(masks)


def fitted(folder, protocol, n=12, report=None, targets=None):
    """A segmenter trained on discs, and its training."""
    torch.manual_seed(7)
    net = build(protocol, 2)
    net.eval()  # `train` knows better
    torch.manual_seed(torch.seed() % 2**31)  # and draws from the training's generator only
    pictures, masks = discs(n)
    training = Training(net, folder, seed=7, report=report)
    train(net, View(pictures, None, TASK), masks if targets is None else targets, protocol, training)
    return net, training


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_papers_unet_has_its_number_of_parameters():
    with torch.device("meta"):
        net = build(PAPER, 2)
    assert sum(p.numel() for p in net.parameters()) == 7_763_074


def test_the_unet_pools_four_times_and_joins_every_level_from_across():
    seen = []
    net = UNet(2, 3).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda _, inputs, output: seen.append((output.shape[1], output.shape[2])))
    assert net(torch.rand(1, 3, 48, 32)).shape == (1, 3, 48, 32)
    down = [(c, s) for c, s in [(2, 48), (4, 24), (8, 12), (16, 6), (32, 3)] for _ in range(2)]
    up = [(c, s) for c, s in [(16, 6), (8, 12), (4, 24), (2, 48)] for _ in range(3)]
    assert seen == [*down, *up, (3, 48)]


def test_any_size_is_filled_up_to_the_stride_and_cut_back_in_place():
    seen = []

    class Copy(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x

    images = torch.rand(2, 3, 13, 37)
    normalised = (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    torch.testing.assert_close(Segmenter(Copy(), 16)(images), normalised)
    assert seen[0].shape[2:] == (16, 48)
    torch.testing.assert_close(seen[0][:, :, 0, 5:42], normalised[:, :, 0])  # the border is repeated


def test_a_picture_is_segmented_alike_alone_and_in_a_batch():
    pictures, _ = discs(5)
    net = build(TINY, 3)
    net.train()(torch.rand(4, 3, 32, 32))  # BatchNorm has something to forget
    view = View(pictures, None, TASK)
    whole, single = (torch.cat(list(predict(net, view, batch))) for batch in (5, 1))
    assert whole.shape == (5, 2, 32, 32)
    torch.testing.assert_close(whole, single, atol=1e-6, rtol=0)
    p = net(view.images(torch.arange(5))).softmax(1)
    for k in (1, 2):
        rival = torch.maximum(p[:, 0], p[:, 3 - k])
        torch.testing.assert_close(whole[:, k - 1], p[:, k] / (p[:, k] + rival))


def test_for_one_foreground_the_argmax_is_a_half_and_a_tie_is_background():
    class Channels(nn.Module):
        def forward(self, x):
            return x[:, :2]

    pictures = np.random.default_rng(0).integers(0, 4, (6, 3, 16, 16), dtype=np.uint8)  # every fourth pixel is a tie
    foreground = torch.cat(list(predict(Channels(), View(pictures, None, TASK), 4)))[:, 0] > 0.5
    assert torch.equal(foreground, torch.from_numpy(pictures[:, :2]).argmax(1) == 1)
    assert torch.equal(foreground, torch.from_numpy(pictures[:, 1] > pictures[:, 0]))


def test_for_one_foreground_the_map_is_the_probability_to_the_last_bit():
    logits = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(foreground_maps(logits), logits.softmax(1)[:, 1:])


@pytest.mark.parametrize("foregrounds", [2, 3, 6])
def test_for_several_foregrounds_a_half_is_the_argmax_too(foregrounds):
    """p = (0.3, 0.4, 0.3) shows foreground 1 although no probability is above a half."""
    logits = torch.randn(4, 1 + foregrounds, 40, 40, generator=torch.Generator().manual_seed(foregrounds))
    maps = foreground_maps(logits)
    assert torch.equal(maps > 0.5, torch.stack([logits.argmax(1) == k + 1 for k in range(foregrounds)], 1))
    assert ((maps > 0.5) & (logits.softmax(1)[:, 1:] < 0.5)).any()
    larger = functional.interpolate(maps, (93, 71), mode="bilinear", align_corners=False)
    assert ((larger > 0.5).sum(1) <= 1).all()  # a pixel has one class at any size
    tie = foreground_maps(torch.zeros(1, 1 + foregrounds, 1, 1))
    assert not (tie > 0.5).any()


def test_the_loss_is_the_mean_cross_entropy_over_pixels_that_are_not_ignored():
    logits, masks = torch.randn(2, 3, 5, 6), torch.randint(0, 3, (2, 5, 6), dtype=torch.uint8)
    masks[0, :3] = 255
    expected = functional.cross_entropy(logits, masks.long(), ignore_index=255)
    torch.testing.assert_close(pixel_loss(logits, masks), expected)
    nothing = pixel_loss(logits.requires_grad_(), torch.full_like(masks, 255))
    nothing.backward()
    assert nothing == 0
    assert not logits.grad.any()


def test_the_cosine_rate_is_torchs_and_reaches_down_to_zero():
    protocol = replace(TINY, steps=9, schedule="cosine", segmenter_lr=0.3)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9)
    for step in range(9):
        assert rate(protocol, step) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rate(protocol, 9) == pytest.approx(0)
    assert rate(replace(protocol, schedule="constant"), 5) == 0.3


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (3, 8), (1, 2), (8, 8)])
def test_images_take_turns(n, batch):
    order = {"waiting": torch.empty(0, dtype=torch.long)}
    generator = torch.Generator().manual_seed(0)
    taken = torch.cat([take(order, n, batch, generator) for _ in range(11)])
    assert len(taken) == 11 * batch
    for start in range(0, len(taken) - n + 1, n):
        assert sorted(taken[start : start + n].tolist()) == list(range(n))
    if n > 3:
        assert taken[:n].tolist() != taken[n : 2 * n].tolist()


@pytest.mark.parametrize(("steps", "n"), [(1, 12), (7, 12), (6, 2)])
def test_exactly_the_steps_of_the_protocol_are_taken_at_its_rates(tmp_path, monkeypatch, steps, n):
    monkeypatch.setattr(segmenter, "CHUNK", 3)
    rates, sizes = [], []

    class Counted(torch.optim.Adam):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Counted)
    monkeypatch.setattr(
        segmenter, "pixel_loss", lambda logits, masks: (sizes.append(len(logits)), pixel_loss(logits, masks))[1]
    )
    protocol = replace(TINY, steps=steps)
    net, _ = fitted(tmp_path, protocol, n)
    assert rates == [rate(protocol, step) for step in range(steps)]
    assert sizes == [4] * steps
    assert int(net.net.down[0][1].num_batches_tracked) == steps


class Kill(Exception):
    pass


@pytest.mark.parametrize("augment", ["flips", "strong"])
def test_a_kill_after_any_chunk_leaves_no_trace(tmp_path, monkeypatch, augment):
    monkeypatch.setattr(segmenter, "CHUNK", 2)
    protocol = replace(TINY, steps=5, augment=augment)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, _ = fitted(tmp_path / "whole", protocol, n=7)
    met = []

    def kill(done, total):
        met.append(done)
        if done < total:
            raise Kill

    for _ in range(2):
        with pytest.raises(Kill):
            fitted(tmp_path / "killed", protocol, n=7, report=kill)
    resumed, training = fitted(tmp_path / "killed", protocol, n=7, report=kill)
    assert met == [1, 2, 3]
    assert same(whole, resumed)
    assert len(training.history) == 3


def test_the_seed_decides_the_network(tmp_path):
    protocol = replace(TINY, steps=3)
    nets = []
    for number, targets in enumerate([None, None, 1 - discs()[1]]):
        (tmp_path / str(number)).mkdir()
        nets.append(fitted(tmp_path / str(number), protocol, targets=targets)[0])
    assert same(nets[0], nets[1])
    assert not same(nets[0], nets[2])


def test_it_learns_to_find_discs_and_says_nothing_of_ignored_pixels(tmp_path):
    pictures, masks = discs()
    wanted = masks.clone()
    wanted[:, :, :16] = torch.where(masks[:, :, :16] == 1, 1, 255)  # the left half only says where discs are
    protocol = replace(TINY, base_channels=4, batch=8, steps=60, segmenter_lr=1e-2)
    net, training = fitted(tmp_path, protocol, targets=wanted)
    predicted = torch.cat(list(predict(net, View(pictures, None, TASK))))[:, 0] > 0.5
    overlap = 2 * (predicted & (masks == 1)).sum() / (predicted.sum() + (masks == 1).sum())
    assert overlap > 0.9
    assert training.history[-1][2] < training.history[0][2]


def test_targets_in_a_file_serve_as_those_in_memory(tmp_path):
    np.save(tmp_path / "targets.npy", discs()[1].numpy())
    nets = []
    for name, targets in [("a", None), ("b", np.load(tmp_path / "targets.npy", mmap_mode="r"))]:
        (tmp_path / name).mkdir()
        nets.append(fitted(tmp_path / name, replace(TINY, steps=2), targets=targets)[0])
    assert same(*nets)


def test_without_an_image_it_says_so(tmp_path):
    net = build(TINY, 2)
    nothing = View(np.zeros((0, 3, 32, 32), np.uint8), None, TASK)
    with pytest.raises(DataError, match="no image to train the segmenter on"):
        train(net, nothing, torch.zeros(0, 32, 32, dtype=torch.uint8), TINY, Training(net, tmp_path, seed=0))


def test_channels_lie_last_in_memory_when_built_and_when_loaded():
    net = build(TINY, 2)
    net.load_state_dict({name: value.clone().contiguous() for name, value in net.state_dict().items()})
    kernels = [p for p in net.parameters() if p.ndim == 4]
    assert all(k.is_contiguous(memory_format=torch.channels_last) for k in kernels)


def test_a_loaded_network_computes_the_same_bits(tmp_path):
    net, _ = fitted(tmp_path, replace(TINY, steps=2))
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, tmp_path / "net.safetensors")
    torch.manual_seed(0)
    again = build(TINY, 2)
    from safetensors.torch import load_file

    again.load_state_dict(load_file(tmp_path / "net.safetensors"))
    view = View(discs()[0], None, TASK)
    for one, other in zip(predict(net, view), predict(again, view), strict=True):
        assert torch.equal(one, other)


# --- segmentation-models-pytorch -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["smp-unet", "smp-deeplabv3plus"])
def test_networks_of_the_library_take_112_pixels_in_training_and_after(name):
    net = build(replace(SMP, segmenter=name), 3)
    assert all(module.training for module in net.modules())
    net(torch.rand(2, 3, 112, 112)).sum().backward()
    assert net.eval()(torch.rand(1, 3, 112, 112)).shape == (1, 3, 112, 112)


def test_a_size_that_a_network_does_not_take_is_an_error_before_training():
    with pytest.raises(UsageError, match=r"smp-pan on resnet18 does not take 64 pixels: "):
        build(replace(SMP, segmenter="smp-pan", size=64), 2)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("segmenter", "smp-unett", r"protocol.segmenter: there is no smp-unett; did you mean smp-unet"),
        ("segmenter", "resnet", r"protocol.segmenter: there is no resnet; .*unet"),
        ("encoder", "resnet19", r"protocol.encoder: there is no resnet19; did you mean resnet1"),
        ("encoder", "timm-efficientnet-b0", r"there is no timm-efficientnet-b0; did you mean efficientnet-b0"),
        ("encoder", "tu-resnet1", r"protocol.encoder: timm has no resnet1; did you mean resnet"),
        ("encoder_weights", "imagenett", r"resnet18 has no weights imagenett; take none, imagenet, .* or a file"),
    ],
)
def test_unknown_names_are_answered_with_near_ones(field, value, message):
    with pytest.raises(UsageError, match=message):
        check(replace(SMP, **{field: value}))


def test_known_names_pass_without_building(monkeypatch):
    monkeypatch.setattr(networks, "smp_network", lambda *_: pytest.fail("built"))
    for protocol in (PAPER, SMP, replace(SMP, encoder_weights="imagenet"), replace(SMP, encoder="tu-resnet18")):
        check(protocol)


def test_a_pair_that_does_not_go_together_is_named():
    with pytest.raises(UsageError, match="smp-linknet cannot be built on the encoder mit_b0: "):
        build(replace(SMP, segmenter="smp-linknet", encoder="mit_b0"), 2)


def resnet18(file, change=None):
    """A torchvision ResNet-18 in half precision without `num_batches_tracked`, as small published files have it."""
    from torchvision.models import resnet18

    torch.manual_seed(3)
    state = {k: v.half() for k, v in resnet18().state_dict().items() if not k.endswith("num_batches_tracked")}
    if change is not None:
        change(state)
    save_file(state, file)
    return {k: v.float() for k, v in state.items()}


@pytest.mark.parametrize(("encoder", "prefix"), [("resnet18", ""), ("tu-resnet18", "model.")])
def test_an_encoder_starts_from_a_classifiers_file_without_its_head(tmp_path, encoder, prefix):
    given = resnet18(tmp_path / "r18.safetensors")
    net = build(replace(SMP, encoder=encoder, encoder_weights=str(tmp_path / "r18.safetensors")), 2)
    loaded = net.net.encoder.state_dict()
    body = [name for name in given if not name.startswith("fc.")]
    assert len(body) == 100
    assert all(torch.equal(loaded[prefix + name], given[name]) for name in body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layer3.1.conv2.weight"), "lacks layer3.1.conv2.weight"),
        (lambda s: s.update(extra=torch.zeros(1)), "has more than the encoder: extra"),
        (lambda s: s.update({"conv1.weight": torch.zeros(64, 3, 3, 3)}), "has another shape of conv1.weight"),
    ],
)
def test_a_file_that_does_not_fit_the_encoder_is_refused(tmp_path, change, message):
    resnet18(tmp_path / "r18.safetensors", change)
    with pytest.raises(MachineError, match=f"r18.safetensors does not fit the encoder; it {message}"):
        build(replace(SMP, encoder_weights=str(tmp_path / "r18.safetensors")), 2)


def test_a_file_of_weights_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MachineError, match=r"protocol.encoder_weights: the file .*gone.safetensors is not there"):
        check(replace(SMP, encoder_weights=str(tmp_path / "gone.safetensors")))


def test_weights_that_cannot_be_downloaded_name_both_ways_out(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", unreachable)
    with pytest.raises(MachineError, match=r"not to be had \(no route to host\); .*encoder_weights=FILE, or .* none"):
        build(replace(SMP, encoder_weights="imagenet"), 2)
