import numpy as np
import pytest
from amaranth.lib.wiring import In

from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.lookup import Lookup
from shiftbook.sim import bench
from tests.hw.benches import Paced, ports
from tests.hw.small import small

CHANNEL_BITS = 3
TAPS = 24
SPECS = {
    "two_term": small("two_term"),
    "no offsets": small("two_term", vector_size=1),
    "int8_sparse": small("int8_sparse"),
    "int8": small("int8"),
}


def item(block: Lookup, **values: object) -> dict[str, object]:
    """One cycle of inputs; what is not named is 0."""
    return {name: values.get(name, 0) for name in ports(block, In)}


def fill(block: Lookup, region: Region, words: list[int]) -> list[dict[str, object]]:
    port = {Region.TAPS: "write_taps", Region.ROWS: "write_rows"}[region]
    return [
        item(block, **{f"{port}__enable": 1, f"{port}__index": index, f"{port}__data": word})
        for index, word in enumerate(words)
    ]


def masked(spec: Spec, word: int, issue: int) -> dict[str, int]:
    """The row as the lanes see it: nothing is added unless something that exists was issued."""
    fields = bit_fields.unpack(registers.row(spec), word)
    for name in fields:
        kind, number = name.rstrip("0123456789"), name[-1]
        if kind in ("weight", "enable"):
            fields[name] *= issue
        elif kind == "negative":  # comes after its enable
            fields[name] &= fields[f"enable{number}"]
    return fields


def random_taps(spec: Spec, rng: np.random.Generator) -> dict[str, np.ndarray]:
    taps = {
        "base": rng.integers(0, 16, TAPS) * 4,
        "oy": rng.integers(0, 4, TAPS),
        "ox": rng.integers(0, 4, TAPS),
        "far": rng.integers(0, 2, TAPS),
        "column": rng.integers(-1, 2, TAPS),
    }
    if spec.feed == "coded":
        taps["channels"] = rng.integers(0, (1 << CHANNEL_BITS) + 1, TAPS)
    return taps


def golden(
    spec: Spec, taps: dict[str, np.ndarray], words: list[int] | None, inputs: dict[str, int]
) -> dict[str, object]:
    """What comes out for one cycle's inputs; ``words`` is the codebook, None with a dense feed.

    Where nothing is read the rest has no meaning, but for the row, which does nothing.
    """
    word, position, adds = inputs["source"], inputs["position"], inputs["issue"]
    if words is not None:
        word = words[word]
        offset = bit_fields.unpack(registers.codebook_row(spec), word).get("offset", 0)
        position += offset << inputs["offset_shift"]
    entry, channel = divmod(position, 1 << CHANNEL_BITS)
    tap = {name: int(column[entry]) for name, column in taps.items()}
    if words is not None:
        adds &= channel < tap["channels"]
    look = {"oy": tap["oy"], "ox": tap["ox"]}
    return {
        "read": adds,
        "address": (tap["base"] + channel + inputs["group"]) % spec.tile_words,
        "offset": look,
        "far": tap["far"],
        "first_column": (inputs["column"] + tap["column"]) % 8,
        "rotation": look,
        "row": masked(spec, word, adds),
    }


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("name", SPECS)
def test_lookup(name: str, pauses: bench.Pauses) -> None:
    spec = SPECS[name]
    rng = np.random.default_rng(1)
    block = Lookup(spec)
    taps = random_taps(spec, rng)
    stimulus = fill(block, Region.TAPS, bit_fields.pack(registers.tap(spec), **taps).tolist())
    words = None
    if spec.feed == "coded":
        words = rng.integers(0, 1 << bit_fields.width(registers.codebook_row(spec)), 64).tolist()
        stimulus += fill(block, Region.ROWS, words)
    quiet = len(stimulus)
    expected = []
    for _ in range(300):
        inputs = {
            "issue": int(rng.random() < 0.7),
            "source": int(rng.integers(0, 1 << 8 if words is None else len(words))),
            "position": int(rng.integers(0, 8 << CHANNEL_BITS)),
            "group": int(rng.integers(0, spec.tile_words)),
            "column": int(rng.integers(0, 8)),
            "channel_bits": CHANNEL_BITS,
            "channel_mask": (1 << CHANNEL_BITS) - 1,
        }
        if words is not None:
            inputs["offset_shift"] = int(rng.choice([0, CHANNEL_BITS]))
        stimulus.append(item(block, **inputs))
        expected.append(golden(spec, taps, words, inputs))
    row = spec.lookup_cycles
    split = row - 2  # cycle in which the position is split
    latency = dict.fromkeys(("read", "address", "offset", "far", "first_column"), row - 1) | {
        "rotation": row,
        "row": row,
    }
    late = dict.fromkeys(("channel_bits", "channel_mask", "offset_shift"), split)
    late |= dict.fromkeys(("group", "column"), row - 1)
    observed = bench.observe(
        Paced(block, latency, late),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"][quiet:]
    assert [found["read"] for found in observed] == [wanted["read"] for wanted in expected]
    assert all(found == wanted for found, wanted in zip(observed, expected, strict=True) if wanted["read"])
    idle = [found["row"] for found in observed if not found["read"]]
    assert len(idle) > 50
    assert not any(value for row in idle for name, value in row.items() if not name.startswith("exponent"))
