"""Writes the tables of the documents from the JSON that commands wrote, so that no figure is typed.

A table stands in a document between two lines of HTML comments, the first of which says which table it is
and of which files:

    <!-- table: compare results/resnet20.json results/others.json:int8,focused -->
    <!-- end of table -->

Names behind a colon choose checkpoints; ``name@preset`` that on an engine.

    python -m benchmarks.results            # or: make results

The JSON files lie in docs/results; each document says by which command they were made.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from benchmarks.command import start
from benchmarks.markdown import Json, name_of
from benchmarks.tables import TABLES
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import write_text

DOCS = Path(__file__).parent.parent / "docs"

BLOCK = re.compile(
    r"(?P<head><!-- table: (?P<name>\w+) (?P<files>[^\n]+?) -->\n).*?(?P<end><!-- end of table -->)",
    re.DOTALL,
)


def render(document: Path) -> str:
    """A document's text with all its tables written anew.

    Raises
    ------
    ShiftbookError
        There is no such table, or a file is missing or was written by another command.
    """

    def block(match: re.Match[str]) -> str:
        name, files = match["name"], match["files"].split()
        if name not in TABLES:
            raise ShiftbookError(
                f"{document.name}: there is no table {name!r}: choose of {', '.join(TABLES)}"
            )
        try:
            found = [_read(document.parent, file) for file in files]
        except OSError as error:
            raise ShiftbookError(f"{document.name}: {error.filename}: {error.strerror}") from error
        try:
            return match["head"] + TABLES[name](found) + match["end"]
        except (KeyError, TypeError, ValueError) as error:
            raise ShiftbookError(
                f"{document.name}: no table {name!r} can be made of {match['files']}: it lacks {error}"
            ) from error

    return BLOCK.sub(block, document.read_text(encoding="utf-8"))


def _read(folder: Path, name: str) -> Json:
    """A result; of one with several checkpoints those that are chosen."""
    file, _, chosen = name.partition(":")
    result: Json = json.loads((folder / file).read_text(encoding="utf-8"))
    if chosen:
        result["rows"] = [row for row in result["rows"] if _names(row) & set(chosen.split(","))]
    return result


def _names(row: Json) -> set[str]:
    """What a row may be called: its checkpoint, and that on its engine."""
    return {name_of(row), f"{name_of(row)}@{row.get('preset')}"}


def documents() -> list[Path]:
    """Those that have tables."""
    return [path for path in sorted(DOCS.glob("*.md")) if BLOCK.search(path.read_text(encoding="utf-8"))]


def main() -> None:
    """Write all tables anew and say which documents changed."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    for document in documents():
        text = render(document)
        changed = text != document.read_text(encoding="utf-8")
        if changed:
            write_text(document, text)
        print(f"{document.name}: {'written anew' if changed else 'as it was'}")


if __name__ == "__main__":
    start(main)
