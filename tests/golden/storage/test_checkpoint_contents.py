"""Checkpoints whose checksums are right, but not what they hold."""

from __future__ import annotations

import copy
import json
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiftbook.golden.coding.streams import encode
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage import checkpoint
from shiftbook.golden.storage.checkpoint import KEY, file_of, load, read, save
from tests.golden.checkpoints import activated, network, refused, same


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> checkpoint.Contents:
    """Graph (without tensor checksums) and tensors of a good file."""
    path = tmp_path_factory.mktemp("good") / "net"
    save(network(), path)
    return read(path)


def contents(good) -> tuple[dict, dict]:
    return copy.deepcopy(good.graph), dict(good.tensors)


def signed(graph, tensors) -> bytes:
    """A file with right checksums, whatever the content."""
    graph = {**graph, "sha256": {name: checkpoint._sha256(data.tobytes()) for name, data in tensors.items()}}
    return file_of(graph, tensors)


def node(graph, name):
    return next(node for node in graph["nodes"] if node["name"] == name)


def test_signed_contents_load(path, good):
    graph, tensors = contents(good)
    path.write_bytes(signed(graph, tensors))
    assert same(load(path), network())


def test_refuses_missing_and_extra_tensors(path, good):
    graph, tensors = contents(good)
    whole = {**graph, "sha256": {name: checkpoint._sha256(data.tobytes()) for name, data in tensors.items()}}
    less = {name: data for name, data in tensors.items() if name != "down.tables"}
    assert refused(path, file_of(whole, less)) == f"{path} is damaged: tensor down.tables is missing"
    more = {**tensors, "z": np.zeros(3, np.uint8)}
    assert refused(path, file_of(whole, more)) == f"{path} is damaged: tensor z does not belong to it"
    assert (
        refused(path, signed(graph, less)) == f"{path} is no valid checkpoint: tensor down.tables is missing"
    )
    assert (
        refused(path, signed(graph, more)) == f"{path} is no valid checkpoint: tensors that no node uses: z"
    )


@pytest.mark.parametrize("bad", [np.zeros(4, np.int8), np.zeros(4, np.float32), np.zeros((2, 2), np.uint8)])
def test_refuses_other_dtypes_and_shapes(path, good, bad):
    graph, tensors = contents(good)
    message = f"{path} is damaged: tensor stem.streams is not a row of bytes"
    assert refused(path, signed(graph, {**tensors, "stem.streams": bad})) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g["nodes"][1].update(source="nowhere"), "source 'nowhere' is no earlier layer"),
        (lambda g: node(g, "down").update(residual="head"), "residual 'head' is no earlier layer"),
        (lambda g: node(g, "down").update(residual=None), "layer down: "),
        (lambda g: g["nodes"].reverse(), "is no earlier layer"),
        (
            lambda g: g["nodes"].pop(0),
            "tensors that no node uses: stem.requantize, stem.streams, stem.tables",
        ),
        (lambda g: g["nodes"].append(g["nodes"][0]), "layer name stem is used twice"),
        (lambda g: g.update(nodes=[]), "tensors that no node uses"),
        (lambda g: g.update(nodes=[3]), "node 0 must be an object, not 3"),
        (lambda g: g.update(nodes={}), "the graph: field 'nodes' must be of type list, not {}"),
        (lambda g: g.update(slots=17), "the graph: field 'slots' must be in 1..16, not 17"),
        (lambda g: g.update(slots=True), "the graph: field 'slots' must be of type int, not True"),
        (lambda g: g.update(slots=2), "layer stem: "),
        (lambda g: g.update(more=1), "the graph: unknown fields more"),
        (lambda g: g.pop("scales"), "the graph: field 'scales' must be of type dict, not None"),
        (lambda g: g.update(scales={"a": "b"}), "the graph: field 'scales' must hold numbers"),
        (lambda g: g.update(classes=[1]), "the graph: field 'classes' must hold texts"),
        (lambda g: g["coding"].update(code_length=99), "code_length must be an integer in 8..15, not 99"),
        (lambda g: g["coding"].update(gap_symbols=4), "layer body.0: "),
        (
            lambda g: g["coding"].pop("gap_symbols"),
            "coding: field 'gap_symbols' must be of type int, not None",
        ),
        (lambda g: g["input"].update(shape=[8, 8]), "the input: field 'shape' must hold 3 integers"),
        (lambda g: g["input"].update(shape=[0, 8, 3]), "input shape must be (height, width, channels)"),
        (lambda g: g["input"].update(shape=[8, 8, 1 << 20]), "packed fields end at bit"),
        (lambda g: g["input"]["requantize"].update(low=256), "field 'low' must be in 0..255, not 256"),
        (lambda g: g["input"]["requantize"].update(low=99, high=98), "high clamp"),
        (
            lambda g: node(g, "stem").update(type="linear"),
            "type must be concat, conv, gate, interleave, pool, resample or subsample, not 'linear'",
        ),
        (lambda g: node(g, "stem").update(name=""), "field 'name' must not be empty"),
        (lambda g: node(g, "stem").update(shape=[8, 3, 3, 4]), "layer stem: "),
        (lambda g: node(g, "stem").update(shape=[8, 3, 0, 3]), "layer stem: shape (8, 3, 0, 3) is absurd"),
        (lambda g: node(g, "stem").update(shape=[1 << 20] * 4), "is absurd"),
        (lambda g: node(g, "stem").update(shape=[1 << 20, 3, 3, 3]), "the streams cannot hold"),
        (lambda g: node(g, "stem").update(codes=0), "field 'codes' must be in 1..256, not 0"),
        (lambda g: node(g, "stem").update(codes=9), "layer stem: "),
        (lambda g: node(g, "stem").update(gapless=False), "layer stem: "),
        (lambda g: node(g, "stem").update(balanced=True), "layer stem: "),
        (lambda g: node(g, "body.0").update(balanced=False), "layer body.0: "),
        (lambda g: node(g, "stem").update(scheme=3), "layer stem: field 'scheme' must be of type str, not 3"),
        (lambda g: node(g, "stem").update(groups=2), "layer stem: 2 groups"),
        (lambda g: node(g, "stem").update(stride=[0, 1]), "layer stem: stride"),
        (lambda g: node(g, "stem").update(padding=[0, 0, 0]), "field 'padding' must hold 4 integers"),
        (lambda g: node(g, "max").update(kind="min"), "layer max: kind must be max or average, not 'min'"),
        (lambda g: node(g, "max").update(kind="average"), "layer max: average pooling"),
        (lambda g: node(g, "mean").update(requantize=None), "tensors that no node uses: mean.requantize"),
        (lambda g: node(g, "short").update(after=5), "layer down: "),
        (
            lambda g: node(g, "short").update(stride=1.5),
            "layer short: field 'stride' must be of type int, not 1.5",
        ),
    ],
)
def test_refuses_a_graph_that_contradicts_itself(path, good, change, message):
    graph, tensors = contents(good)
    change(graph)
    line = refused(path, signed(graph, tensors))
    assert line.startswith(f"{path} is no valid checkpoint: ")
    assert message in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, t: node(g, "mean")["requantize"].update(function=2), "must name one of 2 function tables"),
        (
            lambda g, t: node(g, "mean")["requantize"].update(function=None),
            "field 'function' must be of type",
        ),
        (lambda g, t: g.pop("functions"), "must name one of 0 function tables, not 0"),
        (lambda g, t: g.update(functions=3), "field 'functions' must be of type list, not 3"),
        (lambda g, t: g["functions"].append({"zero_point": 1}), "tensor 2.function is missing"),
        (
            lambda g, t: g["functions"][0].update(zero_point=256),
            "function table 0: field 'zero_point' must be",
        ),
        (lambda g, t: g["functions"][0].update(more=1), "function table 0: unknown fields more"),
        (lambda g, t: t.update({"1.function": t["1.function"][1:]}), "1 must hold 256 bytes, not 255"),
        (lambda g, t: t.update({"2.function": t["1.function"]}), "tensors that no node uses: 2.function"),
    ],
)
def test_refuses_function_tables_that_are_none(path, change, message):
    save(activated(), path)
    graph, tensors = contents(read(path))
    change(graph, tensors)
    assert message in refused(path, signed(graph, tensors))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("body.0.streams", lambda d: d[:-1], "layer body.0: streams of "),
        ("body.0.streams", lambda d: np.append(d, 0), "layer body.0: streams of "),
        ("body.0.tables", lambda d: d[:-1], "layer body.0: "),
        ("body.0.tables", lambda d: np.append(d, 0), "layer body.0: "),
        ("body.0.requantize", lambda d: d[:-1], "layer body.0: packed fields end at bit"),
        ("body.0.requantize", lambda d: np.append(d, 0), "layer body.0: "),
        ("body.0.streams", lambda d: d[:0], "layer body.0: streams of "),
    ],
)
def test_refuses_tensors_of_another_size(path, good, name, change, message):
    graph, tensors = contents(good)
    tensors[name] = change(tensors[name]).astype(np.uint8)
    assert message in refused(path, signed(graph, tensors))


def test_refuses_padding_that_is_not_zero(path, good):
    graph, tensors = contents(good)
    coded = encode(network().nodes[1].weights, 4, DEFAULT)
    slot = next(slot for slot in range(4) if coded.gaps[slot].bits % 8)
    last = sum(len(stream.data) for stream in coded.gaps[: slot + 1]) - 1
    tensors["body.0.streams"] = tensors["body.0.streams"].copy()
    tensors["body.0.streams"][last] |= 1
    message = "layer body.0: the padding of a stream's last byte is not zero"
    assert refused(path, signed(graph, tensors)).endswith(message)


@given(st.integers(0, 1 << 30))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tensor_bits_are_refused_or_valid(path, good, seed):
    """Random bits under right checksums: never another error, and what loads can be saved again."""
    graph, tensors = contents(good)
    rng = np.random.default_rng(seed)
    for name in rng.choice(sorted(tensors), 2):
        data = tensors[name].copy()
        if rng.random() < 0.5:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        else:
            data = rng.integers(0, 256, len(data) + rng.integers(-1, 2), dtype=np.uint8)
        tensors[str(name)] = data
    path.write_bytes(signed(graph, tensors))
    try:
        loaded = load(path)
    except ShiftbookError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        save(loaded, path)
        assert same(load(path), loaded)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=4), values, max_size=3),
    max_leaves=5,
)


@given(st.integers(0, 1 << 30), json_values)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_graph_is_refused_or_valid(path, good, seed, value):
    """One field anywhere in the graph replaced by any JSON value, under right checksums."""
    graph, tensors = contents(good)
    rng = random.Random(seed)
    places = [
        (parent, key)
        for parent in every_container(graph)
        for key in (parent if isinstance(parent, dict) else range(len(parent)))
    ]
    parent, key = rng.choice(places)
    parent[key] = value
    path.write_bytes(signed(graph, tensors))
    try:
        loaded = load(path)
    except ShiftbookError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        save(loaded, path)


def every_container(value):
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from every_container(inner)


def test_the_graph_is_plain_json(path):
    save(network(), path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    version, checksum, text = header["__metadata__"][KEY].split(" ", 2)
    assert (version, checksum) == ("3", checkpoint._sha256(text.encode()))
    assert json.loads(text)["classes"] == ["cat", "dög", "\u2603"]
