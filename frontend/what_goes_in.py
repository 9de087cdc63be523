"""The table of what can be compressed, for the documents: ``python -m shiftbook.frontend.what_goes_in``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shiftbook.frontend.fusing.operators import SUPPORTED
from shiftbook.frontend.importing.onnx_model.operators import OPERATORS
from shiftbook.frontend.importing.recording.aten import HANDLERS
from shiftbook.frontend.importing.recording.recorder import MOVES

MODELS = {
    "`net.py:make`": "a function of yours that returns an `nn.Module`",
    "`net.onnx`": "ONNX, operator set 11 or newer; float, QDQ or QONNX",
    "`net.pt2`": "`torch.export.save`, with a batch size that may vary",
    "`zoo:resnet20`": "a network that comes with shiftbook",
    "a module, in Python": "`sb.compress(model, ...)`",
}


def table() -> str:
    """The table in Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| what | goes in |"
    yield "| --- | --- |"
    for form, meaning in MODELS.items():
        yield f"| {form} | {meaning} |"
    yield f"| layers that run | {_listed(SUPPORTED)} |"
    yield f"| torch operators that are read | {_listed(name.strip('_') for name in HANDLERS)} |"
    yield f"| torch operators that only move elements | {_listed(name.strip('_') for name in MOVES)} |"
    yield f"| ONNX operators that are read | {_listed(OPERATORS)} |"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(set(names), key=lambda name: (name.lower(), name)))


if __name__ == "__main__":
    print(table())
