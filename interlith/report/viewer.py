"""The part of the page that shows structures: still pictures, and on them a view to turn and play.

Without scripts (and on paper) the stills are what is seen. With scripts, ``web/viewer.js`` puts a
view made with 3Dmol.js (BSD-3-Clause, bundled in ``web/``) in their place.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from interlith.report.elements import Content, Html, json_block, tag
from interlith.report.views import View, views_json

LIBRARY = "3Dmol-min.js"
LIBRARY_LICENCE = "3Dmol-LICENSE.txt"
LIBRARY_VERSION = "2.5.5"
LIBRARY_SHA256 = "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016"
MOST_PICTURE_BYTES = 600_000
"""Of the stills of one viewer; further ones are named, their files lie beside the page."""


def viewer(name: str, views: Sequence[View], caption: Content, made: Content = None) -> Html:
    """Stills of some views and the data of the 3D view; nothing without views.

    Parameters
    ----------
    name : str
        Unique in the page.
    """
    if not views:
        return Html("")
    stills, spent = [], 0
    for view in views:
        spent += len(view.picture)
        shown = view.picture and spent <= MOST_PICTURE_BYTES
        stills.append(_still(view) if shown else _named(view))
    return tag(
        "figure",
        tag("div", *stills, class_="stills"),
        json_block(f"{name}-data", views_json(views)),
        tag("figcaption", caption, made),
        class_="viewer",
        id=name,
        data_views=f"{name}-data",
    )


def _still(view: View) -> Html:
    uri = f"data:image/png;base64,{base64.b64encode(view.picture).decode()}"
    return tag("div", tag("img", src=uri, alt=view.alt), class_="still")


def _named(view: View) -> Html:
    return tag("p", f"{view.alt} (Its picture is left out here, to keep the page small.)",
               class_="still soft")  # fmt: skip
