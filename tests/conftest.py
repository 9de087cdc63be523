"""Settings for all tests."""

import os

import pytest
from hypothesis import settings

# One worker a core: threads of their own would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no reason to fail: examples are bounded in number, not in time.
settings.register_profile("shiftbook", deadline=None)
settings.load_profile("shiftbook")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much to fuzz: see tests/fuzz."""
    parser.addoption(
        "--mutants", type=int, default=2500, help="mutants that tests of marker fuzz make in all"
    )
    parser.addoption("--fuzz-seed", type=int, default=0, help="seed of the first mutant")


def pytest_configure(config: pytest.Config) -> None:
    """Compile simulators without optimization, unless slow tests are asked for: they run for seconds only."""
    if "not slow" in config.option.markexpr:
        os.environ.setdefault("CXXFLAGS", "-O0")
