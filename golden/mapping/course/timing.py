"""What the parts of the course share: a cycle that is not known yet, and what a buffer takes."""

from __future__ import annotations

NEVER = 1 << 60
"""A cycle that is not known yet."""

BUFFER_STEPS = 2
"""From a beat of a stream or of the program to the cycle in which its first word can be taken."""
