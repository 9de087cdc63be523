"""Standard cell libraries in Liberty files: what is read of them, and errors in one line.

Yosys maps with the files themselves; only each cell's area is read here, so that a mapped cell without an
area is an error like any other unknown cell and instances are counted the same way as gates are.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import shown, unreadable
from shiftbook.synth.technologies.technology import Technology, technology_of

GZIP_MAGIC = b"\x1f\x8b"

STRING = re.compile(r'"(?:[^"\\\n]++|\\.)*+"', re.DOTALL)
# Runs of what is no comment are matched too, strings in them: what looks like a comment in a string is none.
COMMENT = re.compile(rf'((?:[^"/]++|{STRING.pattern}|"|/(?![/*]))++)|/\*.*?\*/|//[^\n]*', re.DOTALL)
MISREAD = (("//", "/ /"), ("/*", "/ *"), ('\\"', "'"))
"""What Yosys and abc do not take for text in a string; only prose has it, so that no cell changes."""

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# A literal first word lets the search skip ahead: these files have tens of megabytes.
CELL = re.compile(r"cell(?<!\wcell)\s*\(\s*\"?([^\s\")]+)\"?\s*\)\s*\{")
AREA = re.compile(r"area(?<!\warea)\s*:\s*\"?([0-9.eE+-]+)\"?\s*(?:;|\n)")
DELAY = re.compile(r"cell_rise(?<!\wcell_rise)\s*\(")
FLIP_FLOP = re.compile(r"ff(?<!\wff)\s*\(")


def _braces(depth: int) -> bytes:
    """A pattern of a group in braces with up to ``depth`` levels of groups in it."""
    inner = b"" if depth == 0 else b"|" + _braces(depth - 1)
    return rb"\{(?:[^{}]++" + inner + rb")*+\}"


# Most of a library's text says what power cells take. abc would read it for each module again, for nothing
POWER = re.compile(rb"\b(?:internal_power|leakage_power)\s*\([^)]*\)\s*" + _braces(3))


@dataclass(frozen=True)
class Liberty:
    """A cell library.

    Parameters
    ----------
    names
        The user's file names, for messages and reports.
    files
        Plain text of each file under the name that the Yosys script uses.
    areas
        Area by cell, in the library's own unit (square micrometres in most).
    timed
        Whether its cells have delays.
    technology
        The one whose library it is; None for a library that none knows.
    """

    names: str
    files: Mapping[str, bytes]
    areas: Mapping[str, float]
    timed: bool = False
    technology: Technology | None = None

    def total(self, cells: Mapping[str, int]) -> float:
        """Area of a bag of cells, by type.

        Raises
        ------
        ShiftbookError
            If a cell has no area, for instance one that the library could not map.
        """
        for kind in sorted(cells):
            if kind not in self.areas:
                raise ShiftbookError(f"{self.names} must have an area for cell {kind!r}: it has no such cell")
        return sum(count * self.areas[kind] for kind, count in sorted(cells.items()))


def load_liberty(paths: Sequence[Path]) -> Liberty:
    """Read Liberty files, gzipped or not; together they must hold flip-flops and gates.

    Raises
    ------
    ShiftbookError
        If there is no file, or one cannot be read or is no Liberty file, or none has a flip-flop.
    """
    if not paths:
        raise ShiftbookError("a cell library needs at least one Liberty file")
    files: dict[str, bytes] = {}
    areas: dict[str, float] = {}
    flip_flops = timed = False
    for number, path in enumerate(paths):
        text = liberty_text(path)
        if not re.match(r"\s*library\s*\(", text):
            raise ShiftbookError(f"{path} is not a Liberty file: it must begin with 'library ('")
        if text.count("{") != text.count("}"):
            raise ShiftbookError(f"{path} is not a whole Liberty file: its braces do not match")
        areas |= _areas(text, path)
        flip_flops |= FLIP_FLOP.search(text) is not None
        timed |= DELAY.search(text) is not None
        files[f"cells{number}.lib"] = POWER.sub(b"", text.encode())
    names = ", ".join(path.name for path in paths)
    if not areas or not flip_flops:
        lacking = "flip-flop" if areas else "cell with an area"
        raise ShiftbookError(f"{names} has no {lacking}: name all files of the library together")
    return Liberty(names, files, areas, timed, technology_of(areas))


def liberty_text(path: Path) -> str:
    """The text of a Liberty file, gzipped or not, without comments.

    Raises
    ------
    ShiftbookError
        It cannot be read, or is no text.
    """
    return _without_comments(_read(path))


def _read(path: Path) -> str:
    reason = unreadable(path)
    if reason is not None:
        raise ShiftbookError(f"cannot read Liberty file {shown(path)}: {reason}")
    try:
        data = path.read_bytes()
        if data.startswith(GZIP_MAGIC):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ShiftbookError(f"cannot read Liberty file {path}: {error}") from None
    text = _decoded(data)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or CONTROL.search(text):
        raise ShiftbookError(f"{path} is not a Liberty file: it is not text")
    return text


def _decoded(data: bytes) -> str:
    """UTF-8 where it is that; else Latin-1, in which older libraries write units and names of authors."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _without_comments(text: str) -> str:
    return COMMENT.sub(lambda found: " " if found[1] is None else _plain_strings(found[1]), text)


def _plain_strings(code: str) -> str:
    """The same with strings that Yosys and abc read as what they are."""
    if not any(misread in code for misread, _ in MISREAD):
        return code

    def plain(string: re.Match[str]) -> str:
        text = string[0]
        for misread, instead in MISREAD:
            text = text.replace(misread, instead)
        return text

    return STRING.sub(plain, code)


def _areas(text: str, path: Path) -> dict[str, float]:
    """Area of every cell: the first ``area`` between its head and the next cell's."""
    heads = list(CELL.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)] * bool(heads)
    areas = {}
    for head, end in zip(heads, ends, strict=True):
        area = AREA.search(text, head.end(), end)
        if area is None:
            continue
        try:
            areas[head[1]] = float(area[1])
        except ValueError:
            message = f"area of cell {head[1]} in {path} must be a number, not {area[1]!r}"
            raise ShiftbookError(message) from None
    return areas
