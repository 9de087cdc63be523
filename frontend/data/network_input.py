"""Data as a compressed network takes it: pixels as they are, floats by the scale in the checkpoint."""

from __future__ import annotations

from shiftbook.frontend.data.dataset import Dataset, check_shape
from shiftbook.frontend.data.scale import InputScale
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network


def check_fits(dataset: Dataset, network: Network) -> InputScale | None:
    """Refuse what a compressed network does not take; return the scale of one that takes floats."""
    scale = InputScale.of(network.facts, network.input.shape[2])
    given = f"not {dataset.images.dtype} {list(dataset.images.shape)}"
    if dataset.is_float and scale is None:
        raise ShiftbookError(f"x must be uint8 [N, H, W, C], {given}: the network was compressed on pixels")
    if not dataset.is_float and scale is not None:
        raise ShiftbookError(
            f"x must be floats [N, H, W, C], {given}: the network was compressed on floats, and its "
            "checkpoint says how they become bytes"
        )
    check_shape(dataset, network.input.shape)
    return scale


def for_network(dataset: Dataset, network: Network) -> Dataset:
    """The data as a compressed network takes it, uint8 [N, H, W, C].

    Raises
    ------
    ShiftbookError
        It has another shape, or is floats where the network takes pixels, or the other way round.
    """
    scale = check_fits(dataset, network)
    return dataset if scale is None else dataset.to_bytes(scale)
