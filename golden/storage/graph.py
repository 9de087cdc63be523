"""A network's graph as JSON values: everything of a checkpoint that is not in its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget, limits
from shiftbook.golden.model.network import (
    Along,
    Codebooks,
    Concat,
    Conv,
    Input,
    Network,
    Node,
    Pool,
    Requantize,
    Subsample,
)
from shiftbook.golden.model.validate import MAX_CODEWORDS
from shiftbook.golden.spec import Spec
from shiftbook.golden.storage.packing import (
    LayerShape,
    is_balanced,
    pack_codebooks,
    pack_layer,
    pack_requantize,
    unpack_codebooks,
    unpack_layer,
    unpack_requantize,
)

JSON = dict[str, Any]

MAX_INTEGER = 1 << 20
MAX_POSITIONS = 1 << 31
"""Bounds of what a graph may state, far above anything real, so that nothing absurd is computed with it.
What it may ask for in all, `golden.limits` says."""


def tensor_names(name: str, *, weights: bool) -> tuple[str, ...]:
    """The tensors of one node: its requantizer, and a convolution's streams and tables."""
    parts = ("streams", "tables", "requantize") if weights else ("requantize",)
    return tuple(f"{name}.{part}" for part in parts)


def codebook_names(number: int) -> tuple[str, str]:
    """The tensors of one set of codebooks: its codewords and its tables."""
    return f"{number}.codewords", f"{number}.codeword_tables"


def graph_of(network: Network) -> JSON:
    """The graph, without coding and checksums."""
    sets = network.codebooks
    return {
        "codebooks": [list(codebooks.codewords.shape) for codebooks in sets],
        "input": {
            "name": network.input.name,
            "shape": list(network.input.shape),
            "requantize": _shared(network.input.requantize),
        },
        "nodes": [_node_json(node, network.slots, sets) for node in network.nodes],
        "slots": network.slots,
        "scales": network.scales,
        "classes": list(network.classes),
        "facts": network.facts,
    }


def tensors_of(network: Network, spec: Spec) -> dict[str, Bytes]:
    """The tensors, by name."""
    tensors = {}
    (name,) = tensor_names(network.input.name, weights=False)
    tensors[name] = pack_requantize(network.input.requantize)
    for number, codebooks in enumerate(network.codebooks):
        tensors.update(zip(codebook_names(number), pack_codebooks(codebooks, spec), strict=True))
    for node in network.nodes:
        if isinstance(node, Conv):
            streams, tables, requantize = tensor_names(node.name, weights=True)
            packed = pack_layer(node.weights, network.slots, spec)
            tensors[streams] = packed.streams
            tensors[tables] = packed.tables
            tensors[requantize] = pack_requantize(node.requantize)
        elif isinstance(node, Pool) and node.requantize is not None:
            (name,) = tensor_names(node.name, weights=False)
            tensors[name] = pack_requantize(node.requantize)
    return tensors


def network_from(graph: JSON, tensors: Mapping[str, Bytes], spec: Spec) -> Network:
    """The network of a graph and its tensors.

    Raises
    ------
    ShiftbookError
        A field is missing, unknown or of the wrong type; a tensor is missing, superfluous or does not
        decode. Whether the nodes fit together is for ``golden.model.validate`` to say.
    """
    used: set[str] = set()

    def take(name: str) -> Bytes:
        if name not in tensors:
            raise ShiftbookError(f"tensor {name} is missing")
        used.add(name)
        return tensors[name]

    fields = Fields(graph, "the graph")
    slots = fields.integer("slots", 1, 16)
    sets = _codebooks(fields, take)
    bounds = limits()
    budget = Budget(bounds)
    nodes = fields.take("nodes", list)
    bounds.check("the network has too many nodes", "nodes", len(nodes))
    network = Network(
        input=_input(Fields(fields.take("input", dict), "the input"), take),
        nodes=tuple(
            _node(Fields(node, f"node {number}"), slots, sets, spec, take, budget)
            for number, node in enumerate(nodes)
        ),
        slots=slots,
        scales=fields.numbers("scales"),
        classes=fields.texts("classes"),
        facts=fields.take("facts", dict),
    )
    fields.finish()
    if set(tensors) - used:
        raise ShiftbookError(f"tensors that no node uses: {', '.join(sorted(set(tensors) - used))}")
    return network


@dataclass
class Fields:
    """A JSON object whose fields are taken one by one, each with the type that it must have."""

    values: JSON
    what: str

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise ShiftbookError(f"{self.what} must be an object, not {self.values!r:.40}")
        self._left = set(self.values)

    def take(self, name: str, kind: type) -> Any:
        """A field of exactly this type."""
        self._left.discard(name)
        value = self.values.get(name)
        if type(value) is not kind:
            raise ShiftbookError(
                f"{self.what}: field {name!r} must be of type {kind.__name__}, not {value!r:.40}"
            )
        return value

    def integer(self, name: str, low: int = 0, high: int = MAX_INTEGER) -> int:
        """An integer field in low..high."""
        value = self.take(name, int)
        if not low <= value <= high:
            raise ShiftbookError(f"{self.what}: field {name!r} must be in {low}..{high}, not {value}")
        return cast(int, value)

    def integers(self, name: str, count: int) -> tuple[int, ...]:
        """A field with ``count`` integers >= 0."""
        values = self.take(name, list)
        if len(values) != count or not all(type(v) is int and 0 <= v <= MAX_INTEGER for v in values):
            raise ShiftbookError(
                f"{self.what}: field {name!r} must hold {count} integers, not {values!r:.40}"
            )
        return tuple(values)

    def text(self, name: str) -> str:
        """A text field that is not empty."""
        value = self.take(name, str)
        if not value:
            raise ShiftbookError(f"{self.what}: field {name!r} must not be empty")
        return cast(str, value)

    def text_or_none(self, name: str) -> str | None:
        """A text field, or null."""
        return None if name in self.values and self._none(name) else self.text(name)

    def integer_or_none(self, name: str) -> int | None:
        """An integer field >= 0, or null."""
        return None if name in self.values and self._none(name) else self.integer(name)

    def object_or_none(self, name: str) -> JSON | None:
        """An object field, or null."""
        return None if name in self.values and self._none(name) else cast(JSON, self.take(name, dict))

    def list_or_none(self, name: str) -> list[Any] | None:
        """A list field, or null."""
        return None if name in self.values and self._none(name) else cast(list[Any], self.take(name, list))

    def texts(self, name: str) -> tuple[str, ...]:
        """A field with any number of texts."""
        values = self.take(name, list)
        if not all(type(value) is str for value in values):
            raise ShiftbookError(f"{self.what}: field {name!r} must hold texts, not {values!r:.40}")
        return tuple(values)

    def numbers(self, name: str) -> dict[str, float]:
        """A field with numbers by name."""
        values = self.take(name, dict)
        if not all(type(value) in (int, float) for value in values.values()):
            raise ShiftbookError(f"{self.what}: field {name!r} must hold numbers, not {values!r:.40}")
        return {key: float(value) for key, value in values.items()}

    def finish(self) -> None:
        """Check that every field was taken."""
        if self._left:
            raise ShiftbookError(f"{self.what}: unknown fields {', '.join(sorted(self._left))}")

    def _none(self, name: str) -> bool:
        self._left.discard(name)
        return self.values[name] is None


Take = Callable[[str], Bytes]
Sets = tuple[Codebooks, ...]


def _node_json(node: Node, slots: int, sets: Sets) -> JSON:
    if isinstance(node, Concat):
        return {"type": "concat", "name": node.name, "sources": list(node.sources)}
    if isinstance(node, Subsample):
        return {
            "type": "subsample",
            "name": node.name,
            "source": node.source,
            "stride": node.stride,
            "before": node.before,
            "after": node.after,
        }
    common = {
        "name": node.name,
        "source": node.source,
        "stride": list(node.stride),
        "padding": list(node.padding),
        "requantize": _shared(node.requantize),
    }
    if isinstance(node, Pool):
        return {"type": "pool", "kind": node.kind, "kernel": list(node.kernel), **common}
    vectors = node.weights.vectors
    return {
        "type": "conv",
        "shape": list(node.weights.integers.shape),
        "codes": node.weights.codewords.shape[1],
        "scheme": node.weights.scheme,
        "gapless": node.weights.gapless,
        "balanced": is_balanced(node.weights, slots),
        "vectors": None if vectors is None else [sets.index(vectors.codebooks), vectors.along],
        "groups": node.groups,
        "residual": node.residual,
        **({"copies": node.copies} if node.copies > 1 else {}),
        **common,
    }


def _shared(parameters: Requantize | None) -> JSON | None:
    """The part of a requantizer that all channels share."""
    if parameters is None:
        return None
    return {
        "zero_point": int(parameters.zero_point),
        "low": int(parameters.low),
        "high": int(parameters.high),
        "residual_multiplier": parameters.residual_multiplier,
    }


def _requantize(fields: JSON, what: str, data: Bytes, channels: int) -> Requantize:
    shared = Fields(fields, f"{what}'s requantizer")
    zero_point, low, high = (shared.integer(name, 0, 255) for name in ("zero_point", "low", "high"))
    residual = shared.integer_or_none("residual_multiplier")
    shared.finish()
    return unpack_requantize(data, channels, zero_point, low, high, residual)


def _input(fields: Fields, take: Take) -> Input:
    name = fields.text("name")
    height, width, channels = fields.integers("shape", 3)
    (tensor,) = tensor_names(name, weights=False)
    shared = fields.take("requantize", dict)
    fields.finish()
    requantize = _requantize(shared, "the input", take(tensor), channels)
    return Input(name, (height, width, channels), requantize)


def _codebooks(fields: Fields, take: Take) -> Sets:
    """The sets of codebooks, all of them."""
    sets = []
    for number, shape in enumerate(fields.take("codebooks", list)):
        what = f"set {number} of codebooks"
        books, codewords, dim = Fields({"shape": shape}, what).integers("shape", 3)
        if not 0 < books * codewords * dim <= MAX_INTEGER or codewords > MAX_CODEWORDS:
            raise ShiftbookError(f"{what}: shape {shape} is absurd")
        streams, tables = (take(name) for name in codebook_names(number))
        try:
            sets.append(unpack_codebooks(streams, tables, (books, codewords, dim)))
        except ShiftbookError as error:
            raise ShiftbookError(f"{what}: {error}") from error
    return tuple(sets)


def _vectors(fields: Fields, sets: Sets) -> tuple[Codebooks, Along] | None:
    """The set of codebooks that a layer names, and how its vectors lie."""
    named = fields.list_or_none("vectors")
    if named is None:
        return None
    known = len(named) == 2 and type(named[0]) is int and type(named[1]) is str
    if not known or named[0] not in range(len(sets)) or named[1] not in get_args(Along):
        raise ShiftbookError(
            f"{fields.what}: vectors must name one of {len(sets)} sets of codebooks and one of "
            f"{get_args(Along)}, not {named!r:.40}"
        )
    return sets[named[0]], named[1]


def _node(fields: Fields, slots: int, sets: Sets, spec: Spec, take: Take, budget: Budget) -> Node:
    kind = fields.text("type")
    fields.what = f"layer {fields.text('name')}"
    node: Node
    if kind == "conv":
        node = _conv(fields, slots, sets, spec, take, budget)
    elif kind == "pool":
        node = _pool(fields, take)
    elif kind == "subsample":
        node = Subsample(
            name=fields.text("name"),
            source=fields.text("source"),
            stride=fields.integer("stride", 1),
            before=fields.integer("before"),
            after=fields.integer("after"),
        )
    elif kind == "concat":
        node = Concat(name=fields.text("name"), sources=fields.texts("sources"))
    else:
        raise ShiftbookError(f"{fields.what}: type must be conv, pool, subsample or concat, not {kind!r}")
    fields.finish()
    return node


def _conv(fields: Fields, slots: int, sets: Sets, spec: Spec, take: Take, budget: Budget) -> Conv:
    name = fields.text("name")
    outputs, rows, cols, channels = fields.integers("shape", 4)
    layer = LayerShape(
        shape=(outputs, rows, cols, channels),
        codes=fields.integer("codes", 1, spec.code_symbols),
        scheme=fields.text("scheme"),
        gapless=fields.take("gapless", bool),
        balanced=fields.take("balanced", bool),
        vectors=_vectors(fields, sets),
    )
    if not 0 < outputs * rows * cols * channels <= MAX_POSITIONS:
        raise ShiftbookError(f"{fields.what}: shape {layer.shape} is absurd")
    budget.weights(name, outputs * rows * cols * channels)  # before memory is taken for them
    residual = fields.text_or_none("residual")
    copies = fields.integer("copies", 1, MAX_INTEGER // outputs) if "copies" in fields.values else 1
    stride, padding = fields.integers("stride", 2), fields.integers("padding", 4)
    shared = fields.take("requantize", dict)
    streams, tables, requantize = (take(tensor) for tensor in tensor_names(name, weights=True))
    try:
        weights = unpack_layer(streams, tables, layer, slots, spec)
        parameters = _requantize(shared, fields.what, requantize, outputs * copies)
    except ShiftbookError as error:
        raise ShiftbookError(f"{fields.what}: {error}") from error
    return Conv(
        name=name,
        source=fields.text("source"),
        weights=weights,
        requantize=parameters,
        stride=cast(tuple[int, int], stride),
        padding=cast(tuple[int, int, int, int], padding),
        groups=fields.integer("groups", 1),
        residual=residual,
        copies=copies,
    )


def _pool(fields: Fields, take: Take) -> Pool:
    name, kind = fields.text("name"), fields.text("kind")
    if kind not in ("max", "average"):
        raise ShiftbookError(f"{fields.what}: kind must be max or average, not {kind!r}")
    shared = fields.object_or_none("requantize")
    parameters = None
    if shared is not None:
        (tensor,) = tensor_names(name, weights=False)
        parameters = _requantize(shared, fields.what, take(tensor), 1)
    return Pool(
        name=name,
        source=fields.text("source"),
        kind=cast(Any, kind),
        kernel=cast(tuple[int, int], fields.integers("kernel", 2)),
        stride=cast(tuple[int, int], fields.integers("stride", 2)),
        padding=cast(tuple[int, int, int, int], fields.integers("padding", 4)),
        requantize=parameters,
    )
