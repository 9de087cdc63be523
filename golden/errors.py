"""The one error that users see."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MOST_SHOWN = 300
"""Characters of what a library or a file says, within a message."""


class ShiftbookError(ValueError):
    """A mistake in the input that the user can mend.

    The message is one line: what is wrong, the bad value, and what would be right. The command line
    prints it and exits with code 2; anything else that reaches the user is a bug of ours. What a file
    brings into a message cannot break the line or reach a terminal: see :func:`one_line`.

    Parameters
    ----------
    message
        Says things by their names in Python, which read well on the command line, too.
    arguments
        Those that would mend it, as Python names them. The command line adds its options of these names.
    """

    def __init__(self, message: str, *, arguments: Sequence[str] = ()) -> None:
        super().__init__(one_line(message))
        self.arguments = tuple(arguments)


def first_line(error: BaseException) -> str:
    """What an exception says, as one short line; its type where it says nothing, or fails to."""
    try:
        text = str(error).strip()
    except KeyboardInterrupt:
        raise
    except BaseException:  # the user's own __str__
        text = ""
    return (text or type(error).__name__).splitlines()[0][:MOST_SHOWN]


def one_line(text: str) -> str:
    r"""The text as one line that is safe to print: blanks joined, the escape character as ``\x1b``."""
    return plain(" ".join(text.split()))


def plain(text: str) -> str:
    r"""The text with all that is not visible escaped, newlines too; blanks stay."""
    if is_plain(text):
        return text
    return "".join(c if is_plain(c) else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def is_plain(text: str) -> bool:
    """Whether a text has only visible characters and blanks: no newline, surrogate or terminal escape."""
    return text.isprintable() or all(c.isprintable() or unicodedata.category(c) == "Zs" for c in text)
