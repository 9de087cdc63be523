import numpy as np
import pytest
from amaranth.lib.wiring import In

from golden.spec import Spec
from hw import registers
from hw.lookup import Lookup
from hw.registers import Region
from sim import bench
from tests.hw.benches import Paced, ports
from tests.hw.small import small

LATENCY = {"address": 1, "offset": 1, "rotation": 2, "row": 2}
CHANNEL_BITS = 3


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
    """The row as the lanes see it: nothing is added unless something was issued."""
    fields = registers.unpack(registers.row(spec), word)
    for name in fields:
        kind, number = name.rstrip("0123456789"), name[-1]
        if kind in ("weight", "enable"):
            fields[name] *= issue
        elif kind == "negative":  # comes after its enable
            fields[name] &= fields[f"enable{number}"]
    return fields


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("preset", ["pair", "int8_sparse", "int8"])
def test_lookup(preset: str, pauses: bench.Pauses) -> None:
    spec = small(preset)
    rng = np.random.default_rng(1)
    block = Lookup(spec)
    taps = {"base": rng.integers(0, 16, 8) * 4, "oy": rng.integers(0, 4, 8), "ox": rng.integers(0, 4, 8)}
    stimulus = fill(block, Region.TAPS, registers.pack(registers.tap(spec), **taps).tolist())
    width = registers.width(registers.row(spec))
    words = rng.integers(0, 1 << width, 64).tolist()
    if spec.feed == "coded":
        stimulus += fill(block, Region.ROWS, words)
    expected = []
    quiet = len(stimulus)
    for _ in range(200):
        issue, position, sub = (int(rng.integers(0, n)) for n in (2, 8 << CHANNEL_BITS, 2))
        source = int(rng.integers(0, 1 << 8 if preset == "int8" else 64))
        stimulus.append(
            item(
                block,
                issue=issue,
                source=source,
                position=position,
                channel_bits=CHANNEL_BITS,
                channel_mask=(1 << CHANNEL_BITS) - 1,
                sub_blocks=sub,
            )
        )
        entry, channel = position >> CHANNEL_BITS, position % (1 << CHANNEL_BITS)
        offset = {"oy": int(taps["oy"][entry]), "ox": int(taps["ox"][entry])}
        row = masked(spec, source if preset == "int8" else words[source], issue)
        expected.append(
            {
                "address": (int(taps["base"][entry]) + (channel << 2 * sub)) % spec.tile_words,
                "offset": offset,
                "rotation": offset,
                "row": row,
            }
        )
    observed = bench.observe(
        Paced(block, LATENCY, late={"sub_blocks": 1}),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"][quiet:]
    assert observed == expected
