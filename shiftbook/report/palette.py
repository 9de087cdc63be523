"""The colours of a report, each for a light and for a dark page.

Plots are drawn in the light ones. On the page each becomes a CSS variable, which follows the reader's
preference. The seven hues are told apart under the common colour vision deficiencies too, and every two
areas that touch have a gap of the page's colour between them.
"""

from __future__ import annotations

PAGE, INK, MUTED, RULE, CARD = "page", "ink", "muted", "rule", "card"
ACCENT = "accent"
HUES = ("blue", "sand", "teal", "rose", "sky", "violet", "grey")
"""In the order in which a stack takes them; grey is what is left."""

COLOURS: dict[str, tuple[str, str]] = {
    PAGE: ("#fbfbf9", "#14171a"),
    CARD: ("#ffffff", "#1b1f23"),
    INK: ("#1c2226", "#e7e9ea"),
    MUTED: ("#5b656d", "#a0a9b0"),
    RULE: ("#dfe2e0", "#333a40"),
    ACCENT: ("#1b5e8c", "#7cbcec"),
    "blue": ("#2d6a99", "#6aaade"),
    "sand": ("#e3b15c", "#e8c27d"),
    "teal": ("#3f9a88", "#3f9e8c"),
    "rose": ("#b5566c", "#d9758c"),
    "sky": ("#a3cbe6", "#c3dff2"),
    "violet": ("#6d5aa3", "#9c8ad6"),
    "grey": ("#b9bfc3", "#59636b"),
}
"""(light, dark) by name; the light ones are all different, so that a name can be found again."""


def light(name: str) -> str:
    """The colour that plots are drawn in."""
    return COLOURS[name][0]


def variables(dark: bool) -> str:
    """CSS declarations of all colours."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in COLOURS.items())
