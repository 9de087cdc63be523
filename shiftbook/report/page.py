"""The page: one HTML file with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import shiftbook
from shiftbook.report.palette import variables
from shiftbook.report.plot import Plot, as_inline_svg
from shiftbook.report.reading import Results
from shiftbook.report.sections import Section
from shiftbook.report.sortable import Sortable, rules
from shiftbook.report.summary import facts
from shiftbook.results.gates import GateReport

TEMPLATES = Path(__file__).parent
"""page.html and page.css lie beside this file."""


def render(results: Results, sections: Sequence[Section]) -> str:
    """The whole page. The same results give the same text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = _svg
    return environment.get_template("page.html").render(
        css=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8") + rules(_sortable(sections))),
        light=Markup(variables(dark=False)),
        dark=Markup(variables(dark=True)),
        facts=facts(results),
        sections=sections,
        found=results.found,
        skipped=results.skipped,
        versions=_versions(results),
    )


def _sortable(sections: Sequence[Section]) -> list[Sortable]:
    return [table for section in sections for part in section.parts for table in part.sortable]


def _svg(plot: Plot) -> Markup:
    return Markup(as_inline_svg(plot))


def _versions(results: Results) -> list[str]:
    """Of this shiftbook, and what the gate reports were made with."""
    found = {f"report by shiftbook {shiftbook.__version__}": None}
    for _, gates in results.of(GateReport):
        for name, version in gates.versions.items():
            plain = version.split(" (")[0]
            found[plain if plain.lower().startswith(name) else f"{name} {plain}"] = None
    return list(found)
