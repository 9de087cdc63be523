"""What a program of torch.export may hold: a copy of its archive, without anything that could run code.

Reading such an archive with torch alone would run what the file says: sizes are handed to SymPy as text,
which evaluates it; guards and names become the source of a function; operators are any attributes of torch;
and an archive may hold compiled libraries. So every text is checked, and what is not needed is left out.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import shown

MOST_BYTES = 1 << 31
"""Of an archive, unpacked."""

COMPILED = ("aotinductor", "executorch", "mtia")
"""Folders of programs for machines."""

TARGET = re.compile(
    r"torch\.ops\.(aten|prims)\.\w+\.\w+"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.(ceil|floor|trunc)"
    r"|torch\.sym_\w+"
)
"""Operators: those on tensors, and those on sizes."""

WORDY = frozenset(("conv1d", "conv2d", "div", "einsum", "gelu", "meshgrid", "pad"))
"""Operators that take a word; others that do could name a file."""

PLAIN = re.compile(r"[\w.,+\-> ]*")
"""Other texts: names, paths of modules, versions."""

FUNCTIONS = frozenset(
    (  # noqa: SIM905
        "Symbol Integer Add Mul Max Min FloorDiv CeilDiv CleanDiv IntTrueDiv Mod PythonMod ModularIndexing "
        "Eq Ne Ge Gt Le Lt And Or Not"
    ).split()
)
"""What sizes are computed with."""

ARITHMETIC = (
    *(
        ast.Expression,
        ast.BinOp,
        ast.UnaryOp,
        ast.Compare,
        ast.Call,
        ast.keyword,
        ast.Name,
        ast.Load,
        ast.Constant,
    ),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
"""Parts of an expression; a power could take forever."""

SPECS = ("in_spec", "out_spec")
"""Fields with JSON of their own: how arguments and results are nested."""

NESTS = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
"""Containers, by the names that torch imports them by."""


def plain_archive(path: Path) -> io.BytesIO:
    """A copy of an archive that holds numbers and checked texts alone.

    Raises
    ------
    ShiftbookError
        It holds something else, or a text that could be more than a name or a size.
    """
    copy = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as result:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > MOST_BYTES:
            raise ShiftbookError(
                f"{shown(path)} unpacks to {size:,} bytes, and at most {MOST_BYTES:,} are read"
            )
        if len({member.filename.lower() for member in members}) < len(members):
            raise ShiftbookError(f"{shown(path)} has two members of one name")
        for member in members:
            if any(part in COMPILED for part in member.filename.lower().split("/")):
                raise ShiftbookError(f"{shown(path)} holds compiled programs, which are never loaded")
            data = archive.read(member)
            if member.filename.endswith(".json"):
                data = json.dumps(_checked(path, json.loads(data))).encode()
            result.writestr(member.filename, data)
    copy.seek(0)
    return copy


def _checked(path: Path, found: Any) -> Any:
    """The same JSON, without where its nodes come from and without guards."""
    found = _stripped(found)
    for key, text in _texts(found):
        if not _allowed(key, text):
            what = {
                "expr_str": "a size that is no arithmetic",
                "target": "an operator that is none of ATen's",
            }
            raise ShiftbookError(f"{shown(path)} has {what.get(key, 'a text that is no name')}: {text!r:.80}")
    for node in _nodes(found):
        words = [text for key, text in _texts(node.get("inputs")) if key == "as_string"]
        if words and node["target"].split(".")[-2] not in WORDY:
            raise ShiftbookError(f"{shown(path)} has an operator that takes a word: {node['target']!r:.80}")
    return found


def _stripped(found: Any) -> Any:
    if isinstance(found, dict):
        empty: dict[str, Any] = {"metadata": {}, "guards_code": []}
        return {key: empty.get(key, _stripped(value)) for key, value in found.items()}
    return [_stripped(value) for value in found] if isinstance(found, list) else found


def _texts(found: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in nested JSON, with the name of its field; names of fields too."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield "", name
            yield from _texts(value, name)
    elif isinstance(found, list):
        for value in found:
            yield from _texts(value, key)
    elif isinstance(found, str):
        yield key, found


def _nodes(found: Any) -> Iterator[dict[str, Any]]:
    """The operations in nested JSON."""
    if isinstance(found, dict):
        if isinstance(found.get("target"), str) and "inputs" in found:
            yield found
        for value in found.values():
            yield from _nodes(value)
    elif isinstance(found, list):
        for value in found:
            yield from _nodes(value)


def _allowed(key: str, text: str) -> bool:
    """Whether a text can be nothing but what its field is for."""
    if key == "expr_str":
        return _is_arithmetic(text)
    if key == "target" and "." in text and text.partition(".")[0] in ("torch", "_operator", "math"):
        return TARGET.fullmatch(text) is not None
    if key in SPECS:
        return _is_nest(text)
    return PLAIN.fullmatch(text) is not None and "__" not in text.replace("__self__", "")


def _is_arithmetic(text: str) -> bool:
    """Of integers and symbols, with the functions that torch writes."""
    try:
        parts = list(ast.walk(ast.parse(text, mode="eval"))) if len(text) < 10_000 else [None]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for part in parts:
        if not isinstance(part, ARITHMETIC):
            return False
        if isinstance(part, ast.Call) and not (isinstance(part.func, ast.Name) and part.func.id in FUNCTIONS):
            return False
        if isinstance(part, ast.Name) and "__" in part.id:
            return False
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and not part.value.isidentifier():
            return False
    return True


def _is_nest(text: str) -> bool:
    """Containers of containers, with names as keys."""
    if not text:
        return True
    nested = json.loads(text)
    kinds = [value for key, value in _texts(nested) if key == "type"]
    others = [value for key, value in _texts(nested) if key not in ("type", "context")]
    contexts = [value for key, value in _texts(nested) if key == "context"]
    keys = [name for context in contexts for _, name in _texts(json.loads(context))]
    return all(kind in NESTS for kind in kinds) and all(PLAIN.fullmatch(name) for name in [*others, *keys])
