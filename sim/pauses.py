"""How a test disturbs the streams of what it tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pauses:
    """How often sources are idle and sinks not ready: probabilities, and the seed of when."""

    idle: float = 0.0
    backpressure: float = 0.0
    seed: int = 0


NEVER = Pauses()

PAUSES = (NEVER, Pauses(idle=0.5, seed=1), Pauses(backpressure=0.5, seed=2), Pauses(0.4, 0.4, seed=3))
"""None, either and both: what every stream test is parametrized with."""
