"""The accelerator's configuration: one frozen dataclass from which every width is derived."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from shiftbook.golden.errors import ShiftbookError

Lane = Literal["shift", "multiply"]
Feed = Literal["coded", "dense"]

ACTIVATION_WIDTH = 8
"""Bits of an activation: unsigned, with a zero point for each tensor."""

DATA_WIDTH = 32
"""Bits of a word of the engine's address map."""

FRACTION = 8
"""Bits below the point of what the requantizer adds up: its product, the residual's, and one half."""

LEAST_SHIFT = 2
"""Of the requantizer: a multiplier of 10 bits is a gain of up to 256 steps of the output."""

RESIDUAL_WIDTH = 10
"""Bits of a residual's unsigned multiplier."""

PARTIAL_WIDTH = 24
"""Bits of a partial sum in memory."""

PARTIAL_BYTES = 4
"""Channels in memory that hold a partial sum: three bytes, and that of a residual that waits for it."""

NARROWEST_BUS = 8
"""Bytes of a beat."""

MAX_RING = 3
"""Bits of the number of tile columns that an activation bank can hold side by side for a layer."""

RING_WIDTH = MAX_RING + 1
"""The same of two layers that share the banks."""

RANGES = {
    "rows": (2, 32),
    "cols": (2, 32),
    "slots": (1, 16),
    "weight_width": (4, 8),
    "accumulator_width": (16, 32),
    "multiplier_width": (9, 16),
    "shift_width": (4, 6),
    "tile_words": (64, 1 << 14),
    "table_entries": (4, 256),
    "codebook_rows": (16, 8192),
    "codebooks": (1, 4),
    "vector_size": (1, 32),
    "code_symbols": (4, 256),
    "gap_symbols": (4, 256),
    "code_length": (8, 15),
    "word_width": (16, 32),
    "position_width": (8, 20),
    "channel_counter_width": (8, 16),
    "bus_bytes": (NARROWEST_BUS, 64),
    "burst_beats": (2, 64),
    "outstanding": (1, 64),
    "tensor_kib": (0, 4096),
}
"""Least and largest value of each parameter that has a range of its own."""

POWERS_OF_TWO = (
    "tile_words",
    "bus_bytes",
    "burst_beats",
    "buffer_beats",
    "tensor_kib",
    "group_channels",
    "word_width",
    "weight_width",
)
"""Parameters that addresses and words are cut at."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Everything that the generator, the golden model and the driver must agree on.

    Parameters
    ----------
    rows, cols
        The lane grid. One lane owns one output pixel of a ``rows x cols`` tile.
    slots
        Weight slots W. Every slot has its own bit streams, decoder and activation banks and gives each
        lane one codebook row a cycle; the lane adds all of them into one accumulator.
    lane
        ``"shift"``: terms are shifted and added. ``"multiply"``: the int8 baseline.
    feed
        ``"coded"``: Huffman coded gaps and codes. ``"dense"``: every weight, zero or not, as raw bits
        (multiplier lanes only).
    terms
        The exponent range ``(low, high)``, both included, of each term of a codebook row. A row adds
        ``sum(sign_t * x << exponent_t)``; a term can also be absent. ``((0, 7),)`` represents every
        int8 value in at most four rows; narrower ranges are cheaper, and refuse weights that they cannot
        represent.
    weight_width
        Bits of the signed weight that a multiplier lane takes, 4 or 8; of a dense feed also in the stream.
    accumulator_width
        Bits of the signed accumulator. Layers are proven to fit before they are run.
    multiplier_width, shift_width
        Bits of the requantizer's unsigned multiplier, and of its right shift less `LEAST_SHIFT`.
    requantizers
        Requantizers; each drains ``rows * cols / requantizers`` lanes, one a cycle. They take whole rows
        of lanes, or even parts of a row. `on_grid` chooses it for another grid.
    tile_words
        Words of each activation bank. A bank holds 8-bit pixels; there are ``rows * cols`` banks a slot, and
        those of neighbouring columns share memories.
        A tap table entry (``tap_width``) bounds them too.
    table_entries
        Entries of each slot's tap table.
    codebook_rows, code_symbols, gap_symbols, code_length
        Codebook memory, alphabets of the two canonical Huffman codes, and their longest code word.
    codebooks, vector_size
        Of a coded feed, the most codebooks M whose codes one item may have, and the most weights of a
        codeword; these lie at offsets of 0 to ``vector_size - 1`` from their item.
    word_width
        Bits of a word of a weight stream.
    position_width
        Bits of a position counter; positions of one output channel in one slot, plus one gap, fit in it,
        and so does every position with its offset in a codeword.
    channel_counter_width
        Bits of a number of channels.
    bus_bytes
        Bytes of a beat on the memory bus, at least those of a row of lanes.
    burst_beats, outstanding
        The most beats of a burst, and the most bursts that are asked for and not yet answered.
    buffer_beats
        Beats of each stream's buffer; two bursts or more, so that one is on its way while one is read.
    tensor_kib
        Kibibytes of the tensor buffer, which keeps tensors between layers on the chip; 0: there is none.
    group_channels
        Output channels that are stored, and whose residuals are fetched, together.
    bus_parity
        Whether each byte on the memory bus comes with a bit of odd parity, as AXI5 has it: what is read is
        checked, and what is written carries it.
    function_tables
        Whether each requantizer has a table of 256 bytes behind it, for functions that no clamp says.
    interleaving
        Whether outputs can be stored as every second row and column of a tensor, as up-sampling needs it.
    """

    rows: int = 8
    cols: int = 8
    slots: int = 4
    lane: Lane = "shift"
    feed: Feed = "coded"
    terms: tuple[tuple[int, int], ...] = ((0, 7),)
    weight_width: int = 8
    accumulator_width: int = 24
    multiplier_width: int = 10
    shift_width: int = 5
    requantizers: int = 8
    tile_words: int = 1024
    table_entries: int = 64
    codebook_rows: int = 8192
    codebooks: int = 4
    vector_size: int = 16
    code_symbols: int = 256
    gap_symbols: int = 64
    code_length: int = 12
    word_width: int = 16
    position_width: int = 14
    channel_counter_width: int = 13
    bus_bytes: int = 32
    burst_beats: int = 16
    outstanding: int = 32
    buffer_beats: int = 32
    tensor_kib: int = 0
    group_channels: int = 8
    bus_parity: bool = False
    function_tables: bool = True
    interleaving: bool = True

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_lanes()
        for name in POWERS_OF_TWO:
            if getattr(self, name) & (getattr(self, name) - 1):
                raise ShiftbookError(f"{name} must be a power of two, not {getattr(self, name)}")
        if self.bus_bytes < self.pitch:
            raise ShiftbookError(
                f"bus_bytes must be at least {self.pitch}, for a row of {self.cols} lanes, not "
                f"{self.bus_bytes}"
            )
        if 0 < self.tensor_words < self.burst_beats:
            raise ShiftbookError(
                f"tensor_kib must be 0 or have room for a burst of {self.burst_beats} beats of "
                f"{self.bus_bytes} bytes, not {self.tensor_kib}"
            )
        if self.tap_width > DATA_WIDTH:
            raise ShiftbookError(
                f"tile_words must be smaller on {self.rows}x{self.cols} lanes, not {self.tile_words}: a tap "
                f"table entry would take {self.tap_width} bits of {DATA_WIDTH}"
            )
        if not self._drains(self.requantizers):
            possible = ", ".join(str(q) for q in range(1, self.lanes + 1) if self._drains(q))
            raise ShiftbookError(
                f"{self.requantizers} requantizers cannot drain {self.rows}x{self.cols} lanes in even parts "
                f"or whole rows of a beat of {self.bus_bytes} bytes: {possible} can"
            )

    def _check_ranges(self) -> None:
        ranges = {
            **RANGES,
            "requantizers": (1, self.rows * self.cols),
            "buffer_beats": (2 * self.burst_beats, 1024),
            "group_channels": (PARTIAL_BYTES // 2, self.burst_beats),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ShiftbookError(f"{name} must be an integer in {low}..{high}, not {value!r}")
        for name in ("bus_parity", "function_tables", "interleaving"):
            if not isinstance(getattr(self, name), bool):
                raise ShiftbookError(f"{name} must be True or False, not {getattr(self, name)!r}")

    def _check_lanes(self) -> None:
        if self.lane not in get_args(Lane):
            raise ShiftbookError(f"lane must be one of {get_args(Lane)}, not {self.lane!r}")
        if self.feed not in get_args(Feed):
            raise ShiftbookError(f"feed must be one of {get_args(Feed)}, not {self.feed!r}")
        if self.feed == "dense" and self.lane != "multiply":
            raise ShiftbookError("feed 'dense' needs lane 'multiply': shift lanes take terms from a codebook")
        if not self.terms:
            raise ShiftbookError("terms must name at least one exponent range")
        for low, high in self.terms:
            if not 0 <= low <= high <= 7:
                raise ShiftbookError(
                    f"an exponent range must satisfy 0 <= low <= high <= 7, not {(low, high)}"
                )

    @property
    def lanes(self) -> int:
        """Lanes of the grid."""
        return self.rows * self.cols

    @property
    def pitch(self) -> int:
        """Bytes of a row of lanes in memory: their number, or the next power of two."""
        return 1 << (self.cols - 1).bit_length()

    @property
    def beat_rows(self) -> int:
        """Rows of lanes in a beat of the bus."""
        return self.bus_bytes // self.pitch

    @property
    def tensor_words(self) -> int:
        """Words of the tensor buffer, each a beat of the bus."""
        return (self.tensor_kib << 10) // self.bus_bytes

    @property
    def block_beats(self) -> int:
        """Beats of all lanes' pixels of one channel."""
        return -(-self.rows // self.beat_rows)

    @property
    def interleaves(self) -> bool:
        """Whether outputs are stored so: where it is wanted, and half of a beat's lanes fill a beat."""
        whole = self.beat_rows >= self.rows or self.rows % self.beat_rows == 0
        return self.interleaving and whole and self.rows % 2 == 0 and self.cols % 2 == 0

    @property
    def tile_bits(self) -> int:
        """Bits of all activation banks."""
        return self.slots * self.lanes * self.tile_words * ACTIVATION_WIDTH

    @property
    def largest_shift(self) -> int:
        """Of the requantizer."""
        return LEAST_SHIFT + (1 << self.shift_width) - 1

    def _drains(self, requantizers: int) -> bool:
        """Whether this many requantizers can drain the grid."""
        if self.lanes % requantizers:
            return False
        if requantizers < self.cols:
            return self.cols % requantizers == 0 and self.pitch == self.cols
        whole, rest = divmod(requantizers, self.cols)
        return rest == 0 and self.beat_rows % whole == 0 and self.rows % whole == 0

    @property
    def drain_cycles(self) -> int:
        """Cycles in which the requantizers empty the grid; no output channel takes fewer."""
        return self.lanes // self.requantizers

    @property
    def start_cycles(self) -> int:
        """Busy cycles of a layer before its first output channel begins: the decoders' first symbols."""
        return 4

    @property
    def lookup_cycles(self) -> int:
        """Cycles from an issued row to the lanes; a codebook row says where its tap is, a weight does not."""
        return 2 if self.feed == "dense" else 3

    @property
    def accumulate_cycles(self) -> int:
        """Cycles from an issued row to the accumulators: the lanes add up its terms one cycle before."""
        return self.lookup_cycles + 1

    @property
    def address_width(self) -> int:
        """Bits of the address of an activation bank."""
        return (self.tile_words - 1).bit_length()

    @property
    def channel_count_width(self) -> int:
        """Bits of the number of local channels in a tap table entry; a dense feed counts none."""
        return 0 if self.feed == "dense" else self.tile_words.bit_length()

    @property
    def tap_width(self) -> int:
        """Bits of a tap table entry."""
        offset = (self.rows - 1).bit_length() + (self.cols - 1).bit_length()
        return self.address_width + offset + 3 + self.channel_count_width

    @property
    def row_address_width(self) -> int:
        """Bits of the address of a codebook row."""
        return (self.codebook_rows - 1).bit_length()

    @property
    def offset_width(self) -> int:
        """Bits of a weight's offset in its codeword."""
        return (self.vector_size - 1).bit_length()

    @property
    def escape_gap(self) -> int:
        """The last gap symbol: skip this many positions and issue nothing."""
        return self.gap_symbols - 1

    def given(
        self,
        *,
        slots: int | None = None,
        bus_bytes: int | None = None,
        bus_parity: bool | None = None,
        tile_words: int | None = None,
        tensor_kib: int | None = None,
        requantizers: int | None = None,
    ) -> Spec:
        """This spec with those replaced that are not None: 0 is a value, and refused as one.

        Raises
        ------
        ShiftbookError
            There is no such spec.
        """
        return replace(
            self,
            slots=self.slots if slots is None else slots,
            bus_bytes=self.bus_bytes if bus_bytes is None else bus_bytes,
            bus_parity=self.bus_parity if bus_parity is None else bus_parity,
            tile_words=self.tile_words if tile_words is None else tile_words,
            tensor_kib=self.tensor_kib if tensor_kib is None else tensor_kib,
            requantizers=self.requantizers if requantizers is None else requantizers,
        )

    def on_grid(self, rows: int, cols: int, bus: int | None = None) -> Spec:
        """This spec on another lane grid, which its requantizers follow.

        It has the fewest that drain an output channel in no more cycles than here. Where none do, because no
        more leave in a cycle than a beat of the bus takes, it has the most that can drain the grid.

        Parameters
        ----------
        bus
            Bytes of its beats; None keeps them, but at least as wide as a row of lanes, and not wider than a
            block of pixels fills.

        Raises
        ------
        ShiftbookError
            There is no such grid or bus.
        """
        pitch, lines = (1 << max(0, size - 1).bit_length() for size in (cols, rows))
        if bus is None:
            bus = max(min(self.bus_bytes, pitch * lines), pitch, NARROWEST_BUS)
        grid = replace(self, rows=rows, cols=cols, requantizers=cols, bus_bytes=bus)
        possible = [q for q in range(1, grid.lanes + 1) if grid._drains(q)]
        enough = [q for q in possible if grid.lanes // q <= self.drain_cycles]
        return replace(grid, requantizers=min(enough) if enough else max(possible))

    def as_json(self) -> dict[str, object]:
        """The fields as JSON values."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


DEFAULT = Spec()
"""Runs any codebook."""

PRESETS: dict[str, Spec] = {
    "shift": DEFAULT,
    "shift4": replace(
        DEFAULT,
        terms=((0, 3),),
        accumulator_width=18,
        codebooks=1,
        vector_size=1,
        codebook_rows=256,
        code_symbols=64,
        code_length=8,
    ),
    "int8": replace(DEFAULT, lane="multiply", feed="dense"),
    "int8_sparse": replace(DEFAULT, lane="multiply"),
    "focused": replace(DEFAULT, terms=((4, 4), (0, 3))),
    "two_term": replace(DEFAULT, terms=((4, 7), (0, 3))),
}
"""Engines by name, in the order of reports.

- ``shift``: one term per cycle and slot; any codebook.
- ``shift4``: for pruned 4-bit shift weights whose sums fit its accumulator; no vectors, short codes only.
- ``int8``: the dense multiplier engine.
- ``int8_sparse``: the multiplier behind the decoders of the shift engines.
- ``focused``: two terms, the cheapest lane for 5-bit focused weights.
- ``two_term``: two terms; any codebook.

``shift4`` and ``focused`` refuse weights that they cannot represent.
"""
