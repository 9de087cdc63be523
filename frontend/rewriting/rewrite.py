"""All rewrites of a graph, in the order in which they find most to do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.rewriting.activations import recognize_activations
from shiftbook.frontend.rewriting.affine import fold_affine, fold_input
from shiftbook.frontend.rewriting.blocks import make_blocks
from shiftbook.frontend.rewriting.carriers import give_carriers
from shiftbook.frontend.rewriting.channels import make_dense
from shiftbook.frontend.rewriting.products import make_gates
from shiftbook.frontend.rewriting.resampling import resample
from shiftbook.frontend.rewriting.scales import make_scale_layers
from shiftbook.frontend.rewriting.scales_of_file import take_scales
from shiftbook.frontend.rewriting.scores import drop_final_activation
from shiftbook.frontend.rewriting.selections import place_selections
from shiftbook.frontend.rewriting.slopes import split_slopes
from shiftbook.frontend.rewriting.upsampling import interleave


@dataclass(frozen=True)
class Rewritten:
    """What rewriting took out of a graph.

    Attributes
    ----------
    left_out
        Name of the activation behind the class scores that is not there any more, or "".
    scale, offset
        [C] of ``scale * image + offset``, which the graph did itself with the normalized image before; None
        where it did nothing.
    """

    left_out: str
    scale: Tensor | None
    offset: Tensor | None


def rewrite(graph: GraphModel) -> Rewritten:
    """Rewrite a graph in place into operations that layers can be made of; it computes the same scores.

    What can become no layer stays as it is, for fusing to name.
    """
    with torch.no_grad():
        take_scales(graph)
        left_out = drop_final_activation(graph)
        recognize_activations(graph)
        folded = fold_input(graph)
        resample(graph)
        interleave(graph)
        make_blocks(graph)
        make_dense(graph)
        fold_affine(graph)
        make_gates(graph)
        make_scale_layers(graph)
        place_selections(graph)
        split_slopes(graph)
        give_carriers(graph)
    graph.drop_unused()
    scale, offset = folded or (None, None)
    return Rewritten(left_out, scale, offset)
