"""Every unit that the package holds, found by scanning it."""

from __future__ import annotations

import inspect

from shiftbook.golden.registry import classes_in
from shiftbook.synth import units
from shiftbook.synth.units.unit import Unit

UNITS = [unit for unit in classes_in(units.__name__, units.__path__, Unit) if not inspect.isabstract(unit)]
