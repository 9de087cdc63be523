"""Names, help and defaults of schemes, read from their files without running them: PyTorch stays unimported.

A class that is a scheme has ``name`` and ``help`` as plain texts in its body.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder

import shiftbook.frontend.schemes as package
from shiftbook.golden.errors import ShiftbookError


@dataclass(frozen=True)
class Entry:
    """A scheme, as a command line shows it.

    Attributes
    ----------
    help
        One line.
    defaults
        Of its options, by name.
    """

    name: str
    help: str
    defaults: Mapping[str, object]


def catalogue() -> Mapping[str, Entry]:
    """Every scheme of the package, by name, in alphabetical order."""
    return _read(tuple(package.__path__))


@cache
def _read(path: tuple[str, ...]) -> Mapping[str, Entry]:
    """The schemes of some folders; help asks for them once an option."""
    classes = {node.name: node for node in _classes(path)}
    entries = [_entry(node, classes) for node in classes.values()]
    return {entry.name: entry for entry in sorted(filter(None, entries), key=lambda entry: entry.name)}


def check(name: str) -> str:
    """Return the name of a scheme, or refuse another.

    Raises
    ------
    ShiftbookError
        There is no such scheme.
    """
    known = catalogue()
    if name not in known:
        raise ShiftbookError(f"scheme must be one of {', '.join(known)}, not {name!r:.80}")
    return name


def _classes(path: Iterable[str]) -> Iterator[ast.ClassDef]:
    """The classes that the files of a package define."""
    folders = list(path)
    for info in pkgutil.iter_modules(folders):
        spec = PathFinder.find_spec(info.name, folders)
        if spec is not None and spec.origin is not None:
            with open(spec.origin, "rb") as file:
                tree = ast.parse(file.read())
            yield from (node for node in tree.body if isinstance(node, ast.ClassDef))


def _entry(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Entry | None:
    """What a class says of itself; None where it has no name, and so is no scheme."""
    texts = dict(_texts(node))
    if "name" not in texts:
        return None
    return Entry(texts["name"], texts.get("help", ""), _defaults(node, classes))


def _texts(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Plain texts that a class assigns in its body."""
    for line in node.body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
            for target in line.targets:
                if isinstance(target, ast.Name) and isinstance(line.value.value, str):
                    yield target.id, line.value.value


def _defaults(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> dict[str, object]:
    """Plain defaults of the constructor's parameters, or of that which the class inherits."""
    for line in node.body:
        if isinstance(line, ast.FunctionDef) and line.name == "__init__":
            names, values = line.args.args, [*line.args.defaults]
            pairs: list[tuple[ast.arg, ast.expr | None]]
            pairs = [*zip(names[len(names) - len(values) :], values, strict=True)]
            pairs += [*zip(line.args.kwonlyargs, line.args.kw_defaults, strict=True)]
            return {name.arg: value.value for name, value in pairs if isinstance(value, ast.Constant)}
    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
    return _defaults(classes[bases[0]], classes) if bases else {}
