"""Options that several commands share."""

from shiftbook.options.engine import Bus, BusParity, Lanes, Preset, make_spec
from shiftbook.options.images import Crop, Data, Resize
from shiftbook.options.paths import Checkpoint, Json, data_named, named
from shiftbook.options.seed import Seed

__all__ = [
    "Bus",
    "BusParity",
    "Checkpoint",
    "Crop",
    "Data",
    "Json",
    "Lanes",
    "Preset",
    "Resize",
    "Seed",
    "data_named",
    "make_spec",
    "named",
]
