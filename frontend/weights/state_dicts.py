"""The state dicts in a file, however deep, and however many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

DEEPEST = 16
"""Containers within each other that are looked into."""

AVERAGED = frozenset({"ema", "swa", "avg", "averaged", "shadow"})
"""Words in names of weights that are means over the course of a training."""


@dataclass(frozen=True)
class StateDict:
    """Tensors by name.

    Attributes
    ----------
    place
        The keys that lead to it; none where it is the file itself.
    tensors
        In the file's order.
    others
        What else has a name in it: counters, texts, dicts.
    odd
        Names of tensors that are not text.
    """

    place: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    others: Mapping[str, Any]
    odd: tuple[object, ...]


def state_dicts(contents: Any) -> list[StateDict]:
    """All mappings that have tensors, in the file's order, outer ones first; each once."""
    return [_state_dict(place, value) for place, value in _mappings(contents) if _has_tensors(value)]


def is_averaged(names: tuple[str, ...]) -> bool:
    """Whether keys or a prefix say that weights are means over a training."""
    return any(AVERAGED & set(re.split(r"[\W_]+", name.lower())) for name in names)


def _mappings(contents: Any) -> Iterator[tuple[tuple[str, ...], Mapping[Any, Any]]]:
    """Every mapping in a file, with the keys that lead to it."""
    seen: set[int] = set()
    left: list[tuple[tuple[str, ...], Any]] = [((), contents)]
    while left:
        place, value = left.pop()
        if id(value) in seen or len(place) > DEEPEST:
            continue
        if isinstance(value, Mapping):
            yield place, value
            inner = list(value.items())
        elif isinstance(value, list | tuple):
            inner = list(enumerate(value))
        else:
            continue
        seen.add(id(value))
        left += [((*place, str(key)), item) for key, item in reversed(inner)]


def _has_tensors(value: Mapping[Any, Any]) -> bool:
    return any(isinstance(item, Tensor) for item in value.values())


def _state_dict(place: tuple[str, ...], value: Mapping[Any, Any]) -> StateDict:
    tensors = {key: item for key, item in value.items() if isinstance(item, Tensor)}
    return StateDict(
        place,
        {key: item for key, item in tensors.items() if isinstance(key, str)},
        {str(key): item for key, item in value.items() if not isinstance(item, Tensor)},
        tuple(key for key in tensors if not isinstance(key, str)),
    )
