"""What all result files share: types of values, and how strict writing and reading are.

A file is written only if it holds what its record says and nothing else; so no field is without a
description. Reading ignores fields that it does not know, so that an older shiftbook reads newer files; a
field without a default must be there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


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

    model_config = ConfigDict(
        strict=True, frozen=True, allow_inf_nan=False, extra="forbid", use_attribute_docstrings=True
    )


class OpenRecord(Record):
    """An object that may hold other fields, too."""

    model_config = ConfigDict(extra="allow")
