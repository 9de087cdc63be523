"""How photographs of any size get one shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import limits

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Frame:
    """How photographs of any size get one shape.

    Parameters
    ----------
    resize
        Pixels of the shorter side, by bicubic interpolation; None leaves the size.
    crop
        Side of the square that is cut from the middle then; None cuts nothing.

    Raises
    ------
    ShiftbookError
        A number below 1, or a crop that is larger than what it is cut from.
    """

    resize: int | None = None
    crop: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("resize", self.resize), ("crop", self.crop)):
            if value is not None and value < 1:
                raise ShiftbookError(f"{name} must be at least 1 pixel, not {value}")
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            raise ShiftbookError(f"crop must be at most resize, which is {self.resize}, not {self.crop}")

    def __bool__(self) -> bool:
        return self.resize is not None or self.crop is not None

    def __call__(self, image: Image, name: str | Path) -> Image:
        """The image in its new shape; ``name`` is for errors."""
        from PIL.Image import Resampling

        size = self._resized(image.size, name)
        if size != image.size:
            image = image.resize(size, Resampling.BICUBIC)
        if self.crop is not None:
            width, height = image.size
            if self.crop > min(width, height):
                raise ShiftbookError(
                    f"{name} is {height}x{width}, too small to cut {self.crop}x{self.crop} from: "
                    f"resize it to {self.crop} or more"
                )
            left, top = (width - self.crop) // 2, (height - self.crop) // 2
            image = image.crop((left, top, left + self.crop, top + self.crop))
        return image

    def size(self, before: tuple[int, int], name: str | Path) -> tuple[int, int]:
        """Width and height that an image of other width and height gets; ``name`` is for errors.

        Raises
        ------
        ShiftbookError
            Resized it would be larger than `golden.limits` allows.
        """
        resized = self._resized(before, name)
        return resized if self.crop is None else (self.crop, self.crop)

    def _resized(self, before: tuple[int, int], name: str | Path) -> tuple[int, int]:
        if self.resize is None:
            return before
        scale = self.resize / min(before)
        width, height = (max(self.resize, round(side * scale)) for side in before)
        what = f"{name} has too many pixels once its shorter side has {self.resize}"
        limits().check(what, "tensor", width * height)
        return width, height


AS_IT_IS = Frame()
