"""What MkDocs does not do by itself: citations, and links to files outside docs/.

Run by MkDocs alone (``hooks`` in mkdocs.yml); the package does not know this file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ENTRY = re.compile(r"@\w+\{(\w+),\n(.*?)\n\}", re.DOTALL)
FIELD = re.compile(r"^\s*(\w+)\s*=\s*\{(.*)\},?$", re.MULTILINE)
CITED = re.compile(r"\[(\w+)\]_?(?![(\w])")
OUTSIDE = re.compile(r"\]\(((?:\.\./)+)([^)#]+)(#[^)]*)?\)")
REFERENCES = "references.md"
COPIED = "source"
"""Folder of the site that gets what the pages link to outside docs/."""


def entries() -> dict[str, dict[str, str]]:
    """Key and fields of each work in references.bib."""
    text = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    return {key: dict(FIELD.findall(body)) for key, body in ENTRY.findall(text)}


def _plain(latex: str) -> str:
    accents = {r"\&": "&", "{\\o}": "ø", "---": "—", "--": "–"}
    for written, meant in accents.items():
        latex = latex.replace(written, meant)
    return re.sub(r"[{}]", "", latex)


def reference_page() -> str:
    """The list of literature, one anchor for each key."""
    lines = ["# Literature", "", "The keys that docstrings and pages cite.", ""]
    for key, fields in sorted(entries().items()):
        field = {name: _plain(value) for name, value in fields.items()}
        numbers = [field.get(name, "") for name in ("volume", "pages", "year")]
        source = field.get("journal") or field.get("booktitle") or field.get("publisher", "")
        doi = f" [doi:{field['doi']}](https://doi.org/{field['doi']})" if "doi" in field else ""
        place = ", ".join(part for part in (source, *numbers) if part)
        text = f"{field.get('author', '')}: *{field.get('title', '')}*, {place}.{doi}"
        lines += [f'<a id="{key}"></a>**{key}**', "", text, ""]
    return "\n".join(lines)


def on_files(files: Files, config: Any) -> Files:
    """Add the literature, and each file outside docs/ that a page links to."""
    files.append(File.generated(config, REFERENCES, content=reference_page()))
    for file in list(files.documentation_pages()):
        if not file.abs_src_path:
            continue
        for _, target, _ in OUTSIDE.findall(Path(file.abs_src_path).read_text(encoding="utf-8")):
            place = f"{COPIED}/{target}"
            if (ROOT / target).is_file() and files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Point links that leave docs/ to the copies of what they name."""
    depth = page.file.src_uri.count("/")

    def inside(match: re.Match[str]) -> str:
        up, target, anchor = match.groups()
        if up.count("../") <= depth:
            return match.group(0)  # it stays within docs/
        return f"]({'../' * depth}{COPIED}/{target}{anchor or ''})"

    return OUTSIDE.sub(inside, markdown)


def on_page_content(html: str, page: Page, config: Any, files: Files) -> str:
    """Make citations links."""
    known = entries()
    up = "../" * page.url.count("/")

    def linked(match: re.Match[str]) -> str:
        key = match.group(1)
        return f'<a href="{up}references/#{key}">[{key}]</a>' if key in known else match.group(0)

    return CITED.sub(linked, html)
