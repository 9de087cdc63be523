"""What happens when during fine-tuning: prune, then quantize more and more of the weights.

Everything is a function of the share of training done, so that a run may have any number of epochs and
can be resumed anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

QUANTIZED = ((0, 0.25), (3, 0.5), (6, 0.75), (9, 0.875), (12, 1.0))
"""From which of 22 epochs on which share of the weights is quantized. Source: arXiv 1903.03046, section 4."""

QUANTIZED_EPOCHS = 22

PEAK_RATE = 0.05
"""Learning rate of a rate of 1, unless said otherwise."""

BATCH = 128
"""Images of a step, unless said otherwise."""

RAMP = 0.6
"""The density falls to its target during this share of the pruning; the rest lets weights return."""

WARM_UP = 0.02
"""The learning rate rises during this share of the training."""


@dataclass(frozen=True)
class Stage:
    """What is in force at one moment.

    Members
    -------
    density : share of weights to keep, if ``pruning``
    pruning : masks may still change
    quantized : share of the kept weights that are quantized
    settled : share of the steps after pruning that are done
    rate : learning rate as a share of its peak
    """

    density: float
    pruning: bool
    quantized: float
    settled: float
    rate: float


def rate_at(progress: float) -> float:
    """Learning rate as a share of its peak: half a cosine, with a short rise before it."""
    return 0.5 * (1 + math.cos(math.pi * progress)) * min(1.0, (progress + WARM_UP / 10) / WARM_UP)


def stage_at(progress: float, density: float, prune_share: float) -> Stage:
    """Return the stage at ``progress``, the share of all steps that are done.

    Parameters
    ----------
    progress
        In [0, 1).
    density
        The density to reach; 1 leaves the pruning out.
    prune_share
        The share of all steps that pruning takes.
    """
    rate = rate_at(progress)
    share = prune_share if density < 1 else 0.0
    if progress < share:
        left = max(0.0, 1 - progress / (share * RAMP))
        return Stage(density + (1 - density) * left**3, True, 0.0, 0.0, rate)
    settled = (progress - share) / (1 - share)
    quantized = max(part for start, part in QUANTIZED if settled * QUANTIZED_EPOCHS >= start)
    return Stage(density, False, quantized, settled, rate)
