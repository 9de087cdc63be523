"""The command line: `main` turns what a command raises into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import shiftbook
from shiftbook.commands import build, compare, compress, demo, gates, inspect, report, run, verilog
from shiftbook.golden.errors import ShiftbookError, one_line

USER_ERROR = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells count it."""

app = typer.Typer(
    name="shiftbook",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: lines of examples stay as they are written
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(shiftbook.__version__)
        raise typer.Exit


@app.callback()
def shiftbook_command(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Measure what compressing a CNN buys in hardware: bytes, cycles and gates.

    Compress a trained network, run it bit for bit on a simulated shift-add accelerator and on a NumPy
    model of it, and synthesize that accelerator next to the multiplier one that it competes with.

    \b
    The whole path on a small network, in a few minutes:
      shiftbook demo
    Step by step:
      shiftbook compress zoo:digits -o digits.ckpt --scheme focused --epochs 8
      shiftbook inspect digits.ckpt
      shiftbook run digits.ckpt --data digits --backend rtl --limit 64
      shiftbook gates
    """


for command in (compress, inspect, run, compare, gates, report, verilog, build, demo):
    app.command()(getattr(command, command.__name__.rpartition(".")[2]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0: done. 2: a mistake in the input, told in one line on stderr. 130: interrupted. Anything else, a
    traceback above all, is a bug.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        return app(arguments, prog_name="shiftbook", standalone_mode=False) or 0
    except ShiftbookError as error:
        return _fail(str(error))
    except typer.TyperException as error:
        return _fail(f"{error.format_message()} (see shiftbook --help)")
    except MemoryError:
        return _fail(
            "there is not enough memory for this: take fewer images with --limit, or a larger machine"
        )
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - Python flushes it on its way out
        return 0


def _fail(message: str) -> int:
    print(f"error: {one_line(message)}", file=sys.stderr)
    return USER_ERROR


if __name__ == "__main__":
    sys.exit(main())
