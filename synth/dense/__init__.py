"""A dense int8 array, parallel over pixels, output and input channels: the rival that needs no rotators."""
