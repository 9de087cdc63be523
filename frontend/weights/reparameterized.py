"""Weights that are stored as what they are computed from: pruned ones, and ones with a norm of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm, SpectralNormLoadStateDictPreHook
from torch.nn.utils.weight_norm import WeightNorm

PARAMETRIZATIONS = "parametrizations."
"""Where torch.nn.utils.parametrize keeps the tensors of a weight."""


def _masked(original: Tensor, mask: Tensor) -> Tensor | None:
    """Of torch.nn.utils.prune: what is pruned is exactly 0."""
    return original * mask if original.shape == mask.shape else None


def _weight_normed(length: Tensor, direction: Tensor) -> Tensor | None:
    """Of weight_norm: each slice of the direction gets its length."""
    long = [dim for dim in range(length.ndim) if length.shape[dim] != 1]
    dim = (long or [0])[0] if length.ndim else -1
    fits = length.ndim in (0, direction.ndim) and len(long) < 2
    if not fits or (long and length.shape[dim] != direction.shape[dim]):
        return None
    return torch._weight_norm(direction, length, dim)


def _spectral_normed(original: Tensor, left: Tensor, right: Tensor) -> Tensor | None:
    """Of spectral_norm: divided by the largest singular value, as far as training has found it."""
    if original.ndim < 2:
        return None
    matrix = original.reshape(original.shape[0], -1)
    if (left.shape[0], right.shape[0]) != matrix.shape or left.ndim != 1 or right.ndim != 1:
        return None
    return original / torch.dot(left, torch.mv(matrix, right))


@dataclass(frozen=True)
class _Form:
    """How the names of a weight's tensors end, and what it is of them; None where their shapes disagree."""

    first: str
    others: tuple[str, ...]
    compute: Callable[..., Tensor | None]


FORMS = (
    _Form("_orig", ("_mask",), _masked),
    _Form("_orig", ("_u", "_v"), _spectral_normed),
    _Form("_g", ("_v",), _weight_normed),
    _Form(".original", (".0.mask",), _masked),
    _Form(".original", (".0._u", ".0._v"), _spectral_normed),
    _Form(".original0", (".original1",), _weight_normed),
)


def plain_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same state dict with weights in place of what they are computed from."""
    result = dict(tensors)
    for name in tensors:
        for form in FORMS:
            base = name.removesuffix(form.first)
            parts = [name, *(base + other for other in form.others)]
            if base == name or not all(_is_real(result.get(part)) for part in parts):
                continue
            weight = form.compute(*(_computable(result[part]) for part in parts))
            if weight is not None:
                for part in parts:
                    del result[part]
                result[base.replace(PARAMETRIZATIONS, "")] = weight.to(tensors[name].dtype)
    return result


def _is_real(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.layout == torch.strided and not tensor.is_meta


def _computable(tensor: Tensor) -> Tensor:
    """In a type that the processor computes with, and in memory of its own.

    Sums over a tensor that begins anywhere in a file's memory would be rounded in another order.
    """
    return tensor.clone() if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def make_plain(model: nn.Module) -> None:
    """Put weights in the place of what they are computed from, in place.

    Parameters
    ----------
    model
        In eval mode: in training mode a spectral norm changes when it is computed.
    """
    for module in model.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, WeightNorm):
                remove_weight_norm(module, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(module, hook.name)
                _forget_spectral_norm(module)
            elif isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, hook._tensor_name)
        if parametrize.is_parametrized(module):
            _own_class(module)
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(module, name)


def _own_class(module: nn.Module) -> None:
    """Give a module a class of its own: its copies share one, which would lose the weight's property."""
    shared = type(module)
    module.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))


def _forget_spectral_norm(module: nn.Module) -> None:
    """Remove what `remove_spectral_norm` leaves: a hook that asks state dicts for the tensors that went."""
    hooks = module._load_state_dict_pre_hooks
    for key, hook in list(hooks.items()):
        if isinstance(getattr(hook, "hook", hook), SpectralNormLoadStateDictPreHook):
            del hooks[key]
