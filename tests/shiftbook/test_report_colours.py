"""Colours that all can tell apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from shiftbook.report.palette import COLOURS, HUES


def test_colours_that_plots_use_are_all_different() -> None:
    assert len({pair[0] for pair in COLOURS.values()}) == len(COLOURS)


SEEN_BY = {
    "most": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopes": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
"""On linear RGB. Source: Machado, Oliveira and Fernandes, A Physiologically-based Model, 2009; severity 1."""

TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def _lab(colour: str, sight: str) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen."""
    coded = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(SEEN_BY[sight] @ linear, 0, 1) / WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SEEN_BY)
@pytest.mark.parametrize("dark", [False, True])
def test_hues_are_told_apart(sight: str, dark: bool) -> None:
    """By all, on either page: 2.3 is a difference just seen."""
    seen = [_lab(COLOURS[hue][dark], sight) for hue in HUES]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15
