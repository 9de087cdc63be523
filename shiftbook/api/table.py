"""What all results have in common: they are JSON values, and tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from shiftbook.golden.errors import ShiftbookError

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, object]
"""Values of JSON by name."""


class Table(ABC):
    """A result."""

    @abstractmethod
    def to_dict(self) -> Row:
        """Everything as values that `json.dump` takes."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """The rows of `to_frame`, all with the same names."""

    def to_frame(self) -> DataFrame:
        """The result as a table of pandas.

        Raises
        ------
        ShiftbookError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ShiftbookError("to_frame() needs pandas: pip install pandas, or take rows()") from error
        return pandas.DataFrame(self.rows())
