"""Vectors against loops over slots, vectors and elements, written from docs/checkpoint-format.md."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.coding import items, streams
from shiftbook.golden.coding.huffman import HuffmanCode, entropy_bits
from shiftbook.golden.coding.placement import place
from shiftbook.golden.coding.terms import codeword_rows, codeword_terms, codeword_work, rows_of
from shiftbook.golden.coding.vectors import fits_taps, sources, walk
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import recode
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.validate import validate
from shiftbook.golden.model.weights import Codebooks
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import load, save, serialize
from shiftbook.golden.storage.packing import pack_codebooks, unpack_codebooks
from tests.golden.coding.test_streams import SlowDecoder, slow_targets
from tests.golden.layers import (
    Layer,
    check_conv,
    make_codebooks,
    make_conv,
    make_vector_conv,
    one_layer_network,
)


@st.composite
def vector_layers(draw):
    """Weights of vectors and a spec: any shape, presence and way."""
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    channels, outputs = draw(st.sampled_from([1, 3, 4, 6, 8, 12, 33])), draw(st.integers(1, 6))
    spec = Spec(
        gap_symbols=draw(st.sampled_from([4, 8, 64])),
        table_entries=draw(st.sampled_from([9, 64])),
        slots=draw(st.integers(1, 6)),
    )
    sizes = draw(st.tuples(st.integers(1, 4), st.sampled_from([2, 16, 256]), st.integers(1, 12)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    along = "run"
    if fits_taps(kernel, channels, kernel[0] * kernel[1], spec.slots, spec) and draw(st.booleans()):
        along, sizes = "taps", (*sizes[:2], kernel[0] * kernel[1])
    conv = make_vector_conv(
        rng,
        (outputs, *kernel, channels),
        make_codebooks(rng, *sizes),
        spec,
        density=draw(st.sampled_from([0.0, 0.1, 0.7, 1.0])),
        along=along,
    )
    return conv.weights, spec


def slow_decode(coded, shape, codebooks, along, spec):
    """The integers of a layer from its bits, element by element."""
    outputs, kh, kw, channels = shape
    books, _, dim = codebooks.codewords.shape
    placement = place((kh, kw), channels, spec.slots, spec)
    integers = np.zeros(shape, np.int64)
    for w in range(spec.slots):
        if along == "taps":
            count, step, shift = max(len(held) for held in placement.channels), 1, placement.channel_bits
        else:
            count, step, shift = -(-placement.positions // dim), dim, 0
        codes = SlowDecoder(coded.codes[w], codebooks.lengths.tolist())
        end = outputs * count * step
        if coded.gap_code is None:
            targets = iter(range(0, end, step))
        else:
            gaps = SlowDecoder(coded.gaps[w], coded.gap_code.lengths.tolist())
            targets = slow_targets(gaps, end, spec.escape_gap, step)
        for a in targets:
            o, first = divmod(a, count * step)
            for book in range(books):
                for j, value in enumerate(codebooks.codewords[book][codes.next()].tolist()):
                    p = first + (j << shift)
                    where = placement.source[w, p] if p < placement.positions else -1
                    if where >= 0:
                        integers[o].reshape(-1)[where] += value
        assert codes.text == ""
    return integers


@given(vector_layers())
@settings(max_examples=150, deadline=None)
def test_the_streams_hold_the_integers(layer):
    weights, spec = layer
    coded = streams.encode(weights, spec.slots, spec)
    assert (coded.gap_code is None) == weights.gapless
    codebooks, along = weights.vectors.codebooks, weights.vectors.along
    slow = slow_decode(coded, weights.integers.shape, codebooks, along, spec)
    assert np.array_equal(slow, weights.integers)


@given(vector_layers())
@settings(max_examples=100, deadline=None)
def test_decode_inverts_encode(layer):
    weights, spec = layer
    vectors = weights.vectors
    coded = streams.encode(weights, spec.slots, spec)
    placement = items.placement_of(weights, spec.slots, spec)
    found = streams.decode_vectors(
        coded, len(weights.integers), vectors.codebooks, vectors.along, placement, spec
    )
    assert np.array_equal(found.present, vectors.present)
    assert np.array_equal(found.codes[found.present], vectors.codes[vectors.present])
    statistics = streams.statistics(weights, spec.slots, spec)
    assert statistics.stream_bits(spec) == (coded.gap_bits, coded.code_bits)
    counts = np.bincount(vectors.codes[vectors.present].ravel(), minlength=256)
    assert statistics.entropy_bits()[1] == entropy_bits(counts)


@pytest.mark.parametrize(("along", "dim"), [("run", 5), ("run", 16), ("taps", 9)])
def test_every_weight_belongs_to_one_vector(along, dim):
    for channels in (4, 8, 12, *([10] if along == "run" else [])):
        placement = place((3, 3), channels, 4, DEFAULT)
        found = sources(placement, walk(placement, dim, along))
        assert sorted(found[found >= 0].tolist()) == list(range(9 * channels))


def test_vectors_along_taps_are_whole_kernels():
    placement = place((3, 3), 8, 4, DEFAULT)
    found = sources(placement, walk(placement, 9, "taps"))
    assert found[1, 1].tolist() == [tap * 8 + 5 for tap in range(9)]  # slot 1, local channel 1: channel 5
    with pytest.raises(ShiftbookError, match="vectors of 8 weights cannot lie along 9 taps"):
        walk(placement, 8, "taps")
    with pytest.raises(ShiftbookError, match=r"cannot lie along 7 taps \(scatter placement\)"):
        walk(place((3, 3), 3, 4, DEFAULT), 9, "taps")


def test_rows_of_a_codeword():
    codeword = np.array([0, 3, 0, -8], np.int16)
    rows = codeword_rows(codeword, DEFAULT)
    assert [place for place, _ in rows] == [1, 1, 3]
    assert [row for _, row in rows] == [*rows_of(3, DEFAULT), *rows_of(-8, DEFAULT)]
    assert codeword_rows([0, 0], DEFAULT) == ((0, (None,)),)
    words = np.array([[codeword, np.zeros(4, np.int16)]])
    assert codeword_work(words, DEFAULT).tolist() == [[3, 1]]
    assert codeword_terms(words).tolist() == [[3, 0]]


def test_codebooks_round_trip():
    codebooks = make_codebooks(np.random.default_rng(0), 2, 64, 9, [-64, -8, -1, 1, 8, 64])
    packed = pack_codebooks(codebooks, DEFAULT)
    found = unpack_codebooks(*packed, (2, 64, 9))
    assert np.array_equal(found.codewords, codebooks.codewords)
    assert np.array_equal(found.lengths, codebooks.lengths)
    counts = np.unique(codebooks.codewords, return_counts=True)[1]
    best = HuffmanCode.from_counts(counts, 12)
    assert len(packed.streams) == -(-best.bits(counts) // 8)
    with pytest.raises(ShiftbookError, match=r"hold 1152 weights, not those of shape \(2, 64, 8\)"):
        unpack_codebooks(*packed, (2, 64, 8))
    for streams_, tables in ((packed.streams[:-1], packed.tables), (packed.streams, packed.tables[:-1])):
        with pytest.raises(ShiftbookError):
            unpack_codebooks(streams_, tables, (2, 64, 9))


def network(seed: int = 0) -> Network:
    """Two layers that share codebooks, one with its own, and a plain one."""
    rng = np.random.default_rng(seed)
    shared, own = make_codebooks(rng, 2, 32, 9), make_codebooks(rng, 1, 8, 4)
    convs = [
        make_vector_conv(rng, (8, 3, 3, 8), shared, DEFAULT, along="taps"),
        make_vector_conv(rng, (8, 3, 3, 8), shared, DEFAULT, density=0.4),
        make_vector_conv(rng, (8, 1, 1, 8), own, DEFAULT),
        make_conv(rng, (8, 1, 1, 8)),
    ]
    named = [
        replace(conv, name=f"c{i}", source=f"c{i - 1}" if i else "image") for i, conv in enumerate(convs)
    ]
    layer = Layer(named[0], np.zeros((8, 8, 8), np.uint8), 0, DEFAULT)
    return replace(one_layer_network(layer), nodes=tuple(named))


def test_a_checkpoint_stores_shared_codebooks_once(tmp_path):
    saved = network()
    path = tmp_path / "net"
    save(saved, path)
    loaded = load(path)
    assert len(saved.codebooks) == len(loaded.codebooks) == 2
    assert loaded.nodes[0].weights.vectors.codebooks is loaded.nodes[1].weights.vectors.codebooks
    for before, after in zip(saved.nodes, loaded.nodes, strict=True):
        assert np.array_equal(before.weights.integers, after.weights.integers)
        assert before.weights.gapless == after.weights.gapless
    assert serialize(loaded) == path.read_bytes()
    sizes = layer_sizes(path)
    bits = [sum(8 * len(data) for data in pack_codebooks(books, DEFAULT)) for books in saved.codebooks]
    assert sizes.codebook_bits == sum(bits)
    assert 8 * (path.stat().st_size - sizes.header_bytes) == sizes.stored_bits
    layer = sizes.layers[0]
    vectors = saved.nodes[0].weights.vectors
    terms = codeword_terms(vectors.codebooks.codewords)
    assert layer.terms == sum(int(terms[m][vectors.codes[..., m]].sum()) for m in range(2))


def broken(**changes: object) -> Network:
    net = network()
    weights = net.nodes[0].weights
    part = {name: changes.pop(name) for name in list(changes) if hasattr(weights.vectors, name)}
    vectors = replace(weights.vectors, **part)
    conv = replace(net.nodes[0], weights=replace(weights, vectors=vectors, **changes))
    return replace(net, nodes=(conv, *net.nodes[1:]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codes": np.full((8, 4, 2, 2), 32, np.uint8)}, "layer c0: codes must be in 0..31, not 32"),
        ({"codes": np.zeros((8, 4, 2, 1), np.uint8)}, "layer c0: codes and presence must be"),
        ({"present": np.ones((8, 4, 3), bool)}, "layer c0: codes and presence must be"),
        ({"gapless": False}, "layer c0: gapless must tell whether all vectors are present"),
        ({"slot_of_channel": np.arange(8, dtype=np.uint8) % 4}, "layer c0: vectors are cut where channels"),
        (
            {"codebooks": Codebooks(np.full((2, 32, 9), 128, np.int16), np.full(32, 5, np.uint8))},
            "layer c0: codewords must be in -128..127, not 128",
        ),
        (
            {"codebooks": Codebooks(np.zeros((2, 32, 9), np.int16), np.full(16, 4, np.uint8))},
            r"layer c0: 32 codewords need as many code lengths, not \(16,\)",
        ),
        (
            {"codebooks": Codebooks(np.zeros((2, 32, 9), np.int16), np.zeros(32, np.uint8))},
            "layer c0: code [0-9]+ has no Huffman code word",
        ),
        (
            {"codebooks": Codebooks(np.zeros((2, 32), np.int16), np.zeros(32, np.uint8))},
            r"layer c0: codebooks must be \[M, K, d\]",
        ),
    ],
)
def test_what_a_network_of_vectors_must_be(change, message):
    with pytest.raises(ShiftbookError, match=message):
        validate(broken(**change))


@pytest.mark.parametrize(
    ("sizes", "spec", "message"),
    [
        ((2, 16, 9), Spec(vector_size=8), "2 codebooks for vectors of 9 weights and the spec has room for 4"),
        ((2, 16, 9), Spec(codebooks=1), "2 codebooks for vectors of 9 weights and the spec has room for 1"),
        ((2, 16, 9), Spec(code_symbols=8), "its codebook has 16 entries and the spec has room for 8"),
        ((2, 16, 9), Spec(codebook_rows=64), "its codebook takes [0-9]+ rows and the spec has 64"),
        ((1, 16, 16), Spec(), "a codeword takes 64 rows, more than 32"),
        ((1, 16, 16), Spec(table_entries=9), "its vectors reach 16 tap table entries and the spec has 9"),
        ((1, 16, 9), Spec(position_width=8, gap_symbols=240), "do not fit the spec's position_width of 8"),
    ],
)
def test_what_an_engine_cannot_run(sizes, spec, message):
    rng = np.random.default_rng(0)
    values = [85] if sizes[2] == 16 and spec.table_entries == 64 else [1, 3]
    codebooks = make_codebooks(rng, *sizes, values)
    if values == [85]:
        codebooks.codewords[...] = 85
    conv = make_vector_conv(rng, (4, 3, 3, 4 if spec.table_entries == 9 else 8), codebooks, DEFAULT)
    with pytest.raises(ShiftbookError, match=message):
        check_conv(conv, (8, 8, conv.weights.integers.shape[3]), spec)


def test_vectors_cannot_be_coded_for_other_slots():
    assert recode(network(), DEFAULT).nodes[0] is not None
    with pytest.raises(ShiftbookError, match="layer c0: its vectors are cut for 4 slots and cannot be coded"):
        recode(network(), replace(DEFAULT, slots=2))
    conv = network().nodes[0]
    with pytest.raises(ShiftbookError, match="compress the network for these slots"):
        streams.encode(conv.weights, 2, DEFAULT)
