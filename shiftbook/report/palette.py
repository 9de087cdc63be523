"""The colours of a report, each for a light and for a dark page.

Plots are drawn in the light ones. On the page each becomes a CSS variable, which follows the reader's
preference. The seven hues are told apart under the common colour vision deficiencies too, and every two
areas that touch have a gap of the page's colour between them.
"""

from __future__ import annotations

PAGE, INK, MUTED, RULE, CARD = "page", "ink", "muted", "rule", "card"
ACCENT = "accent"
HUES = ("blue", "sand", "teal", "rose", "sky", "plum", "grey")
"""In the order in which a stack takes them; grey is what is left."""

COLOURS: dict[str, tuple[str, str]] = {
    PAGE: ("#fbfbf9", "#14171a"),
    CARD: ("#ffffff", "#1b1f23"),
    INK: ("#1c2226", "#e7e9ea"),
    MUTED: ("#5b656d", "#a0a9b0"),
    RULE: ("#dfe2e0", "#333a40"),
    ACCENT: ("#1b5e8c", "#7cbcec"),
    "blue": ("#2c659d", "#6d92cc"),
    "sand": ("#f1c66e", "#f6b96f"),
    "teal": ("#2a9b80", "#33beb6"),
    "rose": ("#b44b54", "#d66a6b"),
    "sky": ("#9bdeff", "#c5e6fe"),
    "plum": ("#5b345e", "#7e4b89"),
    "grey": ("#b7bcc1", "#4e5558"),
}
"""(light, dark) by name; the light ones are all different, so that a name can be found again."""


def light(name: str) -> str:
    """The colour that plots are drawn in."""
    return COLOURS[name][0]


def variables(dark: bool) -> str:
    """CSS declarations of all colours."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in COLOURS.items())
