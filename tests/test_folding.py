"""A fixed network with its BatchNorms folded away is the same function."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from bench.methods._folding import folded


def trained_a_little(name: str) -> nn.Module:
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3, zero_init_last=False)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(values, 0.5, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net.eval()


@pytest.mark.parametrize("name", ["resnet10t", "resnet18"])
def test_it_is_the_same_function_with_the_same_gradient(name: str) -> None:
    net, images = trained_a_little(name), torch.rand(2, 3, 32, 32, requires_grad=True)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    fast = folded(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert not any(p.requires_grad for p in fast.parameters())
    logits = [each(images) for each in (net, fast)]
    assert torch.allclose(logits[0], logits[1], rtol=1e-4, atol=1e-4)
    gradients = [torch.autograd.grad(each.sum(), images)[0] for each in logits]
    assert float((gradients[0] - gradients[1]).abs().max()) < 1e-4 * float(gradients[0].abs().max())
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


class Forked(nn.Module):
    """The convolution's output is needed beside BatchNorm's."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.convolution(x)
        z: torch.Tensor = y + self.norm(y)
        return z


class Undecided(nn.Module):
    """Its way depends on the values, so that it has no one graph."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_what_cannot_be_folded_stays() -> None:
    net, images = Forked().eval(), torch.rand(1, 3, 8, 8)
    nn.init.normal_(net.norm.running_mean)  # type: ignore[arg-type]
    assert torch.allclose(folded(net)(images), net(images), atol=1e-6)
    undecided = Undecided()
    assert folded(undecided) is undecided
