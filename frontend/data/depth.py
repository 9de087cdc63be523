"""Images of more than 8 bits a channel as images of 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from shiftbook.golden.errors import ShiftbookError

GREY = ("L", "1", "I;16", "I;16L", "I;16B", "I")
"""Pillow's modes of grey pixels; what it scales itself to 8 bits is L already."""

BITS, PHOTOMETRIC = 258, 262
"""Tags of a TIFF file: bits a channel, and whether 0 is white."""

WHITE_IS_ZERO = 0


def to_8_bits(image: Image.Image, name: str | Path) -> Image.Image:
    """The image with 8 bits a channel: of 16 the upper 8, so that the darkest and the lightest stay so.

    Pillow does the same to 16-bit colours when it reads them; 16-bit grey it would clip.

    Parameters
    ----------
    image
        As Pillow opened it.
    name
        For errors.

    Raises
    ------
    ShiftbookError
        Its pixels have 32 bits or a sign: nothing says which number is white.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG")):
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(BITS, (16,))[0]
        pixels = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
        return Image.fromarray(~pixels if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else pixels)
    if image.mode in ("I", "F"):
        bits = getattr(image, "tag_v2", {}).get(BITS, (32,))[0]
        kind = f"of {bits} bits with a sign" if bits < 32 else f"of {bits} bits"
        raise ShiftbookError(f"{name} has pixels {kind}: save it with 8 or 16 bits a channel")
    return image
