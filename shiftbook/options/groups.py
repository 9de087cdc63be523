"""Options in groups: a command names dataclasses, and the command line sees the fields of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, get_args, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of its groups as parameters of their own.

    A group is a parameter whose type is a dataclass; each of its fields is an annotated option, and goes
    under the class's ``panel`` in the help; where that is None, with the command's own options.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @wraps(command)
    def flat(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    parameters: list[Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        group = groups.get(name)
        one = parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)
        parameters += [one] if group is None else _options(group)
    flat.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
    flat.__dict__["__signature__"] = inspect.Signature(parameters)
    return flat


def _options(group: Any) -> Iterator[Parameter]:
    """The fields of a group, each in the group's panel."""
    hints = get_type_hints(group, include_extras=True)
    for each in fields(group):
        kind, option = get_args(hints[each.name])
        option = copy(option)
        option.rich_help_panel = group.panel
        default = Parameter.empty if each.default is MISSING else each.default
        yield Parameter(
            each.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )
