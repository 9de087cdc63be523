"""Words of the codebook memory: the rows of codewords, as its bit fields have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.terms import Row
from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.spec import Spec


def row_words(rows: Sequence[tuple[int, Row]], spec: Spec) -> NDArray[np.uint64]:
    """A word for each row, given with the position of its weight within the vector."""
    layout = registers.codebook_row(spec)
    values = [{"offset": place, **_fields(row, spec)} for place, row in rows]
    columns = {field.name: [each.get(field.name, 0) for each in values] for field in layout}
    return bit_fields.pack(layout, **columns)


def _fields(row: Row, spec: Spec) -> dict[str, int]:
    """What a row tells the lanes, by field."""
    if isinstance(row, int):
        return {"weight": row}
    fields = {}
    for number, (term, (low, _)) in enumerate(zip(row, spec.terms, strict=True)):
        if term is not None:
            fields[f"enable{number}"] = 1
            fields[f"negative{number}"] = int(term.sign < 0)
            fields[f"exponent{number}"] = term.exponent - low
    return fields
