"""Weights as vectors, each the sum of codewords from codebooks that layers share: the common part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from shiftbook.frontend.codebooks import Codebooks, Layout, SharedCodebooks, check_sizes, fit
from shiftbook.frontend.codebooks.encode import encode
from shiftbook.frontend.codebooks.grid import allowed
from shiftbook.frontend.codebooks.vectors import as_vectors, workers
from shiftbook.frontend.schemes.base import Part, Quantizer, Scheme
from shiftbook.frontend.schemes.int8 import Int8
from shiftbook.frontend.schemes.vector_quantizer import Finished, VectorQuantizer
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import Spec

FIRST_ITERATIONS = 25
"""Updates of codebooks and codes in the first fit."""

ITERATIONS = 1
"""Updates in a fit that goes on from the last one."""


class VectorScheme(Scheme):
    """Codebooks fitted to the vectors of all layers together.

    A layer in which a slot has fewer positions than a vector has weights becomes int8.

    Parameters
    ----------
    dim
        d: weights of a vector.
    codebooks
        M: codewords that add up to a vector.
    codewords
        K: codewords in each codebook, a power of two in 2..256.
    terms
        T: each weight of a codeword is a sum of at most T signed powers of two; None for any integer.
    bits
        Of a codeword's integers.
    per_layer
        One set of codebooks for each layer; else one for all.
    spec
        Its slots are those whose positions the vectors are cut from.
    """

    lowest_bits = 2
    highest_bits = 8
    density = 1.0
    incremental = False

    def __init__(
        self,
        *,
        dim: int,
        codebooks: int,
        codewords: int,
        terms: int | None,
        bits: int,
        per_layer: bool,
        spec: Spec,
    ) -> None:
        super().__init__(bits)
        check_sizes(codebooks, codewords)
        allowed(terms, bits)
        if codebooks > spec.codebooks:
            raise ShiftbookError(f"codebooks must be in 1..{spec.codebooks}, not {codebooks}")
        if not 1 <= dim <= spec.vector_size:
            raise ShiftbookError(f"dim must be in 1..{spec.vector_size}, not {dim}")
        self.dim, self.codebooks, self.codewords = dim, codebooks, codewords
        self.terms, self.per_layer, self.spec = terms, per_layer, spec

    def describe(self) -> dict[str, object]:
        return {
            "dim": self.dim,
            "codebooks": self.codebooks,
            "codewords": self.codewords,
            "terms": self.terms,
            "bits": self.bits,
            "per_layer": self.per_layer,
        }

    def values(self) -> frozenset[int]:
        return frozenset(int(value) for value in allowed(self.terms, self.bits))

    def saliency(self, weight: Tensor) -> Tensor:
        """Return the size of the vector that each weight belongs to, so that whole vectors are pruned."""
        part = weight.detach()
        if not self._fits(part.shape):
            return part
        layout = self._layout(part.shape)
        count = layout.exists.sum(dim=2).clamp(min=1)
        size = (layout.gather(part).square().sum(dim=3) / count).sqrt()
        return layout.scatter(size[..., None].expand(-1, -1, -1, self.dim))

    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        return self.fit_all([Part(weight=weight, mask=mask, generator=generator)])[0]

    def fit_all(self, parts: Sequence[Part], progress: Progress = quiet) -> list[Quantizer]:
        fitting = [number for number, part in enumerate(parts) if self._fits(part.weight.shape)]
        if not fitting:
            raise ShiftbookError(self._nothing_fits())
        found: dict[int, Quantizer] = {}
        for group in [[number] for number in fitting] if self.per_layer else [fitting]:
            quantizers = self._fit_group([parts[number] for number in group], progress)
            found |= dict(zip(group, quantizers, strict=True))
        for number, part in enumerate(parts):
            if number not in found:
                found[number] = Int8().fit(part.weight, part.mask, part.generator)
        return [found[number] for number in range(len(parts))]

    def follow(self, parts: Sequence[Part]) -> None:
        """Choose codes anew for the weights of this moment; codebooks and scales stay."""
        groups: dict[SharedCodebooks, list[tuple[Part, VectorQuantizer]]] = {}
        for part in parts:
            if isinstance(part.previous, VectorQuantizer):
                groups.setdefault(part.previous.shared, []).append((part, part.previous))
        for shared, members in groups.items():
            _follow(shared, members)

    def restore(self, parts: Sequence[Part], saved: Sequence[Mapping[str, Tensor]]) -> list[Quantizer]:
        shared: SharedCodebooks | None = None
        found: list[Quantizer] = []
        for part, tensors in zip(parts, saved, strict=True):
            if not tensors:
                found.append(Int8().fit(part.weight, part.mask, part.generator))
                continue
            if shared is None or self.per_layer:
                shared = SharedCodebooks(tensors["values"], float(tensors["step"]), self.terms, self.bits)
            codes, present, scale = (tensors[name] for name in ("codes", "present", "scale"))
            found.append(
                self._quantizer(shared, self._layout(part.weight.shape), codes, present, scale, part)
            )
        return found

    def finish(self, quantizers: Sequence[Quantizer]) -> None:
        groups: dict[SharedCodebooks, list[VectorQuantizer]] = {}
        for quantizer in quantizers:
            if isinstance(quantizer, VectorQuantizer):
                groups.setdefault(quantizer.shared, []).append(quantizer)
        for shared, members in groups.items():
            finished = Finished(*shared.finish([q.codes[q.present] for q in members], self.spec))
            for quantizer in members:
                quantizer.finished = finished

    def _fits(self, shape: torch.Size) -> bool:
        """Tell whether a layer of this shape [O, I, kh, kw] can have vectors."""
        _, channels, height, width = shape
        return Layout.fits((height, width), channels, self.dim, self.spec)

    def _nothing_fits(self) -> str:
        """What to say where no layer can have vectors."""
        return f"no layer has room for vectors of {self.dim} weights in a slot: take a smaller dim"

    def _layout(self, shape: torch.Size) -> Layout:
        _, channels, height, width = shape
        return Layout((height, width), channels, self.dim, self.spec)

    def _fit_group(self, parts: Sequence[Part], progress: Progress) -> list[Quantizer]:
        """Fit one set of codebooks to some layers."""
        layouts = [self._layout(part.weight.shape) for part in parts]
        kept = [torch.where(part.mask, part.weight.detach().float(), 0.0) for part in parts]
        scales = [_channel_scale(part, weight) for part, weight in zip(parts, kept, strict=True)]
        vectors = [la.gather(w / s) for la, w, s in zip(layouts, kept, scales, strict=True)]
        present = [v.abs().amax(dim=3) > 0 for v in vectors]
        shared, start = _previous([part.previous for part in parts], present)
        found = self._fit_vectors(
            torch.cat([v[p] for v, p in zip(vectors, present, strict=True)]),
            _importance(parts, layouts, present),
            start,
            int(torch.randint(1 << 31, (1,), generator=parts[0].generator)),
            progress,
        )
        if shared is None:
            shared = SharedCodebooks(found.real, found.step, self.terms, self.bits)
        else:
            shared.assign(found)
        result: list[Quantizer] = []
        first = 0
        for part, layout, there, scale, weight in zip(parts, layouts, present, scales, kept, strict=True):
            codes = torch.zeros(*there.shape, self.codebooks, dtype=torch.uint8)
            count = int(there.sum())
            codes[there] = found.codes[first : first + count]
            first += count
            quantizer = self._quantizer(shared, layout, codes, there, scale, part)
            quantizer.refine_scale(weight)
            result.append(quantizer)
        return result

    def _fit_vectors(
        self,
        vectors: Tensor,
        importance: Tensor | None,
        start: Codebooks | None,
        seed: int,
        progress: Progress,
    ) -> Codebooks:
        """Fit codebooks to vectors [N, d]; where there are none, all codewords are zeros."""
        if len(vectors) == 0:
            zeros = torch.zeros(self.codebooks, self.codewords, self.dim, dtype=torch.int16)
            return Codebooks(zeros, 1.0, torch.zeros(0, self.codebooks, dtype=torch.uint8), 0)
        return fit(
            vectors,
            codebooks=self.codebooks,
            codewords=self.codewords,
            terms=self.terms,
            bits=self.bits,
            importance=importance,
            iterations=FIRST_ITERATIONS if start is None else ITERATIONS,
            seed=seed,
            start=start,
            progress=progress,
        )

    def _quantizer(
        self,
        shared: SharedCodebooks,
        layout: Layout,
        codes: Tensor,
        present: Tensor,
        scale: Tensor,
        part: Part,
    ) -> VectorQuantizer:
        return VectorQuantizer(shared, layout, codes, present, scale, part.mask, self.name, self.spec)


def _follow(shared: SharedCodebooks, members: Sequence[tuple[Part, VectorQuantizer]]) -> None:
    """One step of coordinate descent over the codes of layers that share codebooks."""
    quantizers = [quantizer for _, quantizer in members]
    parts = [part for part, _ in members]
    vectors = [q.layout.gather(p.weight.detach() / q.step)[q.present] for p, q in members]
    importance = _importance(parts, [q.layout for q in quantizers], [q.present for q in quantizers])
    codes = torch.cat([q.codes[q.present] for q in quantizers])
    with workers() as each:
        encode(as_vectors(torch.cat(vectors), importance), shared.real, codes, range(0), each)
    for quantizer, part in zip(quantizers, codes.split([len(v) for v in vectors]), strict=True):
        quantizer.codes[quantizer.present] = part


def _channel_scale(part: Part, weight: Tensor) -> Tensor:
    """Deviation of each output channel's weights [O, 1, 1, 1], with the sign of what follows."""
    size = weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    scale = torch.where(size > 0, size, torch.ones_like(size))
    return scale if part.sign is None else scale * part.sign.reshape(-1, 1, 1, 1)


def _importance(parts: Sequence[Part], layouts: Sequence[Layout], present: Sequence[Tensor]) -> Tensor | None:
    """How much the error of each element counts, [N, d]; None where all count alike.

    An element's error counts by the mean square of its input, relative to the layer's average; elements
    without a weight do not count.
    """
    if all(part.moments is None for part in parts) and all(bool(la.exists.all()) for la in layouts):
        return None
    rows = []
    for part, layout, there in zip(parts, layouts, present, strict=True):
        weight = layout.exists.float()
        if part.moments is not None:
            weight = weight * layout.gather((part.moments / part.moments.mean().clamp(min=1e-30))[None])[0]
        rows.append(weight.expand(*there.shape, -1)[there])
    return torch.cat(rows)


def _previous(
    quantizers: Sequence[Quantizer | None], present: Sequence[Tensor]
) -> tuple[SharedCodebooks | None, Codebooks | None]:
    """The codebooks of the last fit, and where this one can go on from it."""
    last = [q for q in quantizers if isinstance(q, VectorQuantizer)]
    if len(last) < len(quantizers):
        return None, None
    shared = last[0].shared
    codes = torch.cat([q.codes[p] for q, p in zip(last, present, strict=True)])
    return shared, Codebooks(shared.integers.short(), shared.step, codes, FIRST_ITERATIONS)
