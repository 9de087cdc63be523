"""Boolean expressions as Liberty writes them: a cell's function, and when a table holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Expression = Callable[[Mapping[str, Any]], Any]
"""From values of pins to the value; values are whatever has ``&``, ``|``, ``^`` and ``~``."""

TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\]]*|[01]|[!()'*&+|^])")


def parse(text: str) -> Expression:
    """An expression of pins.

    ``!a`` and ``a'`` invert; then binds ``^``, then ``*`` or ``&`` or nothing, then ``+`` or ``|``.

    Raises
    ------
    ValueError
        The text is no such expression.
    """
    parser = _Parser(TOKEN.findall(text), text)
    if TOKEN.sub("", text).strip():
        raise parser.wrong()
    found = parser.either()
    if parser.next is not None:
        raise parser.wrong()
    return found


class _Parser:
    """Recursive descent over the words of an expression.

    Parameters
    ----------
    words
        Names of pins, constants and operators.
    text
        For messages.
    """

    def __init__(self, words: list[str], text: str) -> None:
        self.words = words
        self.text = text
        self.place = 0

    @property
    def next(self) -> str | None:
        """The word that comes, if any."""
        return self.words[self.place] if self.place < len(self.words) else None

    def wrong(self) -> ValueError:
        """Says that the text is no expression."""
        return ValueError(f"no boolean expression of pins: {self.text!r}")

    def either(self) -> Expression:
        """Terms of a sum."""
        found = self.both()
        while self.next in ("+", "|"):
            self.place += 1
            found = _or(found, self.both())
        return found

    def both(self) -> Expression:
        """Factors of a product; nothing between them multiplies, too."""
        found = self.differ()
        while self.next is not None and self.next not in ("+", "|", ")"):
            self.place += self.next in ("*", "&")
            found = _and(found, self.differ())
        return found

    def differ(self) -> Expression:
        """Operands of an exclusive or."""
        found = self.inverted()
        while self.next == "^":
            self.place += 1
            found = _xor(found, self.inverted())
        return found

    def inverted(self) -> Expression:
        """A pin, a constant or parentheses, inverted or not."""
        word = self.next
        self.place += 1
        if word == "!":
            return _not(self.inverted())
        if word == "(":
            found = self.either()
            if self.next != ")":
                raise self.wrong()
            self.place += 1
        elif word is None or not re.fullmatch(r"[\w\[\]]+", word):
            raise self.wrong()
        else:
            found = _constant(word) if word in "01" else _pin(word)
        while self.next == "'":
            self.place += 1
            found = _not(found)
        return found


def _pin(name: str) -> Expression:
    return lambda values: values[name]


def _constant(word: str) -> Expression:
    def constant(values: Mapping[str, Any]) -> Any:
        some = next(iter(values.values()))
        return some | ~some if word == "1" else some & ~some

    return constant


def _not(one: Expression) -> Expression:
    return lambda values: ~one(values)


def _and(one: Expression, other: Expression) -> Expression:
    return lambda values: one(values) & other(values)


def _or(one: Expression, other: Expression) -> Expression:
    return lambda values: one(values) | other(values)


def _xor(one: Expression, other: Expression) -> Expression:
    return lambda values: one(values) ^ other(values)
