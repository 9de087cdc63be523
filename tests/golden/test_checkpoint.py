"""The checkpoint file: round trips, sizes that add up, and one clear line for each kind of damage."""

from __future__ import annotations

import copy
import errno
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as safetensors_bytes

from golden import checkpoint
from golden.checkpoint import KEY, file_of, load, read, save, serialize
from golden.errors import ShiftbookError
from golden.network import Concat, Conv, Input, Network, Pool, Requantize, Subsample, Weights
from golden.sizes import layer_sizes
from golden.spec import DEFAULT
from golden.streams import encode


def requantizer(rng, channels: int, residual: bool = False) -> Requantize:
    """Parameters over their whole ranges."""
    return Requantize(
        rng.integers(-(1 << 23), 1 << 23, channels),
        rng.integers(0, 1 << 10, channels),
        rng.integers(0, 32, channels),
        int(rng.integers(0, 256)),
        int(rng.integers(0, 100)),
        int(rng.integers(100, 256)),
        int(rng.integers(0, 1 << 10)) if residual else None,
    )


def weights(rng, shape, scheme: str, owner=None) -> Weights:
    """Weights with gaps for "focused", without for "int8"."""
    if scheme == "int8":
        integers = rng.integers(-128, 128, shape).astype(np.int16)
        return Weights(integers, np.union1d(integers, np.int16(0)), scheme, True, owner)
    codebook = np.array([-24, -20, -17, -16, -8, 8, 15, 16, 18, 24], np.int16)
    integers = rng.choice(codebook, shape)
    integers[rng.random(shape) > 0.25] = 0
    return Weights(integers, codebook, scheme, False, owner)


def network(seed: int = 0, slots: int = 4) -> Network:
    """A network with every kind of node, residual and balanced channels included."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.arange(8) % slots).astype(np.uint8) if slots in (2, 4, 8) else None
    if owner is not None and np.array_equal(owner, np.arange(8) % slots):
        owner = owner[::-1].copy()  # the default is not stored

    def conv(name, source, shape, scheme, owner=None, **kwargs):
        residual = "residual" in kwargs
        return Conv(
            name, source, weights(rng, shape, scheme, owner), requantizer(rng, shape[0], residual), **kwargs
        )

    nodes = (
        conv("stem", "image", (8, 3, 3, 3), "int8", padding=(1, 1, 1, 1)),
        conv("body.0", "stem", (8, 3, 3, 8), "focused", owner, padding=(0, 1, 0, 1)),
        conv("body.1", "stem", (8, 3, 3, 8), "focused", padding=(1, 1, 1, 1), residual="stem"),
        Pool("max", "body.1", "max", (2, 2), (2, 2)),
        conv("deep", "max", (8, 3, 3, 1), "focused", padding=(1, 1, 1, 1), groups=8),
        Subsample("short", "body.1", 2, 4, 4),
        conv(
            "down", "body.1", (16, 3, 3, 8), "focused", padding=(1, 1, 1, 1), stride=(2, 2), residual="short"
        ),
        Pool("mean", "down", "average", (4, 4), (4, 4), requantize=requantizer(rng, 1)),
        conv("head", "mean", (3, 1, 1, 16), "focused"),
    )
    return Network(
        Input("image", (8, 8, 3), requantizer(rng, 3)),
        nodes,
        slots,
        scales={"stem": 0.1, "head": 1 / 3},
        classes=("cat", "dög", "\u2603"),
        facts={"accuracy": 0.97, "seed": 3, "source": None, "list": [1, {"a": True}]},
    )


def same(a, b) -> bool:
    """Equality of networks, arrays and their dtypes included."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, f), getattr(b, f)) for f in a.__dataclass_fields__)
    return type(a) is type(b) and a == b


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_round_trip(path, slots):
    saved = network(slots, slots)
    save(saved, path)
    assert same(load(path), saved)


@given(st.integers(0, 1 << 30), st.integers(1, 8))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip_of_any_network(path, seed, slots):
    saved = network(seed, slots)
    save(saved, path)
    assert same(load(path), saved)


def test_round_trip_of_a_concatenation(path):
    saved = network()
    joined = Concat("joined", ("stem", "stem"))
    saved = replace(saved, nodes=(*saved.nodes[:2], joined))
    saved = replace(saved, nodes=tuple(_with_zero_point(node, 9) for node in saved.nodes))
    save(saved, path)
    assert same(load(path), saved)


def _with_zero_point(node, zero_point):
    if isinstance(node, Concat):
        return node
    return replace(node, requantize=replace(node.requantize, zero_point=zero_point))


def test_round_trip_with_other_alphabets(path):
    spec = replace(DEFAULT, code_length=15, gap_symbols=8, table_entries=16, position_width=12)
    saved = network(1)
    save(saved, path, spec)
    assert same(load(path), saved)
    assert read(path).graph["coding"] == {
        "code_length": 15,
        "gap_symbols": 8,
        "table_entries": 16,
        "position_width": 12,
    }


def test_the_default_slots_are_not_stored(path):
    saved = network()
    body = saved.nodes[1]
    default = np.arange(8, dtype=np.uint8) % 4
    nodes = list(saved.nodes)
    nodes[1] = replace(body, weights=replace(body.weights, slot_of_channel=default))
    save(replace(saved, nodes=tuple(nodes)), path)
    assert load(path).nodes[1].weights.slot_of_channel is None


def test_equal_networks_give_equal_files():
    assert len({serialize(network()) for _ in range(5)}) == 1


# Sizes


def test_sizes_add_up_to_the_file(path):
    save(network(), path)
    sizes = layer_sizes(path)
    assert sizes == layer_sizes(network())
    assert [layer.name for layer in sizes.layers] == ["stem", "body.0", "body.1", "deep", "down", "head"]
    assert sizes.stored_bits + 8 * sizes.header_bytes == 8 * path.stat().st_size
    tensors = read(path).tensors
    assert sizes.stored_bits == 8 * sum(map(len, tensors.values()))
    for layer in sizes.layers:
        own = [len(data) for name, data in tensors.items() if name.rpartition(".")[0] == layer.name]
        assert layer.stored_bits == 8 * sum(own)
        assert layer.side_bits > 0
        assert layer.stream_bits >= layer.entropy_bits - 1e-6


def test_sizes_of_a_layer():
    stem, body, *_ = layer_sizes(network()).layers
    integers = network().nodes[1].weights.integers
    assert (body.scheme, body.gapless, body.weights, body.biases) == ("focused", False, 8 * 9 * 8, 8)
    assert body.nonzero == np.count_nonzero(integers)
    digits = {24: 2, 20: 2, 17: 2, 18: 2, 15: 2, 16: 1, 8: 1, 0: 0}
    assert body.terms == sum(digits[abs(int(value))] for value in integers.ravel())
    assert body.terms_per_weight == body.terms / body.weights
    assert (stem.gapless, stem.gap_bits, stem.gap_entropy) == (True, 0, 0)


def test_ratio_counts_every_stored_bit():
    sizes = layer_sizes(network())
    numbers = sum(layer.weights + layer.biases for layer in sizes.layers)
    assert sizes.ratio == 32 * numbers / sizes.stored_bits
    assert sizes.other_bits > 0  # the normalization and the average pool


# What cannot be written


def test_an_unwritable_output_leaves_nothing(tmp_path):
    with pytest.raises(ShiftbookError, match=r"^cannot write .*/missing/net: No such file or directory; "):
        save(network(), tmp_path / "missing" / "net")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ShiftbookError, match=r"^cannot write .*/folder: Is a directory; "):
        save(network(), tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(path, monkeypatch, failing):
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), fail)
    with pytest.raises(ShiftbookError, match=r"^cannot write .*: No space left on device; "):
        save(network(), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_an_interruption_leaves_nothing(path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(network(), path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("facts", [{"x": float("nan")}, {"x": {1, 2}}, {"x": np.float32(1)}])
def test_facts_must_be_json(path, facts):
    with pytest.raises(ShiftbookError, match=r"^facts and scales must be finite JSON values: "):
        save(replace(network(), facts=facts), path)
    assert not path.exists()


def test_an_invalid_network_is_not_written(path):
    with pytest.raises(ShiftbookError, match="its source 'nowhere' is no earlier layer"):
        save(replace(network(), nodes=(replace(network().nodes[0], source="nowhere"),)), path)
    assert not path.exists()


# What is refused on reading


def refused(path, data: bytes | None = None) -> str:
    """The error's one line."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ShiftbookError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_refuses_what_cannot_be_read(path):
    assert refused(path).startswith(f"cannot read {path}: No such file")
    path.mkdir()
    assert str(path) in refused(path)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04" + bytes(100), b"\x80\x04\x95", b"{}", bytes(8), b"\xff" * 64]
)
def test_refuses_foreign_files(path, data):
    assert refused(path, data).startswith(f"{path} is no shiftbook checkpoint, or a truncated or damaged one")


def test_refuses_foreign_safetensors(path):
    message = f"{path} is a safetensors file, but no shiftbook checkpoint: make one with compress"
    for metadata in (None, {"format": "pt"}):
        data = safetensors_bytes({"a": np.zeros(3, np.float32)}, metadata=metadata)
        assert refused(path, data) == message


def test_refuses_truncation_at_any_length(path):
    data = serialize(network())
    for length in [*range(0, len(data), 97), len(data) - 1]:
        refused(path, data[:length])
    refused(path, data + b"\0")


def with_metadata(text: str) -> bytes:
    return safetensors_bytes({name: np.frombuffer(b"", np.uint8) for name in ()}, metadata={KEY: text})


@pytest.mark.parametrize("version", ["4", "10", "999999999"])
def test_refuses_newer_versions(path, version):
    assert (
        refused(path, with_metadata(f"{version} whatever"))
        == f"{path} has checkpoint format {version}, newer than 3: update shiftbook"
    )


@pytest.mark.parametrize("version", ["1", "2"])
def test_refuses_older_versions(path, version):
    message = f"{path} has checkpoint format {version}, older than 3: make it again"
    assert refused(path, with_metadata(f"{version} abc {{}}")) == message


@pytest.mark.parametrize(
    "text", ["", "3", "0 a b", "-1 a b", "x a b", "3 abc {}", "²  {}", "9" * 5000 + " a b"]
)
def test_refuses_a_graph_without_its_checksum(path, text):
    assert refused(path, with_metadata(text)) == f"{path} is damaged: the checksum of its graph is wrong"


def text_with_checksum(text: str) -> bytes:
    return with_metadata(f"3 {checkpoint._sha256(text.encode())} {text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "its graph is no JSON"),
        ('{"a": NaN}', "its graph is no JSON"),
        ("[" * 100_000, "its graph is no JSON"),
        ("[]", "its graph is no JSON object"),
        ("{}", "it has no checksums"),
        ('{"sha256": {}}', "coding must be an object, not None"),
    ],
)
def test_refuses_a_graph_that_is_none(path, text, message):
    assert refused(path, text_with_checksum(text)).startswith(f"{path} is no valid checkpoint: {message}")


def test_refuses_any_flipped_bit_or_reads_the_same(path):
    """Every 37th bit of a whole file, and all of its first bytes."""
    saved = network()
    data = serialize(saved)
    for bit in [*range(256), *range(256, 8 * len(data), 37)]:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        refused_or_same(path, bytes(damaged), saved)


def refused_or_same(path, data: bytes, saved: Network) -> None:
    path.write_bytes(data)
    try:
        loaded = load(path)
    except ShiftbookError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert same(loaded, saved)


@given(st.integers(0, 1 << 30))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_corruption_is_refused_or_harmless(path, seed):
    """Flips, overwritten runs, insertions, deletions and swaps of blocks."""
    saved = network()
    data = bytearray(serialize(saved))
    rng = random.Random(seed)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, size = rng.randrange(len(data)), rng.choice([1, 1, 4, 64, 1000])
        kind = rng.randrange(4)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + size] = rng.randbytes(len(data[at : at + size]))
        elif kind == 2:
            data[at:at] = rng.randbytes(size)
        else:
            del data[at : at + size]
    refused_or_same(path, bytes(data), saved)


# A file whose checksums are right, but whose content is not


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
            "type must be conv, pool, subsample or concat, not 'linear'",
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
        (lambda g: node(g, "stem").update(padding=[-1, 0, 0, 0]), "field 'padding' must hold 4 integers"),
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
