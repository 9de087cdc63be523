"""Engines as options of tasks: the fields of their specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shiftbook.golden.spec import DEFAULT, Spec


def spec_of(fields: Mapping[str, Any]) -> Spec:
    """The spec of the JSON that `Spec.as_json` gave."""
    terms = tuple((low, high) for low, high in fields["terms"])
    return Spec(**{**fields, "terms": terms})


def coding_of(spec: Spec) -> Spec:
    """What streams are coded for: the slots, as `compress` has it."""
    return replace(DEFAULT, slots=spec.slots)
