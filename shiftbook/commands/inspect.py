"""`shiftbook inspect`: what a checkpoint stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from shiftbook.console import say, table
from shiftbook.golden.files import check_writable
from shiftbook.options import Checkpoint, Json

if TYPE_CHECKING:
    from shiftbook.golden.model.network import Network
    from shiftbook.golden.statistics.decomposed import DecomposedLayer, Savings
    from shiftbook.golden.statistics.sizes import Sizes


def inspect(checkpoint: Checkpoint, json_file: Json = None) -> None:
    """Show how many bits a checkpoint stores, and for what.

    \b
    Columns, by layer and in total:
      density      share of the weights that are not 0
      terms/w      signed powers of two per weight, zeros included
      stream b/w   bits of the Huffman coded streams per weight
      entropy b/w  the least that any such code could take
      tables       bits of codebooks and of code lengths; those that layers share have a line of their own,
                   where bits/w is of all weights
      side         bits of requantizer parameters, slots, bit counts and padding
      bits/w       all stored bits per weight
      ratio        the network in 32-bit floats over all of that

    Of a network whose layers were decomposed, a second table has a line for each layer as it was: modes and
    ranks of its tensor train, weights and products (MACs) of layer and chain, and the layer's 32-bit
    weights over the chain's stored bits.

    The ratio counts every bit of every stored tensor. The file's JSON header (names, graph, checksums) is
    shown apart, since it hardly grows with the network.

    The JSON also has each layer's integer weights: how often each occurs, the levels of its codebook, and of
    a focused layer the two components that its weights make, in integer steps, and the mixture that
    compress fitted, in real values.

    \b
    Example:
      shiftbook inspect digits.ckpt --json sizes.json
    """
    check_writable(json_file, inputs=[checkpoint])
    from shiftbook.golden.statistics.decomposed import decomposed_layers, savings
    from shiftbook.golden.statistics.sizes import stored_sizes
    from shiftbook.golden.storage.checkpoint import network_of, read
    from shiftbook.results.inspect import Inspection
    from shiftbook.results.writing import write_result

    contents = read(checkpoint)
    network = network_of(contents, checkpoint)
    sizes = stored_sizes(contents, network)
    report = inspect_report(checkpoint, network, sizes)
    chains = decomposed_layers(network, sizes)
    if chains:
        saved = savings(network, sizes, chains)
        report |= {"decomposed": [asdict(chain) for chain in chains], "saved": asdict(saved)}
    write_result(json_file, Inspection, report)
    say(size_table(sizes))
    if chains:
        say(f"\n{chain_table(chains, saved)}")


def inspect_report(checkpoint: Path, network: Network, sizes: Sizes) -> dict[str, object]:
    """The sizes, and how each layer's weights are distributed, as JSON values."""
    return {
        "checkpoint": str(checkpoint),
        "facts": network.facts,
        "ratio": sizes.ratio,
        "bits_per_weight": sizes.bits_per_weight,
        "weights": sizes.weights,
        "biases": sizes.biases,
        "stored_bits": sizes.stored_bits,
        "stream_bits": sizes.stream_bits,
        "entropy_bits": sizes.entropy_bits,
        "codebook_bits": sizes.codebook_bits,
        "other_bits": sizes.other_bits,
        "header_bytes": sizes.header_bytes,
        "layers": [
            {**layer.as_json(), **weights}
            for layer, weights in zip(sizes.layers, _distributions(network), strict=True)
        ],
    }


def _distributions(network: Network) -> list[dict[str, object]]:
    """Of each layer with weights; ``mixture`` is what compress fitted, where the checkpoint says it."""
    from shiftbook.golden.model.nodes import Conv
    from shiftbook.golden.statistics.distribution import MIXTURES, distribution
    from shiftbook.results.inspect import Mixture

    mixtures = network.facts.get(MIXTURES)
    known = mixtures if isinstance(mixtures, dict) else {}
    return [
        {**asdict(distribution(node.weights)), "mixture": Mixture.told(known.get(node.name))}
        for node in network.nodes
        if isinstance(node, Conv)
    ]


HEADER = (
    "layer",
    "scheme",
    "weights",
    "density",
    "terms/w",
    "stream b/w",
    "entropy b/w",
    "tables",
    "side",
    "bits/w",
)


def size_table(sizes: Sizes) -> str:
    """The sizes for people."""
    rows: list[tuple[object, ...]] = [
        (
            layer.name,
            layer.scheme,
            layer.weights,
            layer.density,
            layer.terms_per_weight,
            layer.stream_bits / layer.weights,
            layer.entropy_bits / layer.weights,
            layer.table_bits,
            layer.side_bits,
            layer.bits_per_weight,
        )
        for layer in sizes.layers
    ]
    layers, weights = sizes.layers, max(sizes.weights, 1)
    if sizes.codebook_bits:
        shared = ("codebooks", *(None,) * 6, sizes.codebook_bits, None, sizes.codebook_bits / weights)
        rows.append(shared)
    total = (
        "total",
        None,
        sizes.weights,
        sum(layer.nonzero for layer in layers) / weights,
        sum(layer.terms for layer in layers) / weights,
        sizes.stream_bits / weights,
        sizes.entropy_bits / weights,
        sum(layer.table_bits for layer in layers) + sizes.codebook_bits,
        sum(layer.side_bits for layer in layers) + sizes.other_bits,
        sizes.bits_per_weight,
    )
    summary = (
        f"ratio {sizes.ratio:.2f}x: {sizes.float_bytes:,} bytes as 32-bit floats, "
        f"{-(-sizes.stored_bits // 8):,} bytes of tensors, {sizes.header_bytes:,} bytes of header apart"
    )
    return f"{table(HEADER, [*rows, total])}\n{summary}"


CHAIN_HEADER = (
    "original layer",
    "modes",
    "ranks",
    "weights",
    "of chain",
    "ratio",
    "MACs",
    "of chain",
    "ratio",
    "stored ratio",
)


def chain_table(chains: Sequence[DecomposedLayer], saved: Savings) -> str:
    """What decomposing saved, for people."""
    rows = [
        (
            chain.name,
            "x".join(map(str, chain.modes)),
            "x".join(map(str, chain.ranks)),
            chain.dense_weights,
            chain.weights,
            chain.dense_weights / chain.weights,
            chain.dense_macs,
            chain.macs,
            chain.dense_macs / chain.macs,
            chain.ratio,
        )
        for chain in chains
    ]
    summary = (
        f"the whole network against what it was: {saved.weights:.2f}x fewer weights, {saved.macs:.2f}x fewer "
        f"MACs, {saved.ratio:.2f}x fewer bits"
    )
    return f"{table(CHAIN_HEADER, rows)}\n{summary}"
