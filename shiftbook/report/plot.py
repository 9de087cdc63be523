"""A plot: a Matplotlib figure with a name, in the report's style, as a file or as SVG within the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

import matplotlib
from matplotlib import style as styles
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from shiftbook.report.palette import CARD, COLOURS, INK, MUTED, RULE, light

Format = Literal["png", "svg"]

POINTS = 72
"""Of an inch: sizes are given in points, which are the pixels of the page."""

PADDING = 2
"""Points around what is drawn."""

PNG_DPI = 200

STYLE = {
    "axes.edgecolor": light(RULE),
    "axes.facecolor": "none",
    "axes.labelcolor": light(MUTED),
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "figure.dpi": POINTS,
    "font.size": 11,
    "grid.color": light(RULE),
    "grid.linewidth": 0.8,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "legend.handlelength": 0.9,
    "legend.handleheight": 0.9,
    "legend.labelcolor": light(MUTED),
    "svg.hashsalt": "shiftbook",  # ids that are the same in every run
    "text.color": light(INK),
    "text.parse_math": False,  # a $ in a name is a $
    "xtick.color": light(RULE),
    "xtick.labelcolor": light(MUTED),
    "ytick.color": light(RULE),
    "ytick.labelcolor": light(MUTED),
}

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
VARIABLES = {pair[0]: f"var(--{name})" for name, pair in COLOURS.items()}


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure and what is said about it.

    Attributes
    ----------
    name
        Letters, digits, points and dashes: of its file and of its ids.
    title
        What it shows, also for those who cannot see it.
    note
        More of that, in small print.
    """

    name: str
    title: str
    figure: Figure
    note: str = ""

    def __post_init__(self) -> None:
        settle(self.figure)


def settle(figure: Figure) -> None:
    """Find the place of the axes once, and leave it: saving would find it again each time."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


@contextmanager
def style() -> Iterator[None]:
    """Draw and write in here: the report's style, whatever the user's own settings are."""
    with styles.context(["default", STYLE]), warnings.catch_warnings():
        # A name may have characters that Matplotlib's font lacks; the page's font may have them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of that many pixels of the page, and its one pair of axes."""
    margins = ConstrainedLayoutEngine(w_pad=PADDING / POINTS, h_pad=PADDING / POINTS)
    figure = Figure(figsize=(width / POINTS, height / POINTS), layout=margins)
    axes = figure.add_subplot()
    axes.tick_params(length=0, pad=5)
    return figure, axes


def as_file(plot: Plot, kind: Format) -> bytes:
    """The plot alone, on the light background, as a file's contents; letters of SVG are paths."""
    plot.figure.set_facecolor(light(CARD))
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    buffer = io.BytesIO()
    plot.figure.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata)
    return buffer.getvalue()


def as_inline_svg(plot: Plot) -> str:
    """The plot as an element of the page: its colours variables, its letters text, its ids its own."""
    plot.figure.set_facecolor("none")
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot.figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": plot.title}
    _leave_out(root)
    _own_ids(root, plot.name)
    for element in root.iter():
        if "style" in element.attrib:
            element.attrib["style"] = _page_style(element.attrib["style"])
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{SVG}"', "", 1)


def _leave_out(root: ElementTree.Element) -> None:
    """Metadata, and the style sheet, which would be the whole page's."""
    for element in root.iter():
        for child in list(element):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                element.remove(child)


def _own_ids(root: ElementTree.Element, name: str) -> None:
    """Ids that no other plot of the page has, and only those that something refers to."""
    used: set[str] = set()
    for element in root.iter():
        target = element.attrib.pop(f"{{{XLINK}}}href", None)
        if target is not None:
            element.attrib["href"] = f"#{name}-{target[1:]}"
            used.add(target[1:])
        clip = re.fullmatch(r"url\(#(.*)\)", element.attrib.get("clip-path", ""))
        if clip is not None:
            element.attrib["clip-path"] = f"url(#{name}-{clip[1]})"
            used.add(clip[1])
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.attrib["id"] = f"{name}-{identity}"


def _page_style(style: str) -> str:
    """The page's fonts, and variables for colours."""
    style = re.sub(r"font-family: [^;]*; ?", "", style)
    return re.sub(r"#[0-9a-f]{6}", lambda colour: VARIABLES.get(colour[0], colour[0]), style)
