from dataclasses import dataclass, replace

import numpy as np
import pytest

from shiftbook.golden.isa.registers import Leaving
from shiftbook.golden.mapping.split import as_it_is
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.integer import requantize
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import FRACTION, LEAST_SHIFT, PARTIAL_WIDTH, Spec
from shiftbook.sim import bench
from tests.hw.benches import drain_bench
from tests.hw.small import ODD, PACES, SHIFT

RESIDUAL_ZERO_POINT = 31


GRIDS = [SHIFT, ODD, replace(SHIFT, requantizers=2, lane="multiply", feed="dense")]


@dataclass(frozen=True)
class Channels:
    """Random output channels, [count] or [count, beats, requantizers]."""

    heads: np.ndarray
    residuals: np.ndarray
    partials: np.ndarray
    correction: np.ndarray
    parameters: Requantize

    @property
    def sums(self) -> np.ndarray:
        return self.heads + self.partials + self.correction[:, None, None]

    def stimulus(self, spec: Spec) -> list[dict[str, object]]:
        modulus = 1 << spec.accumulator_width
        parameters = self.parameters
        return [
            {
                "parameters": {
                    "bias": int(parameters.bias[i]),
                    "multiplier": int(parameters.multiplier[i]),
                    "shift": int(parameters.shift[i]) - LEAST_SHIFT,
                },
                "correction": int(self.correction[i]) % modulus,
                "beats": (self.heads[i] % modulus).tolist(),
                "residuals": self.residuals[i].tolist(),
                "partials": (self.partials[i] % (1 << PARTIAL_WIDTH)).tolist(),
            }
            for i in range(len(self.heads))
        ]


def channels(spec: Spec, count: int, parameters: Requantize) -> Channels:
    rng = np.random.default_rng(0)
    shape = (count, spec.drain_cycles, spec.requantizers)
    return Channels(
        rng.integers(-4000, 4000, shape),
        rng.integers(0, 256, shape, np.uint8),
        rng.integers(-4000, 4000, shape),
        rng.integers(-500, 0, count),
        parameters,
    )


def drained(
    spec: Spec,
    channels: Channels,
    beats: np.ndarray,
    pauses: bench.Pauses,
    table: FunctionTable | None = None,
    **constants: int,
) -> None:
    """These beats [n, requantizers] are what comes."""
    values = b"" if table is None else table.values
    entries = [{"index": index, "data": value} for index, value in enumerate(values)]
    observed = bench.observe(
        drain_bench(spec),
        inputs={"channels": channels.stimulus(spec), "entries": entries},
        outputs={"output": len(beats)},
        constants={"low": 3, "high": 250, **constants},
        pauses=pauses,
    )["output"]
    wanted = [int.from_bytes(bytes(beat), "little") for beat in beats.astype(np.uint8)]
    assert observed == [{"beat": beat, "wrong": 0} for beat in wanted]


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize("spec", GRIDS)
def test_channels(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(1)
    count = 30
    parameters = Requantize(
        rng.integers(-1000, 1000, count),
        rng.integers(1, 1024, count),
        rng.integers(LEAST_SHIFT, 16, count),
        9,
        3,
        250,
        residual_multiplier=77,
    )
    found = channels(spec, count, parameters)
    sums, added = (np.ascontiguousarray(np.moveaxis(a, 0, -1)) for a in (found.sums, found.residuals))
    results = np.moveaxis(requantize(sums, parameters, added, RESIDUAL_ZERO_POINT), -1, 0)
    offset = 9 * 2**FRACTION + 2 ** (FRACTION - 1) - RESIDUAL_ZERO_POINT * 77
    beats = results.reshape(-1, spec.requantizers)
    drained(spec, found, beats, pauses, offset=offset, residual_multiplier=77)


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("spec", GRIDS)
def test_partial_sums_leave_byte_by_byte(spec: Spec, pauses: bench.Pauses) -> None:
    found = channels(spec, 20, as_it_is(20, residual=True))
    low, middle, high = (found.sums >> shift & 255 for shift in (0, 8, 16))
    rounds = np.stack([low, middle, high, found.residuals], axis=1)
    leaving = Leaving.PARTIAL_SUMS
    drained(
        spec, found, rounds.reshape(-1, spec.requantizers), pauses, leaving=leaving, residual_multiplier=1
    )


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize("spec", GRIDS)
def test_functions_are_looked_up(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(2)
    table = FunctionTable(rng.bytes(256), 100)
    parameters = Requantize(
        rng.integers(-1000, 1000, 20), rng.integers(1, 1024, 20), rng.integers(LEAST_SHIFT, 16, 20), 9, 3, 250
    )
    found = channels(spec, 20, parameters)
    sums = np.ascontiguousarray(np.moveaxis(found.sums, 0, -1))
    results = np.moveaxis(requantize(sums, replace(parameters, function=table)), -1, 0)
    offset = 9 * 2**FRACTION + 2 ** (FRACTION - 1)
    beats = results.reshape(-1, spec.requantizers)
    drained(spec, found, beats, pauses, table, offset=offset, leaving=Leaving.FUNCTION)


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize("spec", GRIDS)
def test_the_first_residual_is_the_multiplier(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(3)
    parameters = Requantize(
        rng.integers(-1000, 1000, 20), rng.integers(1, 1024, 20), rng.integers(LEAST_SHIFT, 14, 20), 9, 3, 250
    )
    found = channels(spec, 20, parameters)
    gated = replace(parameters, multiplier=found.residuals[:, 0, 0].astype(np.int64))
    sums = np.ascontiguousarray(np.moveaxis(found.sums, 0, -1))
    results = np.moveaxis(requantize(sums, gated), -1, 0)
    offset = 9 * 2**FRACTION + 2 ** (FRACTION - 1)
    drained(spec, found, results.reshape(-1, spec.requantizers), pauses, offset=offset, gated=1)


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize("spec", GRIDS)
def test_each_residual_is_a_multiplier(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(4)
    parameters = Requantize(
        rng.integers(-1000, 1000, 20), rng.integers(1, 1024, 20), rng.integers(LEAST_SHIFT, 14, 20), 9, 3, 250
    )
    found = channels(spec, 20, parameters)
    bias, shift = (
        np.broadcast_to(v[:, None, None], found.sums.shape).ravel()
        for v in (parameters.bias, parameters.shift)
    )
    pixels = replace(parameters, bias=bias, shift=shift, multiplier=found.residuals.ravel().astype(np.int64))
    results = requantize(found.sums.reshape(1, -1), pixels)
    offset = 9 * 2**FRACTION + 2 ** (FRACTION - 1)
    drained(spec, found, results.reshape(-1, spec.requantizers), pauses, offset=offset, multiplied=1)
