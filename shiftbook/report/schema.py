"""What of the commands' JSON a report takes, and the values that it may have.

Fields that a report does not need are ignored, so that commands can tell more; those that it needs must be
there, of the right type, finite and in range.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def printable(text: str) -> str:
    """The text with a replacement for each character that no page can show."""
    return "".join(char if char.isprintable() else "�" for char in text)


Text = Annotated[str, AfterValidator(printable)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Amount = Annotated[float, Field(ge=0, le=1e24)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[int, Field(ge=-(2**15), lt=2**15)]
Real = Annotated[float, Field(ge=-1e24, le=1e24)]


class Record(BaseModel):
    """An object of JSON: its types are exact, numbers finite."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Row(Record):
    """A checkpoint in what `shiftbook compare` writes."""

    checkpoint: Text
    scheme: Text
    weights: Count
    density: Share
    macs: Count
    stored_bits: Count
    moved_bytes: Count
    engine: Text
    cycles: Count
    ge: Amount
    gate_cycles: Amount
    relative: Amount
    images: Count | None = None
    accuracy: Share | None = None
    compared: Count | None = None


class Comparison(Record):
    """What `shiftbook compare` writes."""

    lanes: Text
    rows: Annotated[list[Row], Field(min_length=1)]


class Module(Record):
    """A module of an engine: all its instances."""

    instances: Count
    total_ge: Amount
    memory_bits: Count


class Engine(Record):
    """An engine in what `shiftbook gates` writes."""

    lane_ge: Amount
    total_ge: Amount
    ge_per_lane: Amount
    ge_per_term: Amount
    memory_bits: Count
    modules: dict[Text, Module]
    total_area: Amount | None = None


class Ratio(Record):
    """Gates over those of the dense int8 engine."""

    lane: Amount
    total: Amount


class Gates(Record):
    """What `shiftbook gates` writes."""

    engines: Annotated[dict[Text, Engine], Field(min_length=1)]
    ratios: dict[Text, Ratio]
    versions: dict[Text, Text]
    weights: Text
    liberty: Text | None


class Counters(Record):
    """A layer in what `shiftbook run` writes: modelled, or with the counters of the RTL."""

    name: Text
    cycles: Count | None
    busy: Count | None = None
    issue: Count | None = None
    stream_wait: Count | None = None
    output_wait: Count | None = None
    load_wait: Count | None = None


class Run(Record):
    """What `shiftbook run` writes."""

    checkpoint: Text
    preset: Text
    backend: Text
    lanes: Text
    images: Count
    accuracy: Share | None
    agreement: Share | None = None
    mismatches: Count | None
    compared: Count | None = None
    cycles: Count | None
    utilization: Share | None
    layers: list[Counters]


class Component(Record):
    """See `golden.statistics.distribution.Component`."""

    share: Share
    mean: Real
    sigma: Amount


class Mixture(Record):
    """What compress fitted to a layer's float weights: how far apart its two Gaussians are."""

    separation: Amount


class Layer(Record):
    """A layer in what `shiftbook inspect` writes."""

    name: Text
    scheme: Text
    gapless: bool
    weights: Count
    density: Share
    stored_bits: Count
    integers: Annotated[list[Weight], Field(min_length=1)]
    counts: list[Annotated[int, Field(ge=1, le=10**15)]]
    levels: list[Weight]
    components: Annotated[list[Component], Field(min_length=2, max_length=2)] | None
    mixture: Mixture | None

    @model_validator(mode="after")
    def _fits(self) -> Layer:
        if len(self.counts) != len(self.integers):
            raise ValueError(f"has {len(self.integers)} integers and {len(self.counts)} counts")
        if self.integers != sorted(set(self.integers)):
            raise ValueError("must have ascending integers")
        return self


class Inspection(Record):
    """What `shiftbook inspect` writes."""

    checkpoint: Text
    ratio: Amount
    bits_per_weight: Amount
    weights: Count
    stored_bits: Count
    layers: list[Layer]


class Compression(Record):
    """What `shiftbook compress` writes."""

    checkpoint: Text
    source: Text
    scheme: Text
    bits: Count | None = None
    density: Share
    epochs: Count
    seed: int
    images: Count
    float_accuracy: Share | None
    accuracy: Share | None
    ratio: Amount
    bits_per_weight: Amount
    weights: Count
    stored_bits: Count
