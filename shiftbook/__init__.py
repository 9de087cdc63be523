"""shiftbook: measure what compressing a CNN buys in hardware."""

__version__ = "0.1.0"
