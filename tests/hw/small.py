"""Specs that are quick to build."""

from dataclasses import replace

import pytest

from shiftbook.golden.spec import DEFAULT, PRESETS, Spec
from shiftbook.sim.bench import PAUSES

SHIFT = replace(
    DEFAULT,
    rows=4,
    cols=4,
    slots=2,
    requantizers=4,
    tile_words=256,
    codebook_rows=256,
    bus_bytes=8,
    burst_beats=8,
    buffer_beats=16,
    group_channels=4,
)
"""Four beats of the requantizers a channel, and two of the bus a block."""

ODD = replace(SHIFT, rows=3, cols=5, requantizers=5)
"""Rows that are padded in memory, a block to each, and halves that are none."""


def small(preset: str, **changes: object) -> Spec:
    """What a preset changes, with the small sizes of `SHIFT`."""
    usual = DEFAULT.as_json()
    changed = {name: value for name, value in PRESETS[preset].as_json().items() if value != usual[name]}
    return replace(SHIFT, **{**changed, **changes})


PACES = [
    PAUSES[0],
    PAUSES[3],
    pytest.param(PAUSES[1], marks=pytest.mark.slow),
    pytest.param(PAUSES[2], marks=pytest.mark.slow),
]
"""For benches that take seconds: no pauses and pauses on both sides, on one side alone on request."""

ONE_PACE = [PAUSES[3], pytest.param(PAUSES[0], marks=pytest.mark.slow)]
"""For benches that take ten seconds: pauses on both sides, none on request."""
