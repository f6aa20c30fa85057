"""Networks of the segmenter: paper 1's U-Net, and any of segmentation-models-pytorch with its encoder's weights."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import MachineError, UsageError
from bench.protocol import Protocol
from bench.weights import read

SMP = "smp-"
HEADS = ("fc.", "classifier.", "head.", "last_linear.")
FILES = (".safetensors", ".pth", ".pt", ".bin")


class UNet(nn.Module):
    """Paper 1's U-Net: four poolings, double 3 x 3 convolutions with BatchNorm, transposed convolutions upwards.

    (B, 3, H, W) with sides that are multiples of 16 -> (B, classes, H, W). `base` channels at the first level, 16 times as many at the
    last; with 32 and two classes it has 7,763,074 parameters.
    """

    stride = 16

    def __init__(self, base: int, classes: int) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(5)]
        self.down = nn.ModuleList(double(i, o) for i, o in zip([3, *widths], widths, strict=False))
        self.pool = nn.MaxPool2d(2)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, stride=2) for i, o in pairs)
        self.merge = nn.ModuleList(double(i, o) for i, o in pairs)  # i = o from below + o across
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        across = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            across.append(x)
        for up, merge, skip in zip(self.up, self.merge, across[-2::-1], strict=True):
            x = merge(torch.cat([up(x), skip], 1))
        logits: Tensor = self.head(x)
        return logits


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Twice: 3 x 3 convolution, BatchNorm, ReLU."""
    layers: list[nn.Module] = []
    for i in (inputs, outputs):
        layers += [nn.Conv2d(i, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def check(protocol: Protocol) -> None:
    """Whether the protocol's segmenter exists, without building it; UsageError or MachineError says what is wrong."""
    if protocol.segmenter == "unet":
        return
    import segmentation_models_pytorch as smp  # type: ignore[import-untyped]

    names = [SMP + name for name in smp.MODEL_ARCHITECTURES_MAPPING]
    if protocol.segmenter not in names:
        raise UsageError(
            f"protocol.segmenter: there is no {protocol.segmenter}; {_near(protocol.segmenter, ['unet', *names])}"
        )
    known = _weights_of(protocol.encoder)
    wanted = protocol.encoder_weights
    if wanted == "none" or wanted in known or Path(wanted).is_file():
        return
    if Path(wanted).suffix in FILES or Path(wanted).name != wanted:
        raise MachineError(f"protocol.encoder_weights: the file {wanted} is not there")
    others = ", ".join(["none", *known])
    raise UsageError(f"protocol.encoder_weights: {protocol.encoder} has no weights {wanted}; take {others}, or a file")


def _weights_of(encoder: str) -> list[str]:
    """Names of the weights that are published for an encoder of segmentation-models-pytorch, or of timm where it begins with `tu-`."""
    import timm
    from segmentation_models_pytorch.encoders import encoders  # type: ignore[import-untyped]

    if encoder.startswith("tu-"):
        if not timm.is_model(encoder[3:]):
            raise UsageError(f"protocol.encoder: timm has no {encoder[3:]}; {_near(encoder[3:], timm.list_models())}")
        return ["imagenet"] if timm.is_model_pretrained(encoder[3:]) else []
    names = [name for name in encoders if not name.startswith("timm-")]  # those are deprecated doubles of the tu- ones
    if encoder not in names:
        hint = _near(encoder, names)
        raise UsageError(f"protocol.encoder: there is no {encoder}; {hint} (timm's begin with tu-)")
    return list(encoders[encoder]["pretrained_settings"])


def smp_network(protocol: Protocol, classes: int) -> tuple[nn.Module, int]:
    """A network of segmentation-models-pytorch (B, 3, H, W) -> (B, classes, H, W), and the number that its sides are multiples of."""
    import segmentation_models_pytorch as smp

    check(protocol)
    weights = protocol.encoder_weights
    published = weights != "none" and not Path(weights).is_file()
    hub = (
        weights if published and not protocol.encoder.startswith("tu-") else (published or None)
    )  # timm's go by the encoder's name
    try:
        net: Any = smp.create_model(
            protocol.segmenter.removeprefix(SMP), protocol.encoder, hub, in_channels=3, classes=classes
        )
    except (
        Exception
    ) as error:  # the library raises what it likes; what to do depends only on whether weights were asked for
        raise _not_built(protocol, error, published) from error
    if not published and weights != "none":
        load_encoder(net.encoder, Path(weights))
    stride = int(net.encoder.output_stride)
    _try_size(net, stride, protocol)
    return net, stride


@torch.no_grad()
def _try_size(net: nn.Module, stride: int, protocol: Protocol) -> None:
    """One picture through the network: some (PAN, DPT) refuse small ones, and only when they run."""
    side = -(-protocol.size // stride) * stride
    try:
        net.eval()(torch.zeros(1, 3, side, side))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(
            f"{protocol.segmenter} on {protocol.encoder} does not take {protocol.size} pixels: {_first(error)}"
        ) from error
    net.train()


def _not_built(protocol: Protocol, error: Exception, published: bool) -> UsageError | MachineError:
    if published and isinstance(error, OSError | RuntimeError):
        return MachineError(
            f"the weights {protocol.encoder_weights} of {protocol.encoder} are not to be had ({_first(error)}); "
            "name a file with --set protocol.encoder_weights=FILE, or start from scratch with none"
        )
    return UsageError(f"{protocol.segmenter} cannot be built on the encoder {protocol.encoder}: {_first(error)}")


def _first(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]


def load_encoder(encoder: nn.Module, file: Path) -> None:
    """Load a classifier's weights (torchvision or timm names; its head is left out) into an encoder; every weight must be there."""
    mine = encoder.state_dict()
    prefix = "model." if all(name.startswith("model.") for name in mine) else ""
    given = {prefix + name: value for name, value in read(file).items() if not name.startswith(HEADS)}
    missing = [name for name in mine if name not in given and not name.endswith("num_batches_tracked")]
    extra = [name for name in given if name not in mine]
    wrong = [name for name in given if name in mine and given[name].shape != mine[name].shape]
    for names, what in ((missing, "lacks"), (extra, "has more than the encoder:"), (wrong, "has another shape of")):
        if names:
            raise MachineError(
                f"protocol.encoder_weights: {file} does not fit the encoder; it {what} {names[0]} ({len(names)} such); name another file"
            )
    encoder.load_state_dict(given, strict=False)


def _near(name: str, names: Iterable[str]) -> str:
    known = list(names)
    near = difflib.get_close_matches(name, known, 3, 0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known[:12])}"
