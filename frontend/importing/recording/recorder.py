"""A model's graph, recorded while one example runs through it.

Every ATen call comes by here, with real tensors: control flow that depends on shapes, default arguments,
wrappers and parametrizations have happened by then, and need no support. A call that takes nothing from the
image is done and its result is a constant; so are weights that are computed from others. A call that reads
numbers out of a tensor that depends on the image is refused, so that no branch is taken for granted.

Running beats `torch.export` here: the same ATen calls, but without the five seconds that importing its
machinery takes. A program that `torch.export` saved is recorded like any model.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from shiftbook.frontend.graph.model import INPUT, GraphModel
from shiftbook.frontend.importing.recording.draft import Draft
from shiftbook.frontend.importing.recording.values import Unreadable, Value
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.validate import MAX_NAME

Handler = Callable[["Call"], Value]

MOVES = frozenset(
    (  # noqa: SIM905
        "_reshape_alias _unsafe_view alias channel_shuffle clone detach expand flip gather index "
        "index_select lift_fresh "
        "movedim narrow permute pixel_shuffle pixel_unshuffle repeat reshape roll select slice squeeze split "
        "split_with_sizes swapaxes t transpose unbind unfold unsqueeze view _to_copy contiguous unsafe_split "
        "unsafe_split_with_sizes"
    ).split()
)
"""Calls that move elements and compute nothing."""

CASTS = frozenset(("_to_copy", "clone", "detach", "alias", "lift_fresh", "contiguous"))
"""Moves that leave every element in its place, whatever its type."""

EXACT = (torch.float32, torch.float64)
"""Types whose numbers a graph in float32 has, too."""

SHAPED_LIKE = frozenset(
    (  # noqa: SIM905
        "zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_empty_strided "
        "empty_strided rand_like randn_like"
    ).split()
)
"""Calls that take the shape of a tensor and none of its elements."""

READS = frozenset(("_local_scalar_dense", "is_nonzero", "equal", "item", "nonzero", "allclose"))
"""Calls that hand elements to Python."""


class Operation(nn.Module):
    """A module that is one operation, as the layers of torch.nn are: the operation gets its name.

    Attributes
    ----------
    operator
        What it is, for people.
    """

    operator: str


class Call:
    """One ATen call on a tensor that depends on the image.

    Attributes
    ----------
    name
        Of the operator, without its overload.
    args, kwargs
        Of the call.
    given
        All arguments by the names of the operator's schema, defaults included.
    result
        What the call gave.
    """

    def __init__(self, recorder: Recorder, name: str, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        self.recorder, self.draft = recorder, recorder.draft
        self.name, self.func, self.args, self.kwargs, self.result = name, func, args, kwargs, result
        self.given = _by_name(func, args, kwargs)

    def __getitem__(self, argument: str) -> Any:
        """An argument by the name that the operator's schema gives it; its default where it is not given."""
        return self.given[argument]

    def value(self, argument: str) -> Value:
        """A tensor that depends on the image."""
        found = self.recorder.value(self.given[argument])
        if found is None:
            raise self.unsupported(f"its {argument} must depend on the image")
        return found

    def materialized(self, argument: str, rank: int = 0) -> Value:
        """A tensor as a value of its own, of ``rank`` dimensions with the batch where that matters."""
        return self.as_value(self.value(argument), rank)

    def as_value(self, value: Value, rank: int = 0) -> Value:
        """See `materialized`."""
        found = self.draft.materialized(value)
        if found is None or (rank and len(found.shape) + 1 != rank):
            raise self.unsupported(
                f"it takes a tensor of shape {list(value.dims)} that is no maps of the network"
            )
        return found

    @property
    def dims(self) -> tuple[int, ...]:
        """Shape of the (first) result."""
        first = self.result[0] if isinstance(self.result, (tuple, list)) else self.result
        return tuple(first.shape)

    def no_maps(self, value: Value) -> ShiftbookError:
        """The error for a tensor that no operations of the graph gather."""
        return self.unsupported(
            f"it takes a tensor of shape {list(value.dims)} that is no maps of the network"
        )

    def unsupported(self, why: str = "") -> ShiftbookError:
        """The error for this call, with the place of its module."""
        return self.recorder.unsupported(self.name, why)


class Recorder(TorchDispatchMode):
    """Records the calls of one run.

    Parameters
    ----------
    model
        Its modules are watched, so that calls can be placed.
    handlers
        What to do with a call, by the name of its operator.
    """

    def __init__(self, model: nn.Module, graph: GraphModel, handlers: Mapping[str, Handler]) -> None:
        super().__init__()
        self.model, self.draft, self.handlers = model, Draft(graph), handlers
        self.values: Any = WeakIdKeyDictionary()
        self.sharing: dict[int, list[weakref.ref[Tensor]]] = {}
        self.stack: list[tuple[str, nn.Module]] = []
        self.failed: str | None = None
        self.owners: dict[int, str] = {}
        named = [
            *model.named_parameters(remove_duplicate=False),
            *model.named_buffers(remove_duplicate=False),
        ]
        for path, tensor in reversed(named):  # of a tensor with several names the first counts
            self.owners[id(tensor)] = path

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Otherwise torch imports its compiler, for four seconds, to tell it to leave this alone."""
        return False

    def start(self, image: Tensor) -> None:
        """Name the image."""
        self._know(image, Value(INPUT, tuple(image.shape[1:])))

    def value(self, tensor: object) -> Value | None:
        """What a tensor stands for; None for a constant."""
        found = self.values.get(tensor) if isinstance(tensor, Tensor) else None
        if isinstance(found, Unreadable):
            raise ShiftbookError(f"unsupported use of {found.what} at {self.here()}")
        return found

    def owner(self, tensor: Tensor | None) -> str | None:
        """Path of a parameter or buffer in the user's model."""
        return None if tensor is None else self.owners.get(id(tensor))

    def here(self) -> str:
        """The place in the user's model, for people."""
        return place(self.draft.place if self.failed is None else self.failed)

    def unsupported(self, name: str, why: str = "") -> ShiftbookError:
        """The error for a call, by the name of the layer of torch.nn that makes it where there is one."""
        what = name.strip("_")
        owner = self.stack[-1][1] if self.stack else None
        if isinstance(owner, Operation):
            what = owner.operator
        elif type(owner).__module__.startswith("torch.nn."):
            what = type(owner).__name__
        return ShiftbookError(f"unsupported operation {what} at {self.here()}" + (f": {why}" if why else ""))

    @contextmanager
    def watching(self) -> Iterator[Recorder]:
        """Record, and know the module that runs."""
        hooks = []
        for path, module in self.model.named_modules():
            hooks.append(module.register_forward_pre_hook(self._entered(path)))
            hooks.append(module.register_forward_hook(self._left, always_call=True))
        try:
            with torch.no_grad(), self:
                yield self
        finally:
            for hook in hooks:
                hook.remove()

    def _entered(self, path: str) -> Callable[[nn.Module, Any], None]:
        def enter(module: nn.Module, args: Any) -> None:
            self.stack.append((path, module))
            self.draft.place = path

        return enter

    def _left(self, module: nn.Module, args: Any, result: Any) -> None:
        if result is None and self.failed is None:  # hooks are called on errors too
            self.failed = self.draft.place
        if self.stack:
            self.stack.pop()
        self.draft.place = self.stack[-1][0] if self.stack else ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a call and note what it means."""
        kwargs = kwargs or {}
        name, overload = func._schema.name.partition("::")[2], func._overloadname
        tensors = [t for t in _flat((args, kwargs)) if isinstance(t, Tensor) and t in self.values]
        if tensors and name in READS:
            raise self.unsupported(name, "the model's forward must not depend on values of tensors")
        if torch.Tag.nondeterministic_seeded in func.tags and name not in SHAPED_LIKE:
            raise self.unsupported(name, "in evaluation mode a model must draw no random numbers")
        if tensors and not self._knows(name) and func._can_decompose():
            with self:  # in inference mode composite calls come whole
                return func.decompose(*args, **kwargs)
        result = func(*args, **kwargs)
        if not tensors or name in SHAPED_LIKE:
            return result
        if overload == "out":
            raise self.unsupported(name, "results must be new tensors")
        in_place = name.endswith("_") and func._schema.is_mutable
        call = Call(self, name.rstrip("_") if in_place else name, func, args, kwargs, result)
        if in_place:
            self._written(call, args[0])
        elif call.name in MOVES:
            self._move(call)
        else:
            self._note(result, self._handled(call))
        return result

    def _knows(self, name: str) -> bool:
        names = (name, name.rstrip("_"))
        return any(n in MOVES or n in SHAPED_LIKE or n in self.handlers for n in names)

    def leaf(self) -> str:
        """Path of the module that runs now, where it has none within it."""
        path, module = self.stack[-1] if self.stack else ("", None)
        return path if module is not None and not module._modules else ""

    def _handled(self, call: Call) -> Value:
        handler = self.handlers.get(call.name)
        if handler is None:
            raise call.unsupported()
        return handler(call)

    def _note(self, result: Any, value: Value) -> None:
        """Of several results only the first is known."""
        several = result if isinstance(result, (tuple, list)) else [result]
        for i, tensor in enumerate(several):
            if isinstance(tensor, Tensor):
                self._know(tensor, value if i == 0 else Unreadable("a second result of an operation"))

    def _know(self, tensor: Tensor, value: Value | Unreadable) -> None:
        self.values[tensor] = value
        storage = tensor.untyped_storage().data_ptr()
        self.sharing[storage] = [r for r in self.sharing.get(storage, ()) if r() is not None] + [
            weakref.ref(tensor)
        ]

    def _move(self, call: Call) -> None:
        """Do to the index what is done to the tensor."""
        unreadable = self.values.get(call.args[0])
        if isinstance(unreadable, Unreadable):  # it stays so; reading it would be refused
            results = call.result if isinstance(call.result, (list, tuple)) else [call.result]
            for tensor in results:
                self._know(tensor, unreadable)
            return
        value = self.value(call.args[0])
        if value is None or any(t in self.values for t in _flat(call.args[1:]) if isinstance(t, Tensor)):
            raise call.unsupported("where elements go must not depend on the image")
        if call.name == "_to_copy" and call.result.dtype not in EXACT:
            kind = str(call.result.dtype).removeprefix("torch.")
            raise call.unsupported(
                f"the model must compute in float32, not in {kind}: call model.float() first"
            )
        index, mover = value.indices(), self.leaf()
        moved = index if call.name in CASTS else call.func(index, *call.args[1:], **call.kwargs)
        if isinstance(moved, Tensor):
            self._know(call.result, value.moved(moved.contiguous(), mover))
            return
        for tensor, part in zip(call.result, moved, strict=True):
            self._know(tensor, value.moved(part.contiguous(), mover))

    def _written(self, call: Call, target: Tensor) -> None:
        """A call that changes its first argument: as if it made a new tensor of the same name."""
        storage = target.untyped_storage().data_ptr()
        for reference in self.sharing.get(storage, ()):
            other = reference()
            if other is not None and other is not target and other.untyped_storage().data_ptr() == storage:
                self.values[other] = Unreadable("a tensor that was changed through another view of it")
        if call.name == "as_strided" and _contiguous(target):
            return  # as pooling does to keep a memory format
        if call.name == "copy":
            source = self.value(call.args[1])
            whole = target._base is None and source is not None and source.dims == tuple(target.shape)
            if source is None or not whole:
                raise call.unsupported(self._why_in_parts())
            self._know(target, source)
            return
        self._know(target, self._handled(call))

    def _why_in_parts(self) -> str:
        """What writes into parts of a tensor: torch makes circular padding of such writes."""
        owner = self.stack[-1][1] if self.stack else None
        if isinstance(owner, nn.CircularPad2d) or getattr(owner, "padding_mode", None) == "circular":
            return "padding may be zeros, reflected or replicated, not circular"
        return "it writes into a part of a tensor; circular padding does, too"


def _contiguous(tensor: Tensor) -> bool:
    """Whether elements follow each other, whatever the strides of dimensions of one element are."""
    expected = 1
    for size, stride in reversed(list(zip(tensor.shape, tensor.stride(), strict=True))):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def place(path: str) -> str:
    """A module path for people."""
    shown = path if len(path) <= MAX_NAME else f"{path[:MAX_NAME]}..."
    return f"'{shown}'" if path else "the model's own forward"


def _flat(nested: Any) -> Iterator[Any]:
    """Everything in nested arguments."""
    if isinstance(nested, (list, tuple)):
        for item in nested:
            yield from _flat(item)
    elif isinstance(nested, dict):
        yield from _flat(list(nested.values()))
    else:
        yield nested


def _by_name(func: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a call, defaults included."""
    given: dict[str, Any] = {}
    for i, argument in enumerate(func._schema.arguments):
        if i < len(args):
            given[argument.name] = args[i]
        elif argument.name in kwargs:
            given[argument.name] = kwargs[argument.name]
        else:
            given[argument.name] = argument.default_value if argument.has_default_value() else None
    return given
