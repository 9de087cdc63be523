"""The parameter-free shortcut of the CIFAR ResNets ("option A") as a module of its own."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from shiftbook.golden.errors import ShiftbookError


class Subsample(nn.Module):
    """Keep every ``stride``-th pixel and put channels of zeros on both sides.

    Written as one module so that tracing recognises it by type; hardware needs no arithmetic for it.

    Parameters
    ----------
    stride
        Rows and columns from one kept pixel to the next.
    before, after
        Channels of zero in front of and behind the tensor's own.

    Source: He et al. 2015, "Deep residual learning", section 4.2, option (A).
    """

    def __init__(self, stride: int, before: int, after: int) -> None:
        super().__init__()
        if stride < 1:
            raise ShiftbookError(f"stride must be positive, not {stride}")
        if before < 0 or after < 0:
            raise ShiftbookError(f"before and after must not be negative, not {before} and {after}")
        self.stride, self.before, self.after = stride, before, after

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, before + C + after, ceil(H / stride), ceil(W / stride)]."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"stride={self.stride}, before={self.before}, after={self.after}"
