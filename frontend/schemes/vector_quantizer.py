"""One layer whose weights are the sums of codewords that other layers may name too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from shiftbook.frontend.codebooks import Layout, SharedCodebooks
from shiftbook.frontend.codebooks.encode import decode
from shiftbook.frontend.schemes.base import QuantizedLayer, Quantizer
from shiftbook.golden.coding.vectors import vector_weights
from shiftbook.golden.model import weights as golden_weights
from shiftbook.golden.spec import Spec


@dataclass
class Finished:
    """Codebooks as the checkpoint holds them, and the new code of each old one."""

    codebooks: golden_weights.Codebooks
    renamed: Tensor


class VectorQuantizer(Quantizer):
    """One layer's codes; the weights it returns do not depend on those it is given until the next fit.

    Parameters
    ----------
    shared
        The codebooks, which other layers may name too.
    layout
        How the layer's weights make up vectors.
    codes
        uint8 [O, W, V, M].
    present
        bool [O, W, V]: false where a vector is all zeros.
    scale
        float32 [O, 1, 1, 1]: what 1 in a codeword's values is worth in each output channel.
    spec
        Its slots.
    """

    by_place = True

    def __init__(
        self,
        shared: SharedCodebooks,
        layout: Layout,
        codes: Tensor,
        present: Tensor,
        scale: Tensor,
        mask: Tensor,
        scheme: str,
        spec: Spec,
    ) -> None:
        super().__init__(scale, mask, scheme, {"along": layout.along})
        self.shared, self.layout, self.codes, self.present = shared, layout, codes, present
        self.spec = spec
        self.finished: Finished | None = None

    def nearest(self, scaled: Tensor) -> Tensor:
        return self._placed(decode(self.shared.integers, self.codes.flatten(0, 2)))

    def __call__(self, weight: Tensor) -> Tensor:
        return self._placed(self.shared.decode(self.codes.flatten(0, 2))) * self.step

    def parameters(self) -> list[nn.Parameter]:
        return [self.shared.values]

    def saved(self) -> dict[str, Tensor]:
        return {
            "codes": self.codes,
            "present": self.present,
            "scale": self.step,
            "values": self.shared.values.detach(),
            "step": torch.tensor(self.shared.step, dtype=torch.float64),
        }

    def draw(self, share: float, generator: torch.Generator) -> Tensor:
        """Return a mask [O, I, kh, kw] that is true for a random share of the vectors."""
        drawn = torch.rand(self.present.shape, generator=generator) < share
        return self.layout.scatter(drawn[..., None].expand(-1, -1, -1, self.layout.shape[2]))

    def refine_scale(self, weight: Tensor) -> None:
        """Give each channel the scale that brings its codes nearest to the weights; never of another sign."""
        with torch.no_grad():
            unit = self(weight) / self.step
        energy = unit.square().sum(dim=(1, 2, 3), keepdim=True)
        best = (unit * weight).sum(dim=(1, 2, 3), keepdim=True) / energy.clamp(min=1e-30)
        self.step = torch.where(best * self.step > 0, best, self.step)

    def layer(self, weight: Tensor, alpha: float = 1.0, rounded: Tensor | None = None) -> QuantizedLayer:
        """Return the codes for good; ``Scheme.finish`` came before."""
        assert self.finished is not None
        codes = torch.stack(
            [self.finished.renamed[m][self.codes[..., m].long()] for m in range(self.codes.shape[3])], dim=3
        )
        vectors = golden_weights.Vectors(
            self.finished.codebooks, codes.numpy(), self.present.numpy(), self.layout.along
        )
        shape = (len(codes), *self.layout.kernel, self.layout.channels)
        weights = vector_weights(vectors, shape, self.scheme, self.spec.slots, self.spec)
        step = (self.step * self.shared.step * alpha).reshape(-1).numpy().astype(np.float32)
        return QuantizedLayer(
            weights.integers, step, weights.codebook, self.scheme, self.facts, weights.vectors
        )

    def _placed(self, vectors: Tensor) -> Tensor:
        """The weights [O, I, kh, kw] of vectors [O W V, d]; those that are not present are zeros."""
        vectors = vectors.reshape(*self.present.shape, -1)
        return self.layout.scatter(vectors * self.present[..., None])
