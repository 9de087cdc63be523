"""The engine that a program names: a preset, or a spec of its own."""

from __future__ import annotations

from collections.abc import Iterable

from shiftbook.api.arguments import wrong
from shiftbook.golden.spec import PRESETS, Spec

Engine = str | Spec
"""Name of a preset, or a spec."""

OWN = "custom"
"""What a spec that is no preset is called in tables."""


def spec_of(engine: object, slots: int | None = None) -> Spec:
    """The spec of an engine.

    Parameters
    ----------
    engine
        See `Engine`.
    slots
        Weight slots that a preset gets; another spec says its own.

    Raises
    ------
    ShiftbookError
        There is no such preset, or the argument is neither.
    """
    if isinstance(engine, Spec):
        return engine.given(slots=slots) if engine in PRESETS.values() else engine
    if not isinstance(engine, str) or engine not in PRESETS:
        raise wrong("engine", f"a Spec or one of {', '.join(PRESETS)}", engine)
    return PRESETS[engine].given(slots=slots)


def name_of(engine: Engine) -> str:
    """What tables call an engine."""
    if isinstance(engine, str):
        return engine
    return next((name for name, spec in PRESETS.items() if spec == engine), OWN)


def by_name(engines: Iterable[Engine]) -> dict[str, Spec]:
    """Specs by the engines' names; those of the same name are numbered."""
    found: dict[str, Spec] = {}
    for engine in engines:
        spec, name = spec_of(engine), name_of(engine)
        if spec in found.values():
            continue
        count = sum(other == name or other.startswith(f"{name} ") for other in found)
        found[f"{name} {count + 1}" if count else name] = spec
    return found
