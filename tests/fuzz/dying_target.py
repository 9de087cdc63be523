"""A target whose worker dies, as it does where a library's C code fails."""

from __future__ import annotations

import os
import random
from pathlib import Path


def mutate(rng: random.Random, folder: Path) -> Path:
    return folder


def judge(path: Path) -> bool:
    os._exit(1)
