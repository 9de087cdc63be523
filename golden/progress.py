"""How long work tells how far it is; who shows it, and how, is the caller's business."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""``progress(what, done, total)``: what is being done, and how many of how many units are done."""


Notice = Callable[[str], None]
"""``notice(text)``: what users should know while work goes on, a sentence."""


def unheard(text: str) -> None:
    """Tell nobody."""


def quiet(what: str, done: int, total: int) -> None:
    """Show nothing."""
