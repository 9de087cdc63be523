"""Options that several commands share."""

from shiftbook.options.engine import Lanes, make_spec
from shiftbook.options.paths import Checkpoint, Json, named
from shiftbook.options.seed import Seed

__all__ = ["Checkpoint", "Json", "Lanes", "Seed", "make_spec", "named"]
