"""From a file of weights to a model that has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from shiftbook.frontend.weights.assigning import assign, cut
from shiftbook.frontend.weights.fitting import Choice, choose, shapes_of, short
from shiftbook.frontend.weights.inert import Inert
from shiftbook.frontend.weights.reading import read, refuse_without_tensors
from shiftbook.frontend.weights.reparameterized import PARAMETRIZATIONS, make_plain, plain_tensors
from shiftbook.frontend.weights.state_dicts import StateDict, state_dicts
from shiftbook.golden.errors import ShiftbookError


def load_weights(model: nn.Module, path: str | Path) -> str | None:
    """Give a model the weights in a file.

    Parameters
    ----------
    model
        In eval mode. Weights that it computes from other tensors (pruned, weight norm) become plain where
        the file has plain ones.
    path
        A .safetensors file, or one that torch.save wrote. Its state dict may stand in other containers,
        beside other things, and with a prefix to its names; see `frontend.weights.fitting`.

    Returns
    -------
    What was taken, where the file has more than one state dict that fits or names that were left out; else
    None.

    Raises
    ------
    ShiftbookError
        There is no such file, it holds no state dict, or none that fits the model.
    """
    path = Path(path)
    contents = read(path)
    found = state_dicts(contents)
    if not found:
        raise refuse_without_tensors(path, contents)
    choice = choose(found, shapes_of(model.state_dict()))
    if choice is None or not choice.fit.whole:
        make_plain(model)
        plain = [replace(state, tensors=plain_tensors(state.tensors)) for state in found]
        choice = choose(plain, shapes_of(model.state_dict()))
    assert choice is not None
    _check(path, found, choice)
    where = choice.fit.where()
    assign(model, choice.fit.state(), f"{path} ({where})" if where else str(path))
    return choice.told()


def _check(path: Path, found: Sequence[StateDict], choice: Choice) -> None:
    """Refuse what `assign` would call missing or unknown where more can be said."""
    fit = choice.fit
    if odd := fit.found.odd:
        raise ShiftbookError(f"{path} does not hold a state dict: its names must be text, not {odd[0]!r:.40}")
    if fit.whole:
        return
    for name, value in fit.found.others.items():
        if short(name).removeprefix(f"{fit.prefix}.") in fit.own:
            kind = cut(value.name) if isinstance(value, Inert) else type(value).__name__
            raise ShiftbookError(f"{path} does not hold a state dict: {cut(name)} is {kind}, not a tensor")
    untold = [name for name in fit.names if PARAMETRIZATIONS in name]
    if untold:
        raise ShiftbookError(
            f"{path} does not say what the parametrization of {cut(untold[0])} computes: call "
            "torch.nn.utils.parametrize.remove_parametrizations before torch.save"
        )
