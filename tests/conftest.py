"""Settings for all tests."""

from hypothesis import settings

# A busy machine is no reason to fail: examples are bounded in number, not in time.
settings.register_profile("shiftbook", deadline=None)
settings.load_profile("shiftbook")
