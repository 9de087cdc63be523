"""The page as a browser shows it."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shiftbook.report.palette import COLOURS
from tests.shiftbook.results import (
    compare,
    made,
    row,
    write,
)

MEASURE = """<!doctype html><meta charset="utf-8"><body>
<iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe><pre></pre>
<script>
addEventListener("load", () => {{
  const inner = document.querySelector("iframe").contentDocument;
  const root = inner.documentElement;
  const shown = inner.querySelector("svg text");
  document.querySelector("pre").textContent = JSON.stringify({{
    client: root.clientWidth, scroll: root.scrollWidth,
    page: getComputedStyle(inner.body).backgroundColor,
    plots: [...inner.querySelectorAll("svg")].every(svg => svg.getBoundingClientRect().height > 40),
    text: getComputedStyle(shown).fill,
  }});
}});
</script>"""


def _rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_in_a_browser(width: int, dark: bool, everything: Path, tmp_path: Path) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium to look at the page with (Debian: apt install chromium)")
    write(everything, longest=compare(row(f"{'long' * 40}.ckpt", "int8", 1.0, 0.5)))
    shell = tmp_path / "measure.html"
    shell.write_text(MEASURE.format(width=width, page=html.escape(made(everything))))
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--dump-dom",
    ]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000"]
    command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", shell.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(re.search(r"<pre>(.*)</pre>", done.stdout)[1])
    assert found["client"] == width
    assert found["scroll"] == width
    assert found["plots"]
    assert found["page"] == _rgb(COLOURS["page"][dark])
    assert found["text"] in {_rgb(pair[dark]) for pair in COLOURS.values()}
    assert "CONSOLE" not in done.stderr
