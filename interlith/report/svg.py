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
from dataclasses import dataclass, field
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

STYLE = "interlith.report.interlith"
"""The style file that reports and notebooks share: ``matplotlib.style.use`` takes this name."""

_RULES = {
    "figure.constrained_layout.use": False,
    "figure.dpi": 100,
    "savefig.bbox": "standard",
    "text.parse_math": False,  # a formula is a user's text, "$" included
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.facecolor": "none",
}
PAPER_DPI, SCREEN_DPI = 200, 120
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ATTRIBUTE = re.compile(r' (?:d|x|y|points)="[^"]*"')
_LONG = re.compile(r"-?\d+\.\d{3,}")
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
    name, title : str
        What its files are called, and a short title.
    data : str
        The numbers behind it as comma-separated values, header first; empty where not given.
    made : Figure or None
        What it was written from.
    """

    svg: str
    alt: str
    name: str = ""
    title: str = ""
    data: str = ""
    made: Figure | None = field(default=None, repr=False, compare=False)

    def picture(self) -> bytes:
        """The figure as a small PNG on white, 256 colours; empty without ``made``."""
        return b"" if self.made is None else _few_colours(_png(self.made, SCREEN_DPI))

    def files(self) -> dict[str, str | bytes]:
        """The figure for a paper, by file name: SVG, PNG on white, and its numbers as CSV."""
        found: dict[str, str | bytes] = {}
        if self.made is not None:
            head = '<?xml version="1.0" encoding="UTF-8"?>\n'
            found[f"{self.name}.svg"] = head + self.svg.replace("currentColor", "#000000")
            found[f"{self.name}.png"] = _png(self.made, PAPER_DPI)
        if self.data:
            found[f"{self.name}.csv"] = self.data
        return found


@contextmanager
def drawing_style() -> Iterator[None]:
    """Settings in which figures are made and written; the caller's own come back afterwards."""
    with style.context(["default", STYLE, _RULES]):
        yield


def _few_colours(picture: bytes) -> bytes:
    from PIL import Image

    small = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    with drawing_style():
        figure.savefig(
            buffer, format="png", metadata={"Software": None}, dpi=dpi, facecolor="white"
        )
    return buffer.getvalue()


def logarithmic(axes: Axes, *names: str) -> None:
    """Make axes (``"x"``, ``"y"``) logarithmic, with ticks in plain text: 0.1, 10, 2×10⁻⁶."""
    for name in names:
        axes.set(**{f"{name}scale": "log"})
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        axis.set_minor_formatter(FuncFormatter(partial(_between_powers, axis)))


def curve_colours(count: int) -> list[str]:
    """Colours for so many curves, legible on light and dark; many run through a colour map."""
    if count <= 4:
        return [BLUE, GREEN, VERMILLION, PURPLE][:count]
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](0.25 + 0.5 * i / (count - 1))) for i in range(count)]


def _between_powers(axis: Axis, value: float, _: int | None) -> str:
    """Twos and fives get a label where less than two powers of ten are in view."""
    low, high = sorted(axis.get_view_interval())
    return _tick(value) if high < 100 * low and f"{value:.0e}"[0] in "25" else ""


def _tick(value: float) -> str:
    if 1e-3 <= value <= 1e4:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    power = f"10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return power if mantissa == "1" else f"{mantissa}×{power}"


def to_drawing(figure: Figure, name: str, title: str, alt: str, data: str = "") -> Drawing:
    """Write a figure as an SVG element; call it within :func:`drawing_style`.

    Parameters
    ----------
    figure : Figure
        Made without pyplot.
    name : str
        Unique in the page; starts every id.
    title, alt : str
        Short name and description.
    data : str
        The numbers behind it, see :class:`Drawing`.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=_NO_METADATA, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.S)
    text = re.sub(r"(; )?font-family: [^;\"]*", "", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", text)
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    text = _ATTRIBUTE.sub(lambda found: _LONG.sub(_shorter, found[0]), text)
    own = f"figure-{name}"
    text = _own_ids(text.replace(INK, "currentColor"), own)
    opening = (
        f'<svg role="img" aria-labelledby="{own}-title {own}-alt" font-family="sans-serif" '
        'stroke-linejoin="round" fill="currentColor" '
    )
    named = (
        f'<title id="{own}-title">{html.escape(title)}</title>'
        f'<desc id="{own}-alt">{html.escape(alt)}</desc>'
    )
    head, _, body = text.removeprefix("<svg ").partition(">")
    svg = f"{opening}{head}>{named}{body.strip()}"
    return Drawing(svg=svg, alt=alt, name=name, title=title, data=data, made=figure)


def _shorter(found: re.Match[str]) -> str:
    """A coordinate in points to a hundredth."""
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def _own_ids(text: str, name: str) -> str:
    """Start the ids that are used with ``name``, drop the others."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(
        r' id="([^"]*)"',
        lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "",
        text,
    )
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
