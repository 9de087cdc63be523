"""Names of modules: torch.fx writes them into Python code, and checkpoints store them."""

from __future__ import annotations

import keyword
import unicodedata

from torch import fx

from shiftbook.golden.errors import ShiftbookError, is_plain
from shiftbook.golden.model.validate import MAX_NAME

KINDS = {"call_module": "module", "get_attr": "parameter"}


def check_names(graph: fx.Graph) -> None:
    """Refuse names that torch.fx makes no code of, or code of another name.

    Raises
    ------
    ShiftbookError
        Names the first such module or parameter that the graph uses.
    """
    for node in graph.nodes:
        if node.op in KINDS and not _is_usable(path := str(node.target)):
            raise ShiftbookError(
                f"the model has a {KINDS[node.op]} named {path!r:.280}: torch.fx and checkpoints need names "
                f"of at most {MAX_NAME} visible characters and blanks, without quotes and backslashes, "
                "no part a keyword of Python"
            )


def _is_usable(path: str) -> bool:
    if len(path) > MAX_NAME or not is_plain(path) or '"' in path or "\\" in path:
        return False
    return not any(keyword.iskeyword(part) or _is_read_otherwise(part) for part in path.split("."))


def _is_read_otherwise(part: str) -> bool:
    """Whether Python takes it for another identifier, as a ligature for its letters."""
    return part.isidentifier() and unicodedata.normalize("NFKC", part) != part
