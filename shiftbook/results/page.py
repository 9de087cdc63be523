"""The page docs/result-files.md, and the JSON Schema of a command's files.

python -m shiftbook.results.page            # the page
python -m shiftbook.results.page run        # JSON Schema of what run --json writes
"""

from __future__ import annotations

import json
import sys
from typing import Any

from shiftbook.results.base import Record
from shiftbook.results.commands import COMMANDS, RECORDS

Schema = dict[str, Any]

SIMPLE = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}

HEAD = """# Result files

Printed by `python -m shiftbook.results.page`, from the records that writers and readers of these files share
(`shiftbook/results/`). With the name of a command, as in `python -m shiftbook.results.page run`, it prints
the JSON Schema of that command's files.

Commands write their results with `--json FILE`, as one object of JSON; `build` writes `map.json`. What is
null was not measured or does not apply. GE are NAND2 equivalents ([gates](gates.md)). `shiftbook report`
reads the files of {read}, and ignores fields that it does not know.
"""


def document() -> str:
    """The page."""
    read = ", ".join(f"`{name}`" for name in COMMANDS)
    sections = (_section(name, record) for name, record in RECORDS.items())
    return "\n".join([HEAD.format(read=read), *sections])


def _section(command: str, record: type[Record]) -> str:
    """A command's record, and those within it."""
    schema = record.model_json_schema()
    lines = [f"## {command}", "", schema["description"], "", *_table(schema)]
    for name, inner in schema.get("$defs", {}).items():
        if "properties" in inner:
            lines += ["", f"**{name}**. {inner['description']}", "", *_table(inner)]
    return "\n".join([*lines, ""])


def _table(schema: Schema) -> list[str]:
    """One row a field."""
    lines = ["| field | value | always there | what |", "| --- | --- | --- | --- |"]
    always = schema.get("required", ())
    for name, field in schema["properties"].items():
        there = "yes" if name in always else ""
        lines.append(f"| `{name}` | {_value(field)} | {there} | {field['description']} |")
    return lines


def _value(field: Schema) -> str:
    """The type of a field in words."""
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "anyOf" in field:
        return " or ".join(_value(each) for each in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_value(field['items'])}"
    if field.get("type") == "object":
        return f"object of {_value(field['additionalProperties'])} by name"
    return SIMPLE.get(field.get("type", ""), "anything")


def main(arguments: list[str]) -> None:
    """Print the page, or the JSON Schema of the files of the command that is named."""
    if arguments:
        name = " ".join(arguments)
        if name not in RECORDS:
            raise SystemExit(f"error: there is no record of {name!r:.40}: name one of {', '.join(RECORDS)}")
        print(json.dumps(RECORDS[name].model_json_schema(), indent=1))
    else:
        print(document(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
