"""A command line for Bitwuzla: SMT-LIB 2 commands in on stdin, answers out on stdout.

The package `bitwuzla` is a library only; SymbiYosys wants a program that it can talk to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import bitwuzla


def commands(lines: Iterable[str]) -> Iterator[str]:
    """Whole commands, as soon as their last parenthesis has come."""
    command, depth = "", 0
    for line in lines:
        command += line
        depth += line.count("(") - line.count(")")
        if depth == 0 and command.strip():
            yield command.strip()
            command = ""


def main() -> None:
    """Answer until ``(exit)`` or the end of the input."""
    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
    for command in commands(sys.stdin):
        if command == "(exit)":
            return
        if command in ("(push 1)", "(pop 1)"):  # the parser forgets its levels between two inputs
            solver = parser.bitwuzla()
            (solver.push if command == "(push 1)" else solver.pop)(1)
        else:
            parser.parse(command, False, False)


if __name__ == "__main__":
    if "--help" in sys.argv:
        print("options: --lang smt2")  # what SymbiYosys looks for, to know which generation it talks to
    else:
        main()
