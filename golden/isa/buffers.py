"""How much the parts around the engine hold or ask for ahead: for the hardware and for the cycle model."""

from __future__ import annotations

BURSTS_IN_FLIGHT = 12
"""Longest bursts whose beats may be on their way: more would make urgent ones wait behind them."""

LOAD_SEGMENTS = 8
"""Segments of the input that may be on their way; each is a beat or more of every channel."""

RESIDUAL_GROUPS = 4
"""Groups of channels in the residuals' buffer: two pass while the answer to a request is on its way, one is
taken."""

STORE_GROUPS = 2
"""Groups of channels in the outputs' buffer: one is sent, one comes."""

SPARING_BEATS = 4
"""Of a stream, asked for at a time while something else is more urgent."""
