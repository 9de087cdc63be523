"""What data is called, known without reading any."""

DIGITS = "digits"
"""Name of the built-in set: 1,797 images of 8x8 pixels."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})
"""Of files that are images."""
