"""What `shiftbook run` writes."""

from __future__ import annotations

from shiftbook.results.base import Amount, Count, Record, Share, Text


class Spent(Record):
    """Lane-slot-cycles of an image or a batch by cause, by the cycle model.

    They add up to cycles x lanes x slots.
    """

    useful: Count
    """A row is added in a lane that holds an output pixel."""
    idle: Count
    """The map does not fill the lanes, or the channels do not fill the slots."""
    skips: Count
    """A slot skips more zeros than one gap says."""
    slot_wait: Count
    """A slot waits for the slowest."""
    drain: Count
    """All slots wait until the requantizers have emptied the lanes."""
    bus: Count
    """A tile waits for its traffic."""
    fill: Count
    """Program, first input, starts of tiles, last outputs."""


class Counters(Record):
    """A layer, for one image or batch: by the cycle model, or with --backend rtl by the counters."""

    name: Text
    """Its node; of the raw pixels' normalization the input. Empty where the engine runs no layer."""
    cycles: Count | None
    """With the bus."""
    micro_ops: Count | None = None
    """Codebook rows that were issued on all slots."""
    utilization: Share | None = None
    """Share of all lane-slot-cycles in which a row meets a pixel."""
    note: Text | None = None
    """Why the engine does not run the network."""
    modelled_cycles: Count | None = None
    """RTL: what the cycle model says."""
    compared: Count | None = None
    """RTL: integers of all images that were compared with the golden model."""
    busy: Count | None = None
    """RTL: cycles in which a tile is being computed."""
    issue: Count | None = None
    """RTL: of these, cycles in which rows are issued."""
    stream_wait: Count | None = None
    """RTL: cycles in which a slot waits for its streams."""
    output_wait: Count | None = None
    """RTL: cycles in which the engine waits for room for its outputs."""
    load_wait: Count | None = None
    """RTL: cycles in which it waits for its input."""
    read_beats: Count | None = None
    """RTL: beats read on the memory bus."""
    write_beats: Count | None = None
    """RTL: beats written."""
    spent: Spent | None = None
    """With --explain where the layer's lane-slot-cycles go."""


class Batch(Record):
    """What an image takes where the accelerator takes several at once; other counts are of a whole batch."""

    images: Count
    """How many it takes at once."""
    cycles_per_image: Amount | None = None
    """Cycles of a batch over its images."""
    images_per_megacycle: Amount | None = None
    """Images that are done in 10^6 cycles: in a second at 1 MHz."""
    alone_cycles: Count | None = None
    """Of one image alone, by the cycle model."""


class Run(Record):
    """A checkpoint on images, or with --explain on an engine alone."""

    checkpoint: Text
    """Its file."""
    data: Text | None = None
    """The images, as the option named them; null where there are none."""
    preset: Text
    """Name of the engine."""
    backend: Text
    """golden or rtl."""
    lanes: Text
    """The grid, such as 8x8."""
    images: Count
    """How many ran; 0 where --explain has no images."""
    accuracy: Share | None
    """Null without labels."""
    mismatches: Count | None
    """RTL: integers that differ from the golden model's, always 0; else null."""
    compared: Count | None = None
    """RTL: integers that were compared."""
    simulated_cycles: Count | None = None
    """RTL: clock cycles of the simulator, of all images and with the host."""
    simulation_seconds: Amount | None = None
    """RTL: how long they took."""
    build_seconds: Amount | None = None
    """RTL: how long the simulator took to build; 0 where it was built before."""
    cycles: Count | None
    """Of one image, with --batch of one batch; null where the engine does not run the network."""
    batch: Batch | None = None
    """With --batch 2 and more."""
    utilization: Share | None
    """Over all layers, each as long as it runs."""
    convolution_utilization: Share | None = None
    """Over the convolutions whose output has more than a pixel."""
    slots: Count | None = None
    """With --explain the engine's weight slots."""
    spent: Spent | None = None
    """With --explain where the lane-slot-cycles of all layers go."""
    layers: list[Counters]
    """In the order in which they run."""
    predictions: list[Count] | None = None
    """Number of the class with the highest score, for each image."""
    classes: list[Text] | None = None
    """Names of the classes."""
    results: dict[Text, list[Count]] | None = None
    """Rows, columns and channels of each of the network's results, by name."""
    seconds: Amount | None = None
    """How long the run took."""
    float_accuracy: Share | None = None
    """With --float the accuracy of the float network on these images; null without labels."""
    agreement: Share | None = None
    """With --float the share of images that both networks give the same class."""
