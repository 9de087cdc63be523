"""What a small file may ask for: every demand is refused in one line before anything is allocated for it."""

from __future__ import annotations

import copy
import json
import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError, is_plain, one_line
from shiftbook.golden.limits import Limits, limits
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.model.executor import run
from shiftbook.golden.model.nodes import Concat, Pool, Subsample
from shiftbook.golden.model.nodes.pool import MAX_WINDOW
from shiftbook.golden.model.validate import shapes, validate
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.statistics.decomposed import FACT, decomposed_layers
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import KEY, VERSION, _sha256, file_of, finished_graph, load, save
from shiftbook.golden.storage.graph import tensors_of
from tests.golden.checkpoints import network, refused, requantizer

LARGE = 1 << 20


@pytest.fixture(scope="module")
def good() -> tuple[dict, dict]:
    """Graph and tensors of a good file."""
    tensors = tensors_of(network(), DEFAULT)
    return finished_graph(network(), tensors, DEFAULT), tensors


def node(graph, name):
    return next(node for node in graph["nodes"] if node["name"] == name)


def doubled(graph, times: int) -> None:
    last = "stem"
    for number in range(times):
        graph["nodes"].append({"type": "concat", "name": f"twice.{number}", "sources": [last, last]})
        last = f"twice.{number}"


DEMANDS = {
    "padding": (lambda g: node(g, "stem").update(padding=[LARGE] * 4), "layer stem asks for a tensor of too"),
    "pooling": (
        lambda g: node(g, "mean").update(padding=[LARGE] * 4, kernel=[LARGE, LARGE], stride=[1, 1]),
        "layer mean asks for a tensor of too many elements: ",
    ),
    "subsampling": (
        lambda g: node(g, "short").update(stride=1, before=LARGE, after=LARGE),
        "layer short asks for a tensor of too many elements: 134,218,240, more than the limit of 33,554,432",
    ),
    "doubling": (lambda g: doubled(g, 24), "asks for a tensor of too many elements: 67,108,864"),
    "doubling 1000 times": (lambda g: doubled(g, 1000), "asks for a tensor of too many elements: 67,108,864"),
    "nodes": (
        lambda g: g["nodes"].extend([{"type": "concat", "name": "c", "sources": ["stem"]}] * 100_000),
        "has too many nodes: 100,009, more",
    ),
    "sources": (
        lambda g: g["nodes"].append({"type": "concat", "name": "all", "sources": ["stem"] * 100_000}),
        "layer all asks for a tensor of too many elements: 51,200,000",
    ),
    "sum": (
        lambda g: g["nodes"].extend(
            {**node(g, "short"), "name": f"n{n}", "stride": 1, "before": LARGE // 4} for n in range(100)
        ),
        "the network up to layer n15 asks for too many elements of tensors: 268,",
    ),
    "weights": (
        lambda g: node(g, "stem").update(shape=[LARGE, 3, 3, 64]),
        "layer stem asks for too many weights: 603,979,776",
    ),
    "operations": (
        lambda g: node(g, "max").update(kernel=[500, 500], padding=[499] * 4, stride=[1, 1]),
        "the network up to layer max asks for too many operations: 514,",
    ),
}


@pytest.mark.parametrize("demand", DEMANDS)
def test_a_file_that_asks_for_too_much_is_refused_in_no_memory(path, good, demand):
    change, message = DEMANDS[demand]
    graph, tensors = copy.deepcopy(good)
    change(graph)
    path.write_bytes(file_of(graph, tensors))
    tracemalloc.start()
    try:
        assert message in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_the_limits_are_raised_by_a_factor(path, good, monkeypatch):
    graph, tensors = copy.deepcopy(good)
    doubled(graph, 17)
    node(graph, "stem")["requantize"]["zero_point"] = 0
    path.write_bytes(file_of(graph, tensors))
    assert "limit of 33,554,432: if the file is to be trusted, set SHIFTBOOK_LIMITS=N" in refused(path)
    monkeypatch.setenv("SHIFTBOOK_LIMITS", "2")
    assert limits() == Limits(**{name: 2 * value for name, value in vars(Limits()).items()})
    assert shapes(load(path))["twice.16"] == (8, 8, 8 << 17)


@pytest.mark.parametrize("value", ["0", "-1", "x", "", "1e3", "1025", "9" * 5000, "²"])
def test_a_factor_is_an_integer(monkeypatch, value):
    monkeypatch.setenv("SHIFTBOOK_LIMITS", value)
    with pytest.raises(ShiftbookError, match=r"^SHIFTBOOK_LIMITS must be an integer in 1..1024, not "):
        limits()


@pytest.mark.parametrize("size", [128 << 30, (1 << 28) + 1])
def test_a_large_file_is_refused_by_its_size(path, size):
    path.touch()
    os.truncate(path, size)  # takes no space
    assert f"has too many bytes for a checkpoint: {size:,}, more than the limit of 268,435,456" in refused(
        path
    )


def test_a_large_header_is_refused_by_its_size(path):
    path.write_bytes((90 << 20).to_bytes(8, "little"))
    os.truncate(path, 100 << 20)
    assert "has too many bytes in its header: 94,371,840, more than the limit of 16,777,216" in refused(path)


def with_text(text: str, tensors) -> bytes:
    """A file whose graph is any text, with right checksums."""
    data = file_of({}, tensors)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = {KEY: f"{VERSION} {_sha256(text.encode())} {text}"}
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data[8 + size :]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1e400", "1e400 is beyond the range of 64-bit floats"),
        ("-1E999", "-1E999 is beyond the range of 64-bit floats"),
        ("1" + "0" * 400, "an integer has 401 digits, more than 20"),
        ("1" + "0" * 5000, "an integer has 5001 digits, more than 20"),
        ("Infinity", "Infinity is no JSON number"),
        ("[" * 70 + "]" * 70, "values are nested more than 64 deep"),
        ("[" * 900 + "]" * 900, "values are nested more than 64 deep"),
    ],
)
@pytest.mark.parametrize("place", ["scales", "facts"])
def test_a_graph_holds_only_numbers_that_can_be_written_again(path, good, number, message, place):
    graph, tensors = copy.deepcopy(good)
    graph[place] = {"stem": "HERE"}
    text = json.dumps(graph, separators=(",", ":")).replace('"HERE"', number)
    line = refused(path, with_text(text, tensors))
    assert line == f"{path} is no valid checkpoint: its graph is no JSON ({message})"


def test_what_a_graph_may_hold_is_still_read(path, good):
    graph, tensors = copy.deepcopy(good)
    graph["facts"] = {"seed": (1 << 64) - 1, "small": 1e-400, "deep": [[[[{"a": []}]]]], "text": "a\nb\x1b"}
    path.write_bytes(file_of(graph, tensors))
    assert load(path).facts == {**graph["facts"], "small": 0.0}


BAD_NAMES = ["a\nb", "a\x1b[31mb", "a\ud800b", "a\x00", "\u202eab", "a\x7f", "a\u2028b", "x" * 257]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (name, place)
        for name in BAD_NAMES
        for place in ("name", "scheme", "classes", "scales", "input")
        if not (place == "input" and "\ud800" in name)  # of which no safetensors file can have a tensor
    ],
)
def test_names_are_visible_characters(path, good, name, place):
    graph, tensors = copy.deepcopy(good)
    if place == "classes":
        graph["classes"] = ["cat", name, "dog"]
    elif place == "scales":
        graph["scales"] = {name: 1.0}
    elif place == "input":
        graph["input"]["name"] = graph["nodes"][0]["source"] = name
        tensors[f"{name}.requantize"] = tensors.pop("image.requantize")
    elif place == "name":
        node(graph, "max")["name"] = node(graph, "deep")["source"] = name
    else:
        node(graph, "stem")["scheme"] = name
    graph["sha256"] = {key: _sha256(data.tobytes()) for key, data in tensors.items()}
    line = refused(path, file_of(graph, tensors))
    assert is_plain(line)
    assert "must be at most 256 visible characters and blanks, not " in line


def test_a_network_with_such_a_name_is_not_written(path):
    with pytest.raises(ShiftbookError, match="the name of a class must be at most 256 visible characters"):
        save(replace(network(), classes=("a", "b\x1b]0;c\x07", "d")), path)
    assert not path.exists()


def test_messages_are_one_plain_line():
    error = ShiftbookError("layer a\nb\x1b[2J\ud800\u202e has  no \u3000 end")
    assert str(error) == r"layer a b\x1b[2J\ud800\u202e has no end"
    assert one_line("cat, dög, \u2603, 猫") == "cat, dög, \u2603, 猫"


@pytest.mark.parametrize(
    "named", [[0.0, "run"], [False, "run"], [0, ["run"]], [0, {}], [[], "run"], [None, "run"]]
)
def test_a_layer_names_a_set_of_codebooks_by_its_number(path, named):
    from tests.golden.coding.test_vectors import network as with_vectors

    tensors = tensors_of(with_vectors(), DEFAULT)
    graph = finished_graph(with_vectors(), tensors, DEFAULT)
    graph["nodes"][0]["vectors"] = named
    assert "layer c0: vectors must name one of 2 sets of codebooks" in refused(path, file_of(graph, tensors))


ENTRY = {"nodes": ["stem"], "shape": [8, 3, 3, 3], "modes": [8, 3], "ranks": [4]}


@pytest.mark.parametrize(
    "change",
    [
        {"shape": ["ab", 3]},
        {"shape": "abcd"},
        {"shape": [8, 3, 3]},
        {"shape": [8, 3, 3, 0]},
        {"shape": [8, 3, 3, -3]},
        {"shape": [8, 3, 3, 1 << 70]},
        {"shape": [8, 3, 3, 1.5]},
        {"nodes": []},
        {"nodes": "stem"},
        {"nodes": ["stem", "stem"]},
        {"nodes": [["stem"]]},
        {"nodes": ["max"]},
        {"nodes": ["nowhere"]},
        {"modes": 3},
        {"modes": ["a\nb"]},
        {"ranks": [None]},
        {"ranks": {}},
    ],
)
def test_odd_facts_of_decomposed_layers_are_refused(change):
    saved = replace(network(), facts={FACT: {"x": ENTRY}})
    sizes = layer_sizes(saved)
    assert [layer.dense_weights for layer in decomposed_layers(saved, sizes)] == [216]
    odd = replace(saved, facts={FACT: {"x": {**ENTRY, **change}}})
    with pytest.raises(ShiftbookError, match=r"^the checkpoint's fact 'decomposed' at 'x': "):
        decomposed_layers(odd, sizes)


def test_an_average_fits_the_accumulator():
    rng = np.random.default_rng(0)
    side = 2897  # squared just above 2^23
    mean = Pool("mean", "image", "average", (side, side), (1, 1), requantize=requantizer(rng, 1))
    image = replace(network().input, shape=(side, side, 1), requantize=requantizer(rng, 1))
    large = replace(network(), input=image, nodes=(mean,), scales={}, classes=())
    assert side * side > MAX_WINDOW
    with pytest.raises(ShiftbookError, match=r"layer mean: an average over 8392609 pixels can exceed 32"):
        validate(large)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("kernel", [(1, 7), (6, 5), (2, 2)])
def test_pooling_by_pixels_and_by_taps_agree(kind, kernel):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (3, 7, 9, 2), np.uint8)
    node = Pool("p", "image", kind, kernel, (2, 3), (0, 1, 0, 1), requantize=None)
    if kind == "average":
        node = replace(node, requantize=replace(requantizer(rng, 1), zero_point=3))
    found = node.run([images], [5])
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=5 if kind == "average" else 0)
    for y, x in np.ndindex(*found.shape[1:3]):
        window = padded[:, 2 * y : 2 * y + kernel[0], 3 * x : 3 * x + kernel[1]].astype(np.int64)
        if kind == "max":
            assert np.array_equal(found[:, y, x], window.max((1, 2)))
        else:
            own = node.requantize
            value = (window.sum((1, 2)) + own.bias) * own.multiplier * 2 + (1 << own.shift)
            expected = own.zero_point + (value >> (own.shift + 1))
            assert np.array_equal(found[:, y, x], np.clip(expected, own.low, own.high))


def test_images_go_through_in_batches_that_fit(monkeypatch):
    saved = network()
    images = np.random.default_rng(2).integers(0, 256, (5, *saved.input.shape), np.uint8)
    expected = run(saved, images, keep=True)
    elements = sum(np.prod(shape) for shape in shapes(saved).values())
    monkeypatch.setattr(
        "shiftbook.golden.model.executor.limits", lambda: replace(Limits(), tensors=2 * int(elements))
    )
    sizes: list[int] = []
    found = run(saved, images, keep=True, progress=sizes.append)
    assert sizes == [2, 2, 1]
    for name, tensor in expected.tensors.items():
        assert np.array_equal(found.tensors[name], tensor)


@pytest.mark.parametrize("name", ["stem.sums", "image.pixels"])
def test_names_that_the_plan_makes_are_taken(name):
    saved = network()
    odd = replace(saved, nodes=(*saved.nodes, Concat(name, ("head",))))
    with pytest.raises(ShiftbookError, match=f"layer {name}: names that end with "):
        plan(odd, DEFAULT)


@pytest.mark.parametrize("kind", ["subsampling", "doubling", "input"])
def test_the_plan_takes_no_memory_for_more_channels_than_can_be_counted(kind):
    saved = network()
    if kind == "subsampling":
        odd = replace(saved, nodes=(*saved.nodes, Subsample("wide", "head", 1, 0, 1 << 20)))
    elif kind == "doubling":
        twice = [Concat(f"c{n}", (f"c{n - 1}" if n else "head",) * 2) for n in range(20)]
        odd = replace(saved, nodes=(*saved.nodes, *twice))
    else:
        image = replace(
            saved.input, shape=(1, 1, 1 << 20), requantize=requantizer(np.random.default_rng(0), 1 << 20)
        )
        mean = Pool("mean", "image", "max", (1, 1), (1, 1))
        odd = replace(saved, input=image, nodes=(mean,), scales={}, classes=())
    tracemalloc.start()
    try:
        with pytest.raises(ShiftbookError, match=r"channels must be in 1..8191, not [0-9]+, with the spec's"):
            plan(odd, DEFAULT)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
