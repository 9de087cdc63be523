"""What `run` says of a batch: what an image takes in it, and alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shiftbook.golden.spec import Spec

if TYPE_CHECKING:
    from shiftbook.golden.model.network import Network

MEGA = 1_000_000
"""Cycles for which images are counted: a second at 1 MHz."""

NOTHING = 0.005
"""Share of an image's cycles below which a batch changes nothing."""


def with_batch(report: Mapping[str, Any], network: Network, spec: Spec, batch: int) -> dict[str, Any]:
    """A report of `shiftbook run` that also says what an image of the batch takes.

    ``report["cycles"]`` are those of the batch, None where the engine does not run the network.
    """
    from shiftbook.api.cycles import cycles_of

    found: dict[str, Any] = {"images": batch}
    if report["cycles"] is not None:
        found |= {
            "cycles_per_image": report["cycles"] / batch,
            "images_per_megacycle": MEGA * batch / report["cycles"],
            "alone_cycles": cycles_of(network, spec).total,
        }
    return {**report, "batch": found}


def batch_line(report: Mapping[str, Any]) -> str:
    """The batch for people."""
    found, cycles = report["batch"], report["cycles"]
    if cycles is None:
        return "no cycles: the engine does not run the network in batches"
    each, alone = found["cycles_per_image"], found["alone_cycles"]
    line = (
        f"a batch of {found['images']}: all images are done after {cycles:,} cycles, {each:,.0f} an image; "
        f"{found['images_per_megacycle']:,.1f} images in {MEGA:,} cycles"
    )
    less = 1 - each / alone
    if abs(less) < NOTHING:
        return f"{line}\na batch changes nothing here: one image alone takes {alone:,} cycles by the model"
    return (
        f"{line}\none image alone takes {alone:,} cycles by the model, {MEGA / alone:,.1f} images in "
        f"{MEGA:,}; in the batch {100 * abs(less):.1f} % {'fewer' if less > 0 else 'more'}"
    )
