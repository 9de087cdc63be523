"""Programs that ``torch.export.save`` wrote, without running what a pickle in one asks for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from shiftbook.frontend.importing.exported_archive import plain_archive
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import check_file, shown

BATCH = 'torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))'
"""How a program is made that takes any number of images."""


def load_program(path: Path) -> nn.Module:
    """The program as a module.

    Raises
    ------
    ShiftbookError
        There is no such file, it holds something else, or it could run code when it is read.
    """
    check_file(path, "name a program that torch.export.save wrote")
    try:
        archive = plain_archive(path)
        with _no_pickles():
            program = torch.export.load(archive)
        module = _module(program)
    except ShiftbookError:
        raise
    except Exception as error:  # damaged files make it raise nearly anything
        raise ShiftbookError(
            f"{shown(path)} holds no program of torch.export.save: {first_line(error)}"
        ) from error
    check = partial(_check_images, shown(path), _dims(program))
    module.register_forward_pre_hook(check, prepend=True)  # torch's own check tells less
    module.eval = partial(_stay, module)  # type: ignore[method-assign]  # an exported module knows one mode
    module.train = partial(_stay, module)  # type: ignore[method-assign]
    return module


def _module(program: torch.export.ExportedProgram) -> nn.Module:
    """Without checks of its own: `_check_images` tells more."""
    checks = "check_guards" in inspect.signature(program.module).parameters  # since torch 2.9
    module: nn.Module = program.module(**({"check_guards": False} if checks else {}))
    return module


def _stay(module: nn.Module, mode: bool = False) -> nn.Module:
    return module


def _dims(program: torch.export.ExportedProgram) -> list[tuple[Any, ...]]:
    """The shapes of a program's inputs; what is no int may be of any size."""
    names = set(program.graph_signature.user_inputs)
    found = [
        node.meta.get("val")
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names
    ]
    return [tuple(value.shape) for value in found if isinstance(value, Tensor)]


def _check_images(path: str, known: list[tuple[Any, ...]], module: nn.Module, given: tuple[Any, ...]) -> None:
    """Tell what a program takes before it fails within."""
    if len(known) != 1:
        raise ShiftbookError(f"{path} must take one tensor of images, not {len(known)}")
    wanted, shape = known[0], tuple(given[0].shape)
    if isinstance(wanted[0], int) and wanted[0] != shape[0]:
        raise ShiftbookError(f"{path} takes batches of {wanted[0]} alone: export it for any number, {BATCH}")
    fits = len(wanted) == len(shape) and all(
        not isinstance(size, int) or size == n for size, n in zip(wanted, shape, strict=True)
    )
    if not fits:
        sizes = [size if isinstance(size, int) else "any" for size in wanted[1:]]
        raise ShiftbookError(f"{path} takes images of shape {sizes}, and they are {list(shape[1:])}")


@contextmanager
def _no_pickles() -> Iterator[None]:
    """Let torch load tensors alone."""
    from torch.export.pt2_archive import _package

    def refuse(*args: Any, **options: Any) -> Any:
        raise ShiftbookError("the program holds Python objects besides tensors, which are never loaded")

    with ExitStack() as stack:
        load = torch.load
        stack.enter_context(
            patch.object(
                torch, "load", lambda *args, **options: load(*args, **{**options, "weights_only": True})
            )
        )
        stack.enter_context(patch.object(torch._C, "_pickle_load_obj", refuse, create=True))
        stack.enter_context(patch.object(_package, "pickle", _Unpickler(refuse), create=True))
        yield


class _Unpickler:
    """Stands for the module ``pickle``."""

    def __init__(self, refuse: Any) -> None:
        self.loads = self.load = refuse
