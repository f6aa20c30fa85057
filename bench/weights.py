"""ImageNet weights for a method's network: from the user's file, or by timm name from its hub and cache; never silently absent.

The cell process calls `locate`, which may download; the confined method process calls `load_backbone`, which then only reads a file.
timm and torch are imported when they are needed: a cell that makes only floors starts without them.
"""

from __future__ import annotations

import difflib
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bench.errors import MachineError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.api import Pretrained

PATIENCE = 5
"""Seconds that a server may take to answer: without a network the user is told so at once."""


def locate(method: Pretrained, download: bool = True) -> Path | None:
    """The local file of the weights that these settings start from; None where they start from scratch.

    Downloads what is neither named nor in timm's cache; without `download`, None for those.
    MachineError where they are not to be had, with both ways out; UsageError for a
    backbone that timm does not know.
    """
    if not method.pretrained:
        return None
    if method.weights is not None:
        return _named(method, method.weights)
    file = _published(method, download)
    return None if file is None else file.resolve()


def load_backbone(method: Pretrained, num_classes: int) -> nn.Module:
    """The timm classifier of `method.backbone` with `num_classes` outputs, loaded where it is to be pretrained.

    A head of another size is left out of the file. Anything else that is missing or unknown is a MachineError naming file and keys.
    Channels come last in memory: on a CPU a tenth faster to train and a fifth to run.
    """
    import timm
    import torch

    _architecture(method)
    net: nn.Module = timm.create_model(method.backbone, pretrained=False, num_classes=num_classes)
    file = locate(method)
    if file is not None:
        _load(net, file, str(method.backbone))
    net.to(memory_format=torch.channels_last)
    return net


def read(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a state dict (no code runs while it is read), told apart by their first bytes.

    The wrappings `state_dict`, `model` and the prefix `module.` are taken off.
    """
    import torch
    from safetensors.torch import load_file

    try:
        with file.open("rb") as stream:  # torch.load would go by the name's ending
            safe = _is_safetensors(stream)
            state: Any = load_file(file) if safe else torch.load(stream, map_location="cpu", weights_only=True)
        state = next((state[key] for key in ("state_dict", "model") if isinstance(state.get(key), dict)), state)
        return {name.removeprefix("module."): value for name, value in state.items()}
    except Exception as problem:  # whatever a broken file makes of a reader, it means the same to the user
        reason = " ".join(str(problem).split())[:120]
        raise MachineError(
            f"{file} is neither a safetensors file nor a state dict that loads with weights_only ({reason}); name another file"
        ) from problem


def normalisation(net: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the channels that a timm network's weights were trained on, for images in [0, 1]."""
    cfg: Any = net.pretrained_cfg
    return tuple(cfg["mean"]), tuple(cfg["std"])


def _named(method: Pretrained, file: Path) -> Path:
    if not file.is_file():
        raise MachineError(
            f"{method.name}.weights: there is no file {file}; name the file with the weights of {method.backbone}"
        )
    return file.resolve()


def _published(method: Pretrained, download: bool) -> Path | None:
    """The file of timm's published weights, from its cache or downloaded."""
    import timm

    _architecture(method)
    cfg = timm.get_pretrained_cfg(method.backbone)
    try:
        if cfg is not None and cfg.hf_hub_id:
            return _from_hub(str(cfg.hf_hub_id), str(cfg.hf_hub_filename or "model.safetensors"), download)
        if cfg is not None and cfg.url:
            return _from_url(str(cfg.url), download)
    except Exception as problem:  # every fault of net, proxy or server ends here: the user has the same two ways out
        reason = (" ".join(str(problem).split()) or type(problem).__name__)[:120].rstrip(".")
        raise _not_had(method, reason) from problem
    raise _not_had(method, "timm publishes none")


def _not_had(method: Pretrained, reason: str) -> MachineError:
    return MachineError(
        f"the ImageNet weights of {method.backbone} are not to be had ({reason}); name a file with --set {method.name}.weights=FILE, "
        f"or train from scratch with --set {method.name}.pretrained=false"
    )


def _from_hub(repository: str, filename: str, download: bool) -> Path | None:
    from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache

    name, _, revision = repository.partition("@")
    cached = try_to_load_from_cache(name, filename, revision=revision or None)
    if isinstance(cached, str):
        return Path(cached)
    if not download:
        return None
    if not constants.HF_HUB_OFFLINE:  # the hub's own client would try again for half a minute
        _reach(hf_hub_url(name, filename, revision=revision or None))
    return Path(hf_hub_download(name, filename, revision=revision or None, etag_timeout=PATIENCE))


def _from_url(url: str, download: bool) -> Path | None:
    import torch

    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not file.is_file() and not download:
        return None
    if not file.is_file():
        _reach(url)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file))
    return file


def _reach(url: str) -> None:
    """Ask for the head of `url` once; OSError where nobody answers in time. A refusal is an answer: what follows says it better."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE):
            pass
    except urllib.error.HTTPError as answer:
        answer.close()
    except urllib.error.URLError as problem:
        # A machine without certificates: the hub's client brings its own.
        if not isinstance(problem.reason, ssl.SSLError):
            raise OSError(f"no answer from {urllib.request.Request(url).host}: {problem.reason}") from problem


def _architecture(method: Pretrained) -> None:
    """UsageError with near names where timm has no such network."""
    import timm

    if timm.is_model(method.backbone.partition(".")[0]):
        return
    near = difflib.get_close_matches(method.backbone, timm.list_models(), 1)
    hint = f"did you mean {near[0]}?" if near else "timm.list_models() lists them"
    raise UsageError(f"{method.name}.backbone: timm has no network {method.backbone}; {hint}")


def _is_safetensors(stream: BinaryIO) -> bool:
    """Eight bytes of length, then JSON: files in the hub's cache have no ending to go by."""
    start = stream.read(9)
    stream.seek(0)
    return start[8:] == b"{"


def _load(net: nn.Module, file: Path, backbone: str) -> None:
    """Copy the tensors of `file` into `net` (half precision becomes float32), its head left out where the sizes differ."""
    given, own = read(file), net.state_dict()
    heads = _heads(net)
    for name in [n for n in given if n.startswith(heads) and (n not in own or given[n].shape != own[n].shape)]:
        del given[name]
    missing = [n for n in own if n not in given and not n.startswith(heads) and not n.endswith("num_batches_tracked")]
    unknown = [n for n in given if n not in own and not n.endswith("num_batches_tracked")]
    reshaped = [n for n in given if n in own and given[n].shape != own[n].shape]
    faults = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if names[3:] else ''})"
        for names, what in ((missing, "missing"), (unknown, "unknown"), (reshaped, "of another shape"))
        if names
    ]
    if faults:
        raise MachineError(
            f"{file} does not hold the weights of {backbone}: keys {'; '.join(faults)}; name a file for this backbone"
        )
    net.load_state_dict(given, strict=False)


def _heads(net: nn.Module) -> tuple[str, ...]:
    """How the names of the last layer's weights begin: `fc.` in a ResNet."""
    cfg: Any = net.pretrained_cfg
    names = cfg["classifier"]
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))
