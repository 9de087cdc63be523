"""How pixels become a network's inputs: what its training did, or what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shiftbook.frontend.data.scale import InputScale
from shiftbook.frontend.importing.load import Source
from shiftbook.frontend.quantization.affine import LEVELS
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
    found: Source,
    channels: int,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    scale: InputScale | None = None,
) -> Normalization:
    """The user's normalization, else the zoo's, else the usual one.

    Parameters
    ----------
    mean, std
        Of pixels in 0..1; or, with ``scale``, of the float values, which are otherwise left as they are.
    scale
        How bytes stand for float values.

    Raises
    ------
    ShiftbookError
        There is not one value a channel.
    """
    colour = channels == len(COLOUR_MEAN) and scale is None
    usual_mean, usual_std = (None, None) if scale is not None else (found.mean, found.std)
    if usual_mean is not None and len(usual_mean) == 1:
        usual_mean, usual_std = usual_mean * channels, (usual_std or (1.0,)) * channels
    usual_mean = usual_mean or (COLOUR_MEAN if colour else (0.0,) * channels)
    usual_std = usual_std or (COLOUR_STD if colour else (1.0,) * channels)
    result = Normalization(
        per_channel("mean", usual_mean if mean is None else tuple(mean), channels),
        per_channel("std", usual_std if std is None else tuple(std), channels),
    )
    return result if scale is None else _of_bytes(result, scale)


def per_channel(name: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """The values, if there is one for each channel.

    Raises
    ------
    ShiftbookError
        There are more or fewer.
    """
    if len(values) != channels:
        raise ShiftbookError(f"{name} must be {channels} numbers, one for each channel, not {list(values)}")
    return values


def _of_bytes(values: Normalization, scale: InputScale) -> Normalization:
    """The normalization of bytes that does to float values what ``values`` does.

    With ``value = s (byte - z)`` the network sees ``(s (byte - z) - mean) / std``, which is
    ``(byte / 255 - (z + mean / s) / 255) / (std / 255 s)``.
    """
    each = tuple(zip(values.mean, values.std, scale.scale, scale.zero_point, strict=True))
    return Normalization(
        tuple((zero + mean / step) / LEVELS for mean, _, step, zero in each),
        tuple(std / (LEVELS * step) for _, std, step, _ in each),
    )
