"""Models and their weights: from the zoo, a function in the user's own file, or a file that holds both."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from shiftbook.frontend import zoo
from shiftbook.frontend.importing.exported_program import load_program
from shiftbook.frontend.importing.folder import folder_kept
from shiftbook.frontend.importing.foreign import told
from shiftbook.frontend.importing.given import GivenModel
from shiftbook.frontend.importing.names import PROGRAM, WHOLE
from shiftbook.frontend.weights.assigning import check_finite
from shiftbook.frontend.weights.loading import load_weights
from shiftbook.frontend.weights.reparameterized import make_plain
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import shown, unreadable
from shiftbook.golden.progress import Progress, quiet

ZOO = "zoo:"


@dataclass(frozen=True)
class Source:
    """A model in eval mode, and what its zoo entry knows; None where the user must say.

    ``weights`` tells what was taken of a file of weights that left a choice; else it is None.
    """

    model: nn.Module
    data: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    weights: str | None = None


def load_model(
    source: str, weights: str | Path | None = None, *, seed: int = 0, progress: Progress = quiet
) -> Source:
    """Get a model with its weights.

    Parameters
    ----------
    source
        ``zoo:NAME``; ``path/to/file.py:factory`` where ``factory()`` returns the nn.Module; a file
        ``net.onnx``, or ``net.pt2`` of torch.export.save. Or a `frontend.importing.given.GivenModel`, whose
        model is copied.
    weights
        See :func:`frontend.weights.loading.load_weights`. Without it the model keeps what its factory gave
        it, and a zoo model is trained on the spot if it can be.

    Raises
    ------
    ShiftbookError
        The source is unknown, or the weights are missing, do not fit or are not finite.
    """
    if source.startswith(ZOO):
        entry = zoo.get(source.removeprefix(ZOO))
        if weights is None and entry.train is None:
            raise ShiftbookError(
                f"{source} needs its trained weights: give the file that holds them", arguments=("weights",)
            )
        if weights is None and entry.train is not None:
            return Source(entry.train(seed, progress), entry.data, entry.mean, entry.std)
        model = entry.build()
        found = Source(model, entry.data, entry.mean, entry.std)
    elif Path(source).suffix in WHOLE:
        if weights is not None:
            raise ShiftbookError(f"{source} holds its weights already: leave the weights file out")
        return _from_weighted_file(Path(source))
    else:
        model = source.copy() if isinstance(source, GivenModel) else _from_file(source)
        found = Source(model)
    with told(lambda error: _failure(source, error)):  # its methods may be the user's own
        model.eval()
        taken = None if weights is None else load_weights(model, weights)
        make_plain(model)
        check_finite(model)
        model.float()
    return replace(found, weights=taken)


def _from_weighted_file(path: Path) -> Source:
    """A file that holds the network and its weights."""
    if path.suffix == PROGRAM:
        return Source(load_program(path))
    from shiftbook.frontend.importing.onnx_model.load import input_statistics, load_onnx

    model = load_onnx(path)
    mean, std = input_statistics(model) or (None, None)
    return Source(model.eval(), mean=mean, std=std)


def _from_file(source: str) -> nn.Module:
    """Run the user's file and call its factory."""
    name, colon, factory = source.rpartition(":")
    path = Path(name)
    if not colon or path.suffix != ".py" or not factory:
        raise ShiftbookError(
            "the model must be zoo:NAME, path/to/file.py:factory, or a .onnx or .pt2 file, "
            f"not {shown(source)!r}"
        )
    reason = unreadable(path)
    if reason is not None:
        raise ShiftbookError(f"there is no file {shown(path)} to take {shown(factory)!r} from: {reason}")
    spec = importlib.util.spec_from_file_location(f"shiftbook_model_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles of the user's file look for it there
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        with folder_kept(), told(lambda error: _failure(source, error)):
            spec.loader.exec_module(module)
            known = hasattr(module, factory)
            model = getattr(module, factory)() if known else None
    finally:
        with suppress(ValueError):  # the user's code may have changed the list
            sys.path.remove(str(path.parent.resolve()))
    if not known:
        raise ShiftbookError(f"{path} has no {factory!r}: name the function that returns the model")
    if not isinstance(model, nn.Module):
        raise ShiftbookError(f"{source} must return a torch.nn.Module, not {type(model).__name__}")
    return model


def _failure(source: str, error: BaseException) -> str:
    return f"{source} fails: {type(error).__name__}: {first_line(error)}"
