"""How pixels become a network's inputs: what its training did, or what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shiftbook.frontend.importing.load import Source
from shiftbook.golden.errors import ShiftbookError

COLOUR_MEAN = (0.485, 0.456, 0.406)
COLOUR_STD = (0.229, 0.224, 0.225)
"""The normalization that networks for colour images are usually trained with; others get pixels in 0..1."""


@dataclass(frozen=True)
class Normalization:
    """``(pixel / 255 - mean) / std``, each [C]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def range(self) -> tuple[float, float]:
        """Lowest and highest value that any pixel can become."""
        ends = [(level - m) / s for m, s in zip(self.mean, self.std, strict=True) for level in (0.0, 1.0)]
        return min(ends), max(ends)

    def then(self, scale: Sequence[float], offset: Sequence[float]) -> Normalization:
        """The same, and then ``scale * x + offset``, each [C]."""
        std = tuple(s / a for s, a in zip(self.std, scale, strict=True))
        mean = tuple(m - b * s for m, b, s in zip(self.mean, offset, std, strict=True))
        return Normalization(mean, std)


def normalization_for(
    found: Source, channels: int, mean: Sequence[float] | None, std: Sequence[float] | None
) -> Normalization:
    """The user's normalization, else the zoo's, else the usual one.

    Raises
    ------
    ShiftbookError
        There is not one value a channel.
    """
    colour = channels == len(COLOUR_MEAN)
    usual_mean = found.mean or (COLOUR_MEAN if colour else (0.0,) * channels)
    usual_std = found.std or (COLOUR_STD if colour else (1.0,) * channels)
    result = Normalization(
        usual_mean if mean is None else tuple(mean), usual_std if std is None else tuple(std)
    )
    for name, values in (("mean", result.mean), ("std", result.std)):
        if len(values) != channels:
            raise ShiftbookError(
                f"{name} must be {channels} numbers, one for each channel, not {list(values)}"
            )
    return result
