"""Small builders of HTML: whatever is not marked as HTML is escaped.

>>> str(tag("p", "a < b", class_="note"))
'<p class="note">a &lt; b</p>'
"""

from __future__ import annotations

import base64
import csv
import gzip
import html
import io
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from interlith.formatting import format_value, subscripted
from interlith.report.svg import Drawing

MOST_ROWS = 100
"""Longer tables are cut; the data links hold all rows."""
LARGEST_PLAIN_BYTES = 200_000
LARGEST_DATA_BYTES = 300_000


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


def tag(name: str, *content: Content, **attributes: str | None) -> Html:
    """One element; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{markup(content)}</{name}>")


def formula(text: str) -> Html:
    """A formula or a reaction with subscripts."""
    return Html(subscripted(text))


def formulas(texts: Iterable[str]) -> Html:
    """Formulas joined by plus signs; a dash without any."""
    return Html(" + ".join(formula(text) for text in texts) or "–")


def number(value: float | None, sigma: float | None = None, unit: str = "") -> Html:
    """A value that does not break over lines, with a real minus sign."""
    text = format_value(value, sigma, unit).replace("-", "−")
    return tag("span", text, class_="number")


def milli(value: float | None) -> float | None:
    """Thousandths: eV as meV."""
    return None if value is None else 1000.0 * value


def verdict(passed: bool) -> Html:
    """A criterion's outcome in a word, coloured as well."""
    return tag("span", "pass" if passed else "fail", class_="pass" if passed else "fail")


def table(caption: Content, columns: Sequence[Content], rows: Sequence[Sequence[Content]]) -> Html:
    """A table that scrolls sideways by itself; the first cell of a row is its header."""
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return tag("div", made, class_="scroll", tabindex="0", role="region", aria_label="table")


def wide(content: Content) -> Html:
    """Content that asks for the room of a reaction."""
    return tag("span", content, class_="wide")


def middle(content: Content) -> Html:
    """Content that asks for the room of some formulas."""
    return tag("span", content, class_="middle")


def left_out(rows: Sequence[object]) -> str:
    """Say that a table was cut, where it was."""
    return f" (the first {MOST_ROWS} of {len(rows)})" if len(rows) > MOST_ROWS else ""


def figure(drawing: Drawing | None, caption: Content) -> Html:
    """A drawing with its caption; nothing without a drawing."""
    if drawing is None:
        return Html("")
    picture = tag(
        "div", Html(drawing.svg), class_="scroll", tabindex="0", role="region", aria_label="figure"
    )
    return tag("figure", picture, tag("figcaption", caption))


def section(name: str, title: str, *content: Content) -> Html:
    """A part of the page that the navigation can reach."""
    heading = tag("h2", title, id=f"{name}-title")
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


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


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated values with a header; None is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()
