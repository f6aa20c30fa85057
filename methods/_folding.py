"""A network that is only looked through: in eval mode BatchNorm is a fixed scale and shift, which the convolution before it can do."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(net: nn.Module) -> nn.Module:
    """A copy of a network in eval mode in which each BatchNorm is part of the convolution that alone feeds it: the same outputs.

    A network that torch.fx cannot trace comes back as it is. No parameter of the copy takes a gradient; gradients pass through.
    """
    try:
        traced = fx.symbolic_trace(copy.deepcopy(net))
    except Exception:  # whatever a network does that cannot be traced, it can still be called
        return net
    parts: dict[str, Any] = dict(traced.named_modules())
    for node in traced.graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        norm, convolution = parts[str(node.target)], parts[str(before.target)]
        if type(norm) is nn.BatchNorm2d and type(convolution) is nn.Conv2d:
            traced.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            traced.set_submodule(str(node.target), nn.Identity())
    return traced.eval().requires_grad_(False).to(memory_format=torch.channels_last)
