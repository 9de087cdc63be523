"""Parity on the memory bus: whatever bit changes on the way to the accelerator, the program is given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.model import executor
from shiftbook.golden.program import image
from shiftbook.golden.program.host import AcceleratorError, HostDriver
from shiftbook.golden.program.image import Image
from shiftbook.sim.driver import run_rtl
from shiftbook.sim.session import Session
from tests.sim.networks import IMAGES, SMALL, SPECS, everything

SPEC = replace(SMALL, bus_parity=True)
BITS = 9 * SPEC.bus_bytes

STRIDE = 101
"""Of so many read beats one is struck: prime, so that each reader's beats come in turn."""


@pytest.fixture(scope="module")
def built() -> Image:
    return image.build(everything(SPEC), SPEC)


@pytest.fixture(scope="module")
def session(built: Image) -> Iterator[Session]:
    with Session(SPEC, built.size) as running:
        running.fill(0, built.contents())
        running.fill(built.offset(built.input), built.places[built.input].layout.pack(IMAGES[0]))
        yield running


def run(session: Session) -> Fault:
    """Start; why it was given up, or `Fault.NONE`."""
    host = HostDriver(session.read, session.write, session.wait)
    try:
        host.run(0)
    except AcceleratorError as error:
        while host.status()["busy"]:
            pass
        return error.fault
    return Fault.NONE


def output(session: Session, built: Image) -> np.ndarray:
    """What the last layer has in memory; then it is blank."""
    view = built.plan.views[built.plan.passes[-1].node]
    place, offset = built.places[view.tensor], built.offset(view.tensor)
    found = place.layout.unpack(session.fetch(offset, place.layout.size))
    session.fill(offset, np.zeros(place.layout.size, np.uint8))
    return found[..., view.first : view.first + view.channels]


def test_the_bus_says_that_it_has_parity(session: Session) -> None:
    """Programs are the same without."""
    found = HostDriver(session.read, session.write, session.wait).identify()
    assert found["parity"] == 1
    assert np.array_equal(
        image.build(everything(SMALL), SMALL).contents(), image.build(everything(SPEC), SPEC).contents()
    )


def test_a_bit_that_changes_on_any_beat(session: Session, built: Image) -> None:
    network = everything(SPEC)
    want = executor.run(network, IMAGES[:1], keep=True).tensors[network.nodes[-1].name][0]
    session.disturb()
    assert run(session) == Fault.NONE
    assert np.array_equal(output(session, built), want)
    beats, _ = session.moved()
    rng = np.random.default_rng(0)
    for strike in range(0, beats, STRIDE):
        session.disturb(strike, flip=int(rng.integers(BITS)))
        assert run(session) == Fault.BUS_PARITY, strike
        assert run(session) == Fault.NONE, strike
        assert np.array_equal(output(session, built), want), strike


def test_an_accelerator_that_does_not_interleave() -> None:
    """All bytes of its beats are written: the strobes are constants, and must be there from the start."""
    spec = replace(SPECS["odd"], bus_parity=True)
    assert not spec.interleaves
    assert run_rtl(everything(spec), IMAGES[:1], spec, latency=3).integers > 0
