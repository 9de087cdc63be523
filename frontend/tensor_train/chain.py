"""Cores as a chain of ordinary convolutions in the place of the layer that they came from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shiftbook.frontend.layers.shared_conv import SharedConv2d
from shiftbook.frontend.tensor_train.decompose import Cores
from shiftbook.frontend.tensor_train.modes import Link, Modes, Ranks


class Chain(nn.Sequential):
    """The convolutions of a decomposed layer: input cores, the K x K core, output cores.

    Nothing lies between them. The K x K core has the layer's stride and padding, the last one its bias.

    Parameters
    ----------
    modes, ranks
        Of the train.
    layer
        The convolution to replace.
    """

    def __init__(self, modes: Modes, ranks: Ranks, layer: nn.Conv2d) -> None:
        links = list(modes.links(ranks))
        inner = [_convolution(link, layer, modes, last=link is links[-1]) for link in links]
        names = [f"in{k}" for k in range(len(modes.inputs), 0, -1)]
        names += ["taps", *(f"out{k}" for k in range(1, len(modes.outputs) + 1))]
        super().__init__()
        for name, module in zip(names, inner, strict=True):
            self.add_module(name, module)
        self.modes, self.ranks, self.links = modes, ranks, links

    @property
    def bonds(self) -> Ranks:
        """The ranks on both sides of each core: core k lies between bonds k and k + 1."""
        return (1, *self.ranks, 1)

    @torch.no_grad()
    def load(self, cores: Cores, bias: Tensor | None) -> Chain:
        """Take the weights of cores, and the layer's bias."""
        for link, module in zip(self.links, self, strict=True):
            assert isinstance(module, nn.Conv2d)
            module.weight.copy_(kernel_of(cores[link.core], link, self.modes))
        if bias is not None:
            assert isinstance(module.bias, Tensor)
            module.bias.copy_(bias)
        return self


def _convolution(link: Link, layer: nn.Conv2d, modes: Modes, last: bool) -> nn.Conv2d:
    bias = last and layer.bias is not None
    if link.core == modes.middle:
        return nn.Conv2d(
            link.inputs,
            link.outputs,
            modes.kernel,
            (layer.stride[0], layer.stride[1]),
            layer.padding,  # type: ignore[arg-type]  # a tuple of two, or a name
            bias=bias,
        )
    if link.copies > 1:
        return SharedConv2d(link.inputs, link.outputs, link.copies, bias=bias)
    return nn.Conv2d(link.inputs, link.outputs, 1, bias=bias)


def kernel_of(core: Tensor, link: Link, modes: Modes) -> Tensor:
    """The weights [outputs, inputs, kh, kw] of the convolution that contracts a core [r, n, r'].

    An input core takes (n, r') to r. An output core takes r' to (n, r), because the channels that are split
    off first are the slowest.
    """
    if link.core == modes.middle:
        return core.permute(0, 2, 1).unflatten(2, modes.kernel)
    if link.core > modes.middle:
        return core.reshape(link.outputs, link.inputs, 1, 1)
    return core.transpose(0, 1).reshape(link.outputs, link.inputs, 1, 1)


def core_of(kernel: Tensor, link: Link, modes: Modes, ranks: Ranks) -> Tensor:
    """Undo `kernel_of`."""
    bonds, sizes = (1, *ranks, 1), modes.sizes
    left, size, right = bonds[link.core], sizes[link.core], bonds[link.core + 1]
    if link.core == modes.middle:
        return kernel.flatten(2).permute(0, 2, 1)
    if link.core > modes.middle:
        return kernel.reshape(left, size, right)
    return kernel.reshape(size, left, right).transpose(0, 1)


def cores_of(chain: Chain) -> Cores:
    """The cores that a chain holds, in the order of the train."""
    found: dict[int, Tensor] = {}
    for link, module in zip(chain.links, chain, strict=True):
        assert isinstance(module, nn.Conv2d)
        found[link.core] = core_of(module.weight.detach(), link, chain.modes, chain.ranks)
    return [found[k] for k in range(len(found))]


def chains(model: nn.Module) -> dict[str, Chain]:
    """The chains of a model, by the path of the layer that each replaces."""
    return {path: module for path, module in model.named_modules() if isinstance(module, Chain)}


def replace_module(model: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module where ``path`` is."""
    parent, _, name = path.rpartition(".")
    model.get_submodule(parent)._modules[name] = module
