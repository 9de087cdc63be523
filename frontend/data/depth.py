"""Images of more than 8 bits a channel as images of 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from shiftbook.golden.errors import ShiftbookError

GREY = ("L", "1", "I;16", "I;16L", "I;16B", "I")
"""Pillow's modes of grey pixels; what it scales itself to 8 bits is L already."""


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
        Its pixels have 32 bits: nothing says which number is white.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG")):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ShiftbookError(f"{name} has pixels of 32 bits: save it with 8 or 16 bits a channel")
    return image
