"""The help of a command: a section for each panel of options, as plain text."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from shiftbook.options.schemes import filled

OPTIONS = "Options"


class Command(TyperCommand):
    """A command whose options may have panels, and help that schemes complete."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then panels in the order of their first options, then the other options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                name = "Arguments" if param.param_type_name == "argument" else None
                name = name or getattr(param, "rich_help_panel", None) or OPTIONS
                sections.setdefault(name, []).append((record[0], filled(record[1])))
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)
