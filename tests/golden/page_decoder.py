"""A reader of checkpoints written from docs/checkpoint-format.md alone: slow, plain, no import of ours.

Section numbers are those of the page.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path


class Bits:
    """Section 3: unsigned fields, most significant bit first."""

    def __init__(self, data: bytes, start: int = 0) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = start

    def field(self, width: int) -> int:
        piece = self.text[self.at : self.at + width]
        assert len(piece) == width, "fields reach beyond the tensor"
        self.at += width
        return int(piece, 2) if width else 0

    def fields(self, count: int, width: int) -> list[int]:
        return [self.field(width) for _ in range(count)]

    def offsets(self, count: int) -> list[int]:
        width = self.field(6)
        assert 1 <= width <= 40
        base = self.field(width)
        base -= (base >> (width - 1)) << width  # two's complement
        fields = self.field(6)
        assert fields <= 40
        return [base + value for value in self.fields(count, fields)]

    def end(self) -> None:
        rest = self.text[self.at :]
        assert len(rest) < 8
        assert "1" not in rest


def ceil_log2(n: int) -> int:
    return (n - 1).bit_length()


def code_words(lengths: list[int]) -> dict[str, int]:
    """Section 5.1: the symbol of each code word."""
    pairs = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    words, word, last = {}, 0, 0
    for length, symbol in pairs:
        word <<= length - last
        words[f"{word:0{length}b}"] = symbol
        word, last = word + 1, length
    total = sum(2.0**-length for length, _ in pairs)
    assert total == 1 or (len(pairs) == 1 and total == 0.5) or not pairs
    return words


def symbols(text: str, words: dict[str, int]) -> list[int]:
    """All symbols of a string of bits, which ends with a code word."""
    found, word = [], ""
    for bit in text:
        word += bit
        if word in words:
            found.append(words[word])
            word = ""
    assert not word
    return found


def read_file(path: Path) -> tuple[dict, dict[str, bytes]]:
    """Section 1: the graph and the tensors, checked."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    version, checksum, text = header.pop("__metadata__")["shiftbook"].split(" ", 2)
    assert version == "3"
    assert hashlib.sha256(text.encode()).hexdigest() == checksum
    graph = json.loads(text)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "U8"
        first, last = entry["data_offsets"]
        tensors[name] = data[8 + size + first : 8 + size + last]
        assert entry["shape"] == [last - first]
    assert graph["sha256"] == {name: hashlib.sha256(value).hexdigest() for name, value in tensors.items()}
    return graph, tensors


def requantizer(data: bytes, channels: int) -> list[list[int]]:
    """Section 4: biases, multipliers and shifts."""
    bits = Bits(data)
    found = [bits.offsets(channels) for _ in range(3)]
    bits.end()
    return found


def functions(graph: dict, tensors: dict[str, bytes]) -> list[tuple[list[int], int]]:
    """Section 4: the bytes and the zero point of each function table."""
    found = []
    for number, table in enumerate(graph.get("functions", [])):
        assert set(table) == {"zero_point"}
        values = list(tensors[f"{number}.function"])
        assert len(values) == 256
        found.append((values, table["zero_point"]))
    return found


def codebooks(number: int, shape: list[int], tensors: dict[str, bytes]) -> tuple[list, list[int]]:
    """Section 5.2: [M][K][d] codewords, and the code lengths of their codes."""
    books, entries, dim = shape
    bits = Bits(tensors[f"{number}.codeword_tables"])
    (size,) = bits.offsets(1)
    lengths = bits.fields(entries, 4)
    count = bits.field(8) + 1
    values = bits.offsets(count)
    words = code_words(bits.fields(count, 4))
    bits.end()
    flat = [values[symbol] for symbol in symbols(Bits(tensors[f"{number}.codewords"]).text[:size], words)]
    assert len(flat) == books * entries * dim
    at = iter(flat)
    return [[[next(at) for _ in range(dim)] for _ in range(entries)] for _ in range(books)], lengths


def places(node: dict, slots: int, coding: dict, owner: list[int] | None) -> tuple[list[dict], int, int, int]:
    """Section 6.1: by slot, the (ky, kx, c) of each local position; P, k and m (0 where scattered)."""
    _, rows, cols, channels = node["shape"]
    taps = [(ky, kx) for ky in range(rows) for kx in range(cols)]
    scattered = -(-rows * cols * channels // slots)
    found: list[dict] = [{} for _ in range(slots)]
    if (channels >= slots and channels % slots == 0) or scattered > coding["table_entries"]:
        owner = owner or [c % slots for c in range(channels)]
        most = -(-channels // slots)
        k = ceil_log2(most)
        for slot in range(slots):
            own = [c for c in range(channels) if owner[c] == slot]
            for tap, (ky, kx) in enumerate(taps):
                for local, c in enumerate(own):
                    found[slot][tap * 2**k + local] = (ky, kx, c)
        return found, len(taps) * 2**k, k, most
    assert owner is None
    for tap, (ky, kx) in enumerate(taps):
        for c in range(channels):
            flat = tap * channels + c
            found[flat % slots][flat // slots] = (ky, kx, c)
    return found, scattered, 0, 0


def layer_weights(node: dict, sets: list, graph: dict, tensors: dict[str, bytes]) -> dict:
    """Sections 5.1 and 6: the weights that are not 0, by (output channel, ky, kx, c)."""
    slots, coding = graph["slots"], graph["coding"]
    gapless, vectors = node["gapless"], node["vectors"]
    bits = Bits(tensors[f"{node['name']}.tables"])
    sizes = bits.offsets(slots if gapless else 2 * slots)
    gap_words = None
    if not gapless:
        count = bits.field(8) + 1
        stored = bits.fields(count, 4) + [0] * (coding["gap_symbols"] - count)
        gap_words = code_words([*stored[1:], stored[0]])  # stored in the order G - 1, 0, 1, ...
    if vectors is None:
        words = code_words(bits.fields(node["codes"], 4))
        books = [[[value] for value in bits.offsets(node["codes"])]]
    else:
        books, lengths = sets[vectors[0]]
        words = code_words(lengths)
    owner = bits.fields(node["shape"][3], ceil_log2(slots)) if node["balanced"] else None
    bits.end()
    strings, start = [], 0
    data = tensors[f"{node['name']}.streams"]
    for size in sizes:
        end = start + -(-size // 8)
        text = Bits(data[start:end]).text
        assert "1" not in text[size:]
        strings.append(text[:size])
        start = end
    assert start == len(data)
    found, positions, k, most = places(node, slots, coding, owner)
    assert positions + coding["gap_symbols"] <= 2 ** coding["position_width"]
    dim = len(books[0][0])
    if vectors is not None and vectors[1] == "taps":
        count, step, inner = most, 1, [j << k for j in range(dim)]
    else:
        count, step, inner = -(-positions // dim), dim, list(range(dim))
    weights = {}
    for slot in range(slots):
        codes = iter(symbols(strings[slot - slots], words))
        gaps = None if gap_words is None else iter(symbols(strings[slot], gap_words))
        for at in items(gaps, node["shape"][0] * count * step, step, coding["gap_symbols"]):
            output, position = divmod(at, count * step)
            chosen = [book[next(codes)] for book in books]
            for j, offset in enumerate(inner):
                if position + offset in found[slot]:
                    weights[output, *found[slot][position + offset]] = sum(word[j] for word in chosen)
        assert next(codes, None) is None
        assert gaps is None or next(gaps, None) is None
    return {place: value for place, value in weights.items() if value}


def items(gaps, end: int, step: int, gap_symbols: int):
    """Sections 6.2 to 6.4: where the items with codes are, through all output channels."""
    if gaps is None:
        yield from range(0, end, step)
        return
    following = 0
    while following < end:
        gap = next(gaps)
        if gap == gap_symbols - 1:
            following += gap_symbols - 1
        else:
            assert (following + gap) % step == 0
            yield following + gap
            following += gap + step
