"""The command line: `main` turns what a command raises into one line and an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import shiftbook
from shiftbook.commands import (
    build,
    compare,
    compress,
    demo,
    energy,
    gates,
    inspect,
    report,
    run,
    sweep,
    verilog,
)
from shiftbook.ending import INTERRUPTED as INTERRUPTED
from shiftbook.ending import USER_ERROR as USER_ERROR
from shiftbook.ending import fail, interrupted, lost_stream, open_missing_streams
from shiftbook.golden.errors import ShiftbookError
from shiftbook.help import Command

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)
"""What a stream without a buffer says once, and then forgets."""

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


for command in (compress, inspect, run, compare, gates, energy, sweep, report, verilog, build, demo):
    app.command(cls=Command)(getattr(command, command.__name__.rpartition(".")[2]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0: done. 2: a mistake in the input, or an output stream that takes no more, told in one line on stderr.
    130: interrupted, which is told too. Anything else, a traceback above all, is a bug.
    """
    open_missing_streams()
    try:
        code = invoke(list(sys.argv[1:] if arguments is None else arguments) or ["--help"])
        sys.stdout.flush()
    except ShiftbookError as error:
        return fail(_with_options(error))
    except typer.TyperException as error:
        return fail(f"{error.format_message()} (see shiftbook --help)")
    except MemoryError:
        return fail(
            "there is not enough memory for this: take fewer images with --limit, or a larger machine"
        )
    except KeyboardInterrupt as error:
        return interrupted(error)
    except SystemExit as error:
        from shiftbook.frontend.training.processes import Finished

        if isinstance(error, Finished):
            return 0
        return fail(
            "the network's own code, or a library, ended the program with exit code "
            f"{error.code!r:.80}; it must not"
        )
    except OSError as error:
        stream = lost_stream()
        if stream is None and error.errno not in FULL:
            raise
        where = "stdout" if error.errno == errno.EPIPE else "stdout or to a disk"
        return fail(f"cannot write to {stream or where}: {error.strerror}")
    return code


def _with_options(error: ShiftbookError) -> str:
    """What is wrong, and the options that would mend it."""
    options = ", ".join(f"--{name.replace('_', '-')}" for name in error.arguments)
    return f"{error} ({options})" if options else str(error)


def invoke(arguments: list[str]) -> int:
    """Run a command and return its exit code; what it raises is not touched, as Typer would."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("shiftbook", arguments) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return 0
