"""The register map and an image's addresses for people and compilers: a C header, and documentation."""

from __future__ import annotations

from collections.abc import Mapping

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.host_map import EVENTS, REGISTERS, Host
from shiftbook.golden.mapping.job import View
from shiftbook.golden.program.image import Image


def c_header(image: Image) -> str:
    """A C header: registers with their fields, faults, and where the image's tensors are."""
    lines = [
        "/* Registers of the accelerator and addresses of one network's image. */",
        "#ifndef SHIFTBOOK_H",
        "#define SHIFTBOOK_H",
        "",
        "/* Byte addresses of the AXI4-Lite registers; below each its fields as shift and mask. */",
    ]
    for register, entry in REGISTERS.items():
        lines.append(
            f"#define SHIFTBOOK_{register.name} {int(register):#04x}u /* {entry.access}: {entry.text} */"
        )
        position = 0
        for field in entry.fields:
            if len(entry.fields) > 1:
                name = f"SHIFTBOOK_{register.name}_{field.name.upper()}"
                mask = (1 << field.width) - 1
                lines.append(f"#define {name}_SHIFT {position}u /* {field.text} */")
                lines.append(f"#define {name}_MASK {mask:#x}u")
            position += field.width
    lines += ["", "/* Why a program was given up: the field fault of STATUS. */"]
    lines += [f"#define SHIFTBOOK_FAULT_{fault.name} {int(fault)}u" for fault in Fault]
    lines += ["", "/* Bytes from the beginning of the image, which is at a multiple of 4096. */"]
    lines.append(f"#define SHIFTBOOK_IMAGE_SIZE {image.size}u")
    for name, (offset, size) in addresses(image).items():
        lines.append(f"#define SHIFTBOOK_{name}_OFFSET {offset}u")
        lines.append(f"#define SHIFTBOOK_{name}_SIZE {size}u")
    if image.plan.batch > 1:
        lines += ["", "/* Images at once, and where the first value of each lies. */"]
        lines.append(f"#define SHIFTBOOK_BATCH {image.plan.batch}u")
        for name, node in _ends(image).items():
            each = ", ".join(f"{image.first(node, number)}u" for number in range(image.plan.batch))
            lines.append(f"#define SHIFTBOOK_{name}_OFFSETS {{{each}}}")
    return "\n".join([*lines, "", "#endif", ""])


def addresses(image: Image) -> dict[str, tuple[int, int]]:
    """Offset and size in bytes of the raw pixels, and of the whole that holds each result.

    Results are called OUTPUT, or OUTPUT_0, OUTPUT_1, ... where there are several. In a batch these are those
    of the first image.
    """
    tensors = {name: image.plan.views[node].tensor for name, node in _ends(image).items()}
    return {
        name: (image.offset(tensor), image.places[tensor].layout.size) for name, tensor in tensors.items()
    }


def _ends(image: Image) -> dict[str, str]:
    """The raw pixels and the results: what the header calls them, and the nodes."""
    several = len(image.outputs) > 1
    outputs = {f"OUTPUT_{number}" if several else "OUTPUT": name for number, name in enumerate(image.outputs)}
    return {"INPUT": image.input, **outputs}


def address_map(image: Image) -> dict[str, object]:
    """Everything that a host must know to use the image, as JSON values."""
    passes = image.plan.passes
    complete = {step.target.tensor: number for number, step in enumerate(passes)}
    return {
        "image_bytes": image.size,
        "constant_bytes": len(image.constants),
        "program_offset": image.program_offset,
        "input": image.input,
        "outputs": list(image.outputs),
        "batch": image.plan.batch,
        "layers": [step.node for step in passes],
        "spec": image.spec.as_json(),
        "tensors": {
            name: {**_place(image, view), **_batch(image, name), **_on_chip(image, view, complete)}
            for name, view in image.plan.views.items()
        },
        "tensor_buffer": {name: stay._asdict() for name, stay in image.stays.items()},
    }


def _on_chip(image: Image, view: View, complete: Mapping[str, int]) -> dict[str, object]:
    """After which layer a tensor that the tensor buffer keeps is complete."""
    return {"on_chip_after": complete[view.tensor]} if image.places[view.tensor].local else {}


def _batch(image: Image, name: str) -> dict[str, object]:
    """Where a tensor of each image of a batch lies."""
    if image.plan.batch == 1:
        return {}
    views = [image.plan.view(name, number) for number in range(image.plan.batch)]
    return {
        "images": [
            {"offset": image.offset(view.tensor, view.image), "first_pixel": list(view.grid[1])}
            for view in views
        ]
    }


def _place(image: Image, view: View) -> dict[str, object]:
    """Where a tensor lies."""
    whole = image.places[view.tensor].layout
    step, (dy, dx) = view.grid
    return {
        "offset": image.offset(view.tensor),
        "height": -(-(whole.height - dy) // step),
        "width": -(-(whole.width - dx) // step),
        "width_in_memory": whole.width,
        "pixel_step": step,
        "first_pixel": [dy, dx],
        "channels_in_memory": whole.channels,
        "first_channel": view.first,
        "channels": view.channels,
    }


def register_table() -> str:
    """The register map as Markdown."""
    lines = [
        "| address | register | access | bits | field | meaning | may be written |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for register, entry in REGISTERS.items():
        position = 0
        for number, field in enumerate(entry.fields):
            end = position + field.width - 1
            bits = f"{end}..{position}" if field.width > 1 else f"{position}"
            first = (
                (f"{int(register):#04x}", f"`{register.name}`", entry.access) if not number else ("", "", "")
            )
            when = entry.when if not number and "write" in entry.access else ""
            lines.append(f"| {' | '.join(first)} | {bits} | `{field.name}` | {field.text} | {when} |")
            position += field.width
    return "\n".join(lines)


def fault_table() -> str:
    """The faults as Markdown."""
    lines = ["| fault | name |", "| --- | --- |"]
    lines += [f"| {int(fault)} | `{fault.name}` |" for fault in Fault]
    return "\n".join(lines)


def event_table() -> str:
    """The events of the interrupt as Markdown."""
    lines = ["| bit | event | when |", "| --- | --- | --- |"]
    lines += [f"| {number} | `{event.name}` | {event.text} |" for number, event in enumerate(EVENTS)]
    return "\n".join(lines)


def document() -> str:
    """The page docs/register-map.md."""
    return f"""# Register map

Printed by `python -m shiftbook.golden.program.header`, from the description that the hardware is generated
from (`golden/isa/host_map.py`). Registers are words of 32 bits on the AXI4-Lite port. A write must be of a
whole word; other writes, and addresses that are not in the table, are answered with SLVERR, and nothing is
done.

{register_table()}

The interrupt is raised as long as an event is set that `INTERRUPT_ENABLE` names too; writing 1 to its bit in
`INTERRUPT` clears it.

{event_table()}

A program that is given up leaves one of these in `STATUS`:

{fault_table()}
"""


if __name__ == "__main__":
    assert {int(register) % 4 for register in Host} == {0}
    print(document(), end="")
