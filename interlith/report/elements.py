"""Small builders of HTML: whatever is not marked as HTML is escaped.

>>> str(tag("p", "a < b", class_="note"))
'<p class="note">a &lt; b</p>'
"""

from __future__ import annotations

import base64
import gzip
import html
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from interlith.formatting import format_value, subscripted
from interlith.report.svg import SUPERSCRIPTS, Drawing

MOST_ROWS = 100
"""Longer tables are cut; the data links hold all rows."""
LARGEST_PLAIN_BYTES = 200_000
LARGEST_DATA_BYTES = 300_000
LARGEST_SVG_BYTES = 250_000
VOID = frozenset({"img", "meta"})
"""Elements without content and end."""


_POWER = re.compile(r"(?<=[\d)])e([+-]\d+)")
_DRAWN: ContextVar[tuple[list[Drawing], str] | None] = ContextVar("drawn", default=None)


@contextmanager
def gathering(folder: str = "figures") -> Iterator[list[Drawing]]:
    """Number the figures made within, and keep their drawings in the order of the page.

    Parameters
    ----------
    folder : str
        Where their files will be, beside the page; captions say so.
    """
    drawn: list[Drawing] = []
    token = _DRAWN.set((drawn, folder))
    try:
        yield drawn
    finally:
        _DRAWN.reset(token)


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Content: TypeAlias = "str | Iterable[Content] | None"
"""Text (escaped), markup, nothing, or several of these."""


def markup(content: Content) -> Html:
    """Join content, escaping what is no markup."""
    if content is None:
        return Html("")
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return Html(html.escape(content))
    return Html("".join(markup(part) for part in content))


def tag(name: str, /, *content: Content, **attributes: str | None) -> Html:
    """One element; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{markup(content)}</{name}>")


def formula(text: str) -> Html:
    """A formula or a reaction with subscripts."""
    return Html(subscripted(text))


def formulas(texts: Iterable[str]) -> Html:
    """Formulas joined by plus signs; a dash without any."""
    return Html(" + ".join(formula(text) for text in texts) or "–")


def number(
    value: float | None, sigma: float | None = None, unit: str = "", text: str | None = None
) -> Html:
    """A value that does not break over lines, with a real minus sign.

    The number itself, its uncertainty and unit stand in attributes, from which tables are sorted
    and downloaded.

    Parameters
    ----------
    text : str, optional
        What is read, where another rule than the uncertainty decides the digits.
    """
    written = format_value(value, sigma, unit) if text is None else text
    shown = _POWER.sub(_as_power, written).replace("-", "−")
    known = value is not None and math.isfinite(value)
    sure = sigma is None or not math.isfinite(sigma)
    return tag(
        "span",
        shown,
        class_="number",
        data_value=f"{value:.10g}" if known else None,
        data_sigma=f"{sigma:.6g}" if known and not sure else None,
        data_unit=unit if known and unit else None,
    )


def _as_power(found: re.Match[str]) -> str:
    return "×10" + str(int(found[1])).translate(SUPERSCRIPTS)


def milli(value: float | None) -> float | None:
    """Thousandths: eV as meV."""
    return None if value is None else 1000.0 * value


def verdict(passed: bool | None) -> Html:
    """A criterion's outcome in a word, coloured as well; None is not known."""
    if passed is None:
        return tag("span", "not known", class_="soft")
    return tag("span", "pass" if passed else "fail", class_="pass" if passed else "fail")


def table(caption: Content, columns: Sequence[Content], rows: Sequence[Sequence[Content]]) -> Html:
    """A table that scrolls sideways by itself; the first cell of a row is its header."""
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return _scrolled(made, f"Table: {plain(caption)}")


def plain(content: Content) -> str:
    """The words of markup."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup(content)))


def _scrolled(content: Html, label: str) -> Html:
    """Content that scrolls sideways by itself, by keyboard too."""
    short = label if len(label) <= 90 else label[:89] + "…"
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=short)


def wide(content: Content) -> Html:
    """Content that asks for the room of a reaction."""
    return tag("span", content, class_="wide")


def middle(content: Content) -> Html:
    """Content that asks for the room of some formulas."""
    return tag("span", content, class_="middle")


def left_out(rows: Sequence[object]) -> str:
    """Say that a table was cut, where it was."""
    return f" (the first {MOST_ROWS} of {len(rows)})" if len(rows) > MOST_ROWS else ""


def figure(drawing: Drawing | None, caption: Content, made: Content = None) -> Html:
    """A drawing with its caption; nothing without a drawing.

    Parameters
    ----------
    made : Content
        How it was made: command, reference, engine.
    """
    if drawing is None:
        return Html("")
    gathered = _DRAWN.get()
    numbered: Content = None
    files: Content = None
    if gathered is not None:
        drawn, folder = gathered
        drawn.append(drawing)
        numbered = tag("strong", f"Figure {len(drawn)}. ")
        files = _files_of(drawing, folder)
    words = tag("figcaption", numbered, caption, made, files)
    name = drawing.name or None
    return tag("figure", _scrolled(_shown(drawing), drawing.alt), words, data_name=name)


def _shown(drawing: Drawing) -> Html:
    """The drawing itself, or its picture where the drawing has very many parts."""
    picture = drawing.picture() if len(drawing.svg) > LARGEST_SVG_BYTES else b""
    if not picture:
        return Html(drawing.svg)
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return tag("div", tag("img", src=uri, alt=drawing.alt), class_="still")


def _files_of(drawing: Drawing, folder: str) -> Html:
    """Where the figure's files are, and its numbers as a link."""
    if not drawing.name:
        return Html("")
    kinds = "svg, .png, .csv" if drawing.data else "svg, .png"
    link = None
    if drawing.data:
        link = [" ", download(drawing.data, f"{drawing.name}.csv", "text/csv")]
    where = f" Beside this page: {folder}/{drawing.name}.{kinds}."
    return tag("span", where, link, class_="downloads")


def json_block(name: str, text: str) -> Html:
    """JSON that scripts read; nothing in it can end the block."""
    safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Html(f'<script type="application/json" id="{html.escape(name)}">{safe}</script>')


def section(name: str, title: str, *content: Content) -> Html:
    """A part of the page that the navigation can reach."""
    heading = tag("h2", title, id=f"{name}-title")
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def part(name: str, title: Content, *content: Content) -> Html:
    """A part of a section, which the contents list names."""
    heading = tag("h3", title, id=f"{name}-title")
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def answer(*sentences: Content) -> Html:
    """The short answer on top of a section."""
    said = [tag("p", sentence) for sentence in sentences if sentence]
    return tag("div", said, class_="answer") if said else Html("")


def bullets(items: Iterable[Content]) -> Html:
    """An unordered list; nothing without items."""
    made = [tag("li", item) for item in items]
    return tag("ul", made) if made else Html("")


def facts(pairs: Iterable[tuple[Content, Content]]) -> Html:
    """Names and values."""
    return tag("dl", [Html(tag("dt", name) + tag("dd", value)) for name, value in pairs])


def download(text: str, file_name: str, kind: str) -> Html:
    """A link that holds the file itself; packed where large, and a word where too large."""
    data = text.encode()
    if len(data) > LARGEST_PLAIN_BYTES:
        data, kind, file_name = gzip.compress(data, mtime=0), "application/gzip", f"{file_name}.gz"
    if len(data) > LARGEST_DATA_BYTES:
        return Html(f"{html.escape(file_name)} is too large for this page; see results.json")
    size = f" ({max(1, round(len(data) / 1000))} kB)"
    uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return tag("a", file_name, size, href=uri, download=file_name)
