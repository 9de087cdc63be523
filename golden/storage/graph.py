"""A network's graph as JSON values: everything of a checkpoint that is not in its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget, limits
from shiftbook.golden.model.checks import MAX_CODEWORDS
from shiftbook.golden.model.function_table import ENTRIES, FunctionTable
from shiftbook.golden.model.integer import LARGEST_ACTIVATION
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.weights import Codebooks
from shiftbook.golden.spec import Spec
from shiftbook.golden.storage.fields import JSON, MAX_INTEGER, Fields
from shiftbook.golden.storage.nodes import node_fields, node_tensors, read_node
from shiftbook.golden.storage.nodes.base import Coding, Reading
from shiftbook.golden.storage.packing import pack_codebooks, pack_requantize, unpack_codebooks
from shiftbook.golden.storage.requantizers import read_requantize, requantize_name, shared_fields

Take = Callable[[str], Bytes]


def codebook_names(number: int) -> tuple[str, str]:
    """The tensors of one set of codebooks: its codewords and its tables."""
    return f"{number}.codewords", f"{number}.codeword_tables"


def function_name(number: int) -> str:
    """The tensor of one function table."""
    return f"{number}.function"


def graph_of(network: Network, spec: Spec) -> JSON:
    """The graph, without coding and checksums."""
    coding = Coding(network.slots, network.codebooks, network.functions, spec)
    functions = [{"zero_point": int(table.zero_point)} for table in coding.functions]
    return {
        "codebooks": [list(codebooks.codewords.shape) for codebooks in coding.codebooks],
        **({"functions": functions} if functions else {}),
        "input": {
            "name": network.input.name,
            "shape": list(network.input.shape),
            "requantize": shared_fields(network.input.requantize, coding.functions),
        },
        "nodes": [node_fields(node, coding) for node in network.nodes],
        "slots": network.slots,
        "scales": network.scales,
        "classes": list(network.classes),
        "facts": network.facts,
        **({"outputs": list(network.outputs)} if network.outputs else {}),
    }


def tensors_of(network: Network, spec: Spec) -> dict[str, Bytes]:
    """The tensors, by name."""
    coding = Coding(network.slots, network.codebooks, network.functions, spec)
    tensors = {requantize_name(network.input.name): pack_requantize(network.input.requantize)}
    for number, codebooks in enumerate(coding.codebooks):
        tensors.update(zip(codebook_names(number), pack_codebooks(codebooks, spec), strict=True))
    for number, table in enumerate(coding.functions):
        tensors[function_name(number)] = np.frombuffer(table.values, np.uint8)
    for node in network.nodes:
        tensors.update(node_tensors(node, coding))
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
    bounds = limits()
    functions = _functions(fields, take) if "functions" in graph else ()
    reading = Reading(Coding(slots, _codebooks(fields, take), functions, spec), take, Budget(bounds))
    nodes = fields.take("nodes", list)
    bounds.check("the network has too many nodes", "nodes", len(nodes))
    network = Network(
        input=_input(Fields(fields.take("input", dict), "the input"), take, functions),
        nodes=tuple(read_node(Fields(node, f"node {number}"), reading) for number, node in enumerate(nodes)),
        slots=slots,
        scales=fields.numbers("scales"),
        classes=fields.texts("classes"),
        facts=fields.take("facts", dict),
        outputs=fields.texts("outputs") if "outputs" in graph else (),
    )
    fields.finish()
    if set(tensors) - used:
        raise ShiftbookError(f"tensors that no node uses: {', '.join(sorted(set(tensors) - used))}")
    return network


def _input(fields: Fields, take: Take, functions: tuple[FunctionTable, ...]) -> Input:
    name = fields.text("name")
    height, width, channels = fields.integers("shape", 3)
    shared = fields.take("requantize", dict)
    fields.finish()
    requantize = read_requantize(shared, "the input", take(requantize_name(name)), channels, functions)
    return Input(name, (height, width, channels), requantize)


def _functions(fields: Fields, take: Take) -> tuple[FunctionTable, ...]:
    """The function tables, all of them; a file without any has no such field."""
    tables = []
    for number, shared in enumerate(fields.take("functions", list)):
        own = Fields(shared, f"function table {number}")
        zero_point = own.integer("zero_point", 0, LARGEST_ACTIVATION)
        own.finish()
        values = take(function_name(number))
        if len(values) != ENTRIES:
            raise ShiftbookError(f"{own.what} must hold {ENTRIES} bytes, not {len(values)}")
        tables.append(FunctionTable(values.tobytes(), zero_point))
    return tuple(tables)


def _codebooks(fields: Fields, take: Take) -> tuple[Codebooks, ...]:
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
