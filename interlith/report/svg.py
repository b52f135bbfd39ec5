"""From a matplotlib figure to SVG text that sits in a page: no files, no state, same every time.

Ink (axes, text) becomes ``currentColor``, so that a figure is legible on light and dark pages;
text stays text in the page's own font.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK = "#131211"
"""Stands for the page's text colour until the SVG is written."""
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
"""Of the colour-blind-safe palette of Okabe and Ito, those with contrast on light and dark."""
ORANGE = "#e69f00"
"""Of the same palette; for faint areas only (too light for lines on white)."""

_RULES = {
    "svg.fonttype": "none",
    "svg.hashsalt": "interlith",
    "text.parse_math": False,  # a formula is a user's text, "$" included
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.facecolor": "none",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True)
class Drawing:
    """A figure for a page.

    Attributes
    ----------
    svg : str
        An ``<svg>`` element.
    alt : str
        What it shows, in words, for who cannot see it (also inside the element).
    """

    svg: str
    alt: str


@contextmanager
def drawing_style() -> Iterator[None]:
    """Settings in which figures are made and written; the caller's own come back afterwards."""
    with style.context(["default", _RULES]):
        yield


def logarithmic(axes: Axes, *names: str) -> None:
    """Make axes (``"x"``, ``"y"``) logarithmic, with ticks in plain text: 0.1, 10, 2×10⁻⁶."""
    for name in names:
        axes.set(**{f"{name}scale": "log"})
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        axis.set_minor_formatter(FuncFormatter(partial(_between_powers, axis)))


def _between_powers(axis: Axis, value: float, _: int | None) -> str:
    """Twos and fives get a label where less than two powers of ten are in view."""
    low, high = sorted(axis.get_view_interval())
    return _tick(value) if high < 100 * low and f"{value:.0e}"[0] in "25" else ""


def _tick(value: float) -> str:
    if 1e-3 <= value <= 1e4:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return power if mantissa == "1" else f"{mantissa}×{power}"


def to_drawing(figure: Figure, name: str, title: str, alt: str) -> Drawing:
    """Write a figure as an SVG element; call it within :func:`drawing_style`.

    Parameters
    ----------
    figure : Figure
        Made without pyplot.
    name : str
        Unique in the page; starts every id.
    title, alt : str
        Short name and description.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_NO_METADATA, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.S)
    text = re.sub(r"(; )?font-family: [^;\"]*", "", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", text)
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    text = _own_ids(text.replace(INK, "currentColor"), name)
    opening = (
        f'<svg role="img" aria-labelledby="{name}-title {name}-alt" font-family="sans-serif" '
        'stroke-linejoin="round" fill="currentColor" '
    )
    named = (
        f'<title id="{name}-title">{html.escape(title)}</title>'
        f'<desc id="{name}-alt">{html.escape(alt)}</desc>'
    )
    head, _, body = text.removeprefix("<svg ").partition(">")
    return Drawing(svg=f"{opening}{head}>{named}{body.strip()}", alt=alt)


def _own_ids(text: str, name: str) -> str:
    """Start the ids that are used with ``name``, drop the others."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(
        r' id="([^"]*)"',
        lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "",
        text,
    )
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
