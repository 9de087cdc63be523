"""Which of a file's state dicts, under which prefix, is the model's.

Names are compared without the segments that wrappers put between them. A *prefix* is what stands before
all names of the model in the file (``model.`` of a Lightning module), or, the other way round, before all
names in the model. Of several that fit, weights as training left them come before means over the training
(EMA, SWA), and then the first in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from shiftbook.frontend.weights.assigning import cut, is_counter, some
from shiftbook.frontend.weights.state_dicts import StateDict, is_averaged

WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Segments of names that DataParallel, torch.compile and others add: the same weights without them."""

MOST_PREFIXES = 16
"""Prefixes that are tried for a state dict: those under which most names are the model's."""

WHOLE = "the names at the top"
"""What has neither a place nor a prefix, for people."""

Shapes = Mapping[str, torch.Size | None]
"""Of a model's tensors, by name; None where one has no shape yet."""


@dataclass(frozen=True)
class Fit:
    """A state dict under a prefix, against a model.

    Attributes
    ----------
    own
        The model's names, by those that the file should call them behind the prefix.
    names
        Names in the file, by the model's names, or by those that the model lacks.
    outside
        Names in the file that do not have the prefix.
    matched
        Names that both have.
    whole
        Whether the model gets all it needs, in its shapes, and nothing with the prefix is left.
    """

    found: StateDict
    prefix: str
    own: Mapping[str, str]
    names: Mapping[str, str]
    outside: Sequence[str]
    matched: int
    whole: bool

    def state(self) -> dict[str, Tensor]:
        """The tensors by the model's names."""
        return {name: self.found.tensors[there] for name, there in self.names.items()}

    @property
    def averaged(self) -> bool:
        """Whether these are means over a training."""
        return is_averaged((*self.found.place, self.prefix))

    def where(self) -> str:
        """The place in the file, for people; empty where it is all of the file."""
        place = cut(" > ".join(map(repr, self.found.place)))
        behind = f"names behind {cut(self.prefix) + '.'!r}" if self.prefix else ""
        return f"{place}, {behind}" if place and behind else place or behind


@dataclass(frozen=True)
class Choice:
    """The best fit, and the others that are as whole."""

    fit: Fit
    others: Sequence[Fit] = field(default=())

    def told(self) -> str | None:
        """What was taken and what was left, where there was a choice; else None."""
        said = []
        if self.others:
            others = some([other.where() or WHOLE for other in self.others])
            said.append(f"{others} would fit, too: to take them, save them alone")
        known = {
            name for other in self.others if other.found is self.fit.found for name in other.names.values()
        }
        left = [name for name in self.fit.outside if name not in known]
        if left:
            said.append(f"left out {some(left)}")
        return "; ".join((f"took {self.fit.where() or WHOLE}", *said)) if said else None


def shapes_of(state: Mapping[str, object]) -> Shapes:
    """The shapes in a model's state dict."""
    return {
        name: value.shape if isinstance(value, Tensor) and not is_lazy(value) else None
        for name, value in state.items()
    }


def choose(found: Sequence[StateDict], own: Shapes) -> Choice | None:
    """The state dict and prefix that fit a model best.

    Parameters
    ----------
    found
        In the file's order.
    own
        The model's.

    Returns
    -------
    None where no state dict has names. Where none is whole: the one with most of the model's names.
    """
    fits: list[Fit] = []
    for names in _readings(own):
        fits += [_fit(state, prefix, names, own) for state in found for prefix in _prefixes(state, names)]
        whole = sorted((fit for fit in fits if fit.whole), key=lambda fit: fit.averaged)  # stable: file order
        if whole:
            return Choice(whole[0], whole[1:])
    if not fits:
        return None
    return Choice(max(fits, key=lambda fit: (fit.matched, -len(fit.names))))


def short(name: str) -> str:
    """A name without the segments of wrappers."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _by_short(names: Sequence[str]) -> dict[str, str]:
    """Names by their short forms; by themselves where two would become one."""
    result = {short(name): name for name in names}
    return result if len(result) == len(names) else {name: name for name in names}


def _readings(own: Shapes) -> list[dict[str, str]]:
    """The model's names by what a file may call them: all of it, then without what all begin with."""
    result = [_by_short(list(own))]
    while True:
        last = result[-1]
        heads = {name.partition(".")[0] for name in last}
        if len(heads) != 1 or not all("." in name for name in last):
            return result
        result.append({name.partition(".")[2]: full for name, full in last.items()})


def _prefixes(state: StateDict, own: Mapping[str, str]) -> list[str]:
    """Prefixes under which names of the model stand, in the file's order; the empty one if there is none."""
    votes: Counter[str] = Counter()
    for name in _by_short(list(state.tensors)):
        parts = name.split(".")
        votes.update(".".join(parts[:i]) for i in range(len(parts)) if ".".join(parts[i:]) in own)
    most = {prefix for prefix, _ in votes.most_common(MOST_PREFIXES)}
    return [prefix for prefix in votes if prefix in most] or [""]


def _fit(state: StateDict, prefix: str, own: Mapping[str, str], shapes: Shapes) -> Fit:
    names: dict[str, str] = {}
    outside = []
    start = f"{prefix}." if prefix else ""
    for name, there in _by_short(list(state.tensors)).items():
        if not name.startswith(start):
            outside += [] if is_counter(name) else [there]
        elif (inner := name.removeprefix(start)) in own or not is_counter(inner):
            names[own.get(inner, inner)] = there
    matched = [name for name in names if name in shapes]
    whole = (
        all(name in names for name in shapes if not is_counter(name))
        and len(matched) == len(names)
        and all(shapes[name] == state.tensors[names[name]].shape for name in matched)
    )
    return Fit(state, prefix, own, names, outside, len(matched), whole)
