"""Specs that are quick to build."""

from dataclasses import replace

from golden.spec import DEFAULT, PRESETS, Spec

SHIFT = replace(DEFAULT, rows=4, cols=4, slots=2, requantizers=4, tile_words=256, codebook_rows=256)
"""Four beats a channel."""


def small(preset: str, **changes: object) -> Spec:
    """A preset with the small sizes of `SHIFT`."""
    base = PRESETS[preset]
    return replace(SHIFT, **{"lane": base.lane, "feed": base.feed, "terms": base.terms, **changes})
