"""Names of modules, which checkpoints store and reports show."""

from __future__ import annotations

from shiftbook.frontend.graph.model import GraphModel
from shiftbook.golden.errors import ShiftbookError, is_plain
from shiftbook.golden.model.validate import MAX_NAME


def check_names(graph: GraphModel) -> None:
    """Refuse names that no checkpoint can hold.

    Raises
    ------
    ShiftbookError
        Names the first such operation.
    """
    for node in graph.nodes:
        if len(node.name) > MAX_NAME or not is_plain(node.name):
            raise ShiftbookError(
                f"the model has a layer named {node.name!r:.280}: names must be of at most {MAX_NAME} "
                "visible characters and blanks"
            )
