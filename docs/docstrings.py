"""Docstrings as MkDocs wants them: doctests become code, roles of reStructuredText plain names.

Run by mkdocstrings alone (``extensions`` in mkdocs.yml).
"""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):(?=`)")
DOCTEST = re.compile(r"(?:^>>> .*\n?)(?:^(?!\s*$).*\n?)*", re.MULTILINE)


def plain(text: str) -> str:
    """Fence the doctests that stand outside a section ``Examples``, and drop roles."""
    text = ROLE.sub("", text)
    if "\nExamples\n" in text:
        return text
    return DOCTEST.sub(lambda match: f"```python\n{match.group(0).rstrip()}\n```\n", text)


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = plain(obj.docstring.value)
