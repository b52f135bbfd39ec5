"""Two results side by side, what they were computed with, and where a result comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeGuard

from interlith.records import Record
from interlith.store.documents import Document
from interlith.store.errors import NoSuchRecordError
from interlith.store.projection import subject
from interlith.store.results import ResultsDatabase

SAME = 1e-12
"""Numbers closer than this, relative to the larger, are equal."""


class Difference(Record):
    """One field that differs; ``change`` is b minus a, for numbers."""

    field: str
    a: Any
    b: Any
    change: float | None = None


class Comparison(Record):
    """Two results.

    Attributes
    ----------
    inputs, results, circumstances : tuple of Difference
        What was asked, what came out, and versions, machine, time.
    """

    a: str
    b: str
    kind_a: str
    kind_b: str
    same_inputs: bool
    same_results: bool
    equal_fields: int
    inputs: tuple[Difference, ...]
    results: tuple[Difference, ...]
    circumstances: tuple[Difference, ...]


class Node(Record):
    """Something that a result rests on."""

    id: str
    type: str
    label: str


class Edge(Record):
    """``source`` was used for, or is part of, ``target``."""

    source: str
    target: str
    relation: str


class ProvenanceGraph(Record):
    """Where a result comes from and what uses it."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def mermaid(self) -> str:
        """As a text that Markdown viewers draw."""
        names = {node.id: f"n{number}" for number, node in enumerate(self.nodes)}
        lines = ["graph LR"]
        lines += [
            f'  {names[node.id]}["{_plain(node.type)}: {_plain(node.label)}"]'
            for node in self.nodes
        ]
        lines += [
            f"  {names[edge.source]} -->|{_plain(edge.relation)}| {names[edge.target]}"
            for edge in self.edges
        ]
        return "\n".join(lines)


def compare(a: Document, b: Document) -> Comparison:
    """What is equal and what differs between two documents."""
    left, right = dict(a.record), dict(b.record)
    around = left.pop("provenance", None), right.pop("provenance", None)
    results, equal = _differences(left, right)
    inputs, _ = _differences(a.inputs, b.inputs)
    circumstances, _ = _differences(around[0] or {}, around[1] or {})
    return Comparison(
        a=f"{a.key}:{a.revision}",
        b=f"{b.key}:{b.revision}",
        kind_a=a.kind,
        kind_b=b.kind,
        same_inputs=a.key == b.key,
        same_results=not results,
        equal_fields=equal,
        inputs=tuple(inputs),
        results=tuple(results),
        circumstances=tuple(circumstances),
    )


def _differences(a: Any, b: Any) -> tuple[list[Difference], int]:
    left, right = dict(_leaves(a)), dict(_leaves(b))
    found, equal = [], 0
    for field in sorted(left.keys() | right.keys()):
        x, y = left.get(field), right.get(field)
        if x == y or (_number(x) and _number(y) and math.isclose(x, y, rel_tol=SAME)):
            equal += 1
            continue
        change = y - x if _number(x) and _number(y) else None
        found.append(Difference(field=field, a=x, b=y, change=change))
    return found, equal


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]")
    else:
        yield path, value


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def provenance_graph(database: ResultsDatabase, key: str) -> ProvenanceGraph:
    """Structure, model, reference, parents of a result, theirs in turn, and what it is part of."""
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str, str], Edge] = {}

    def link(source: str, target: str, relation: str) -> None:
        edge = Edge(source=source, target=target, relation=relation)
        edges[source, target, relation] = edge

    waiting, seen = [database.full_key(key)], set()
    users = _users(database)
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        try:
            document = database.document(current)
        except NoSuchRecordError:
            nodes[current] = Node(id=current, type="missing", label=current[:12])
            continue
        nodes[current] = Node(id=current, type=document.kind, label=_label(document))
        for node, relation in _origins(document):
            nodes[node.id] = node
            link(node.id, current, relation)
        for parent in document.parents:
            link(parent, current, "computed from")
            waiting.append(parent)
        for part in document.parts if len(seen) == 1 else ():
            link(part.key, current, "part of")
            waiting.append(part.key)
        for user, relation in users.get(current, ()) if len(seen) == 1 else ():
            other = database.document(user)
            nodes[user] = Node(id=user, type=other.kind, label=_label(other))
            link(current, user, relation)
    return ProvenanceGraph(nodes=tuple(nodes.values()), edges=tuple(edges.values()))


def _users(database: ResultsDatabase) -> dict[str, list[tuple[str, str]]]:
    users: dict[str, list[tuple[str, str]]] = {}
    for one in database.everything():
        for part in one.parts:
            users.setdefault(part.key, []).append((one.key, "part of"))
        for parent in one.parents:
            users.setdefault(parent, []).append((one.key, "computed from"))
    return users


def _origins(document: Document) -> Iterator[tuple[Node, str]]:
    data = document.record
    reference, potential = data.get("reference"), data.get("potential")
    if isinstance(reference, dict):
        label = f"{reference.get('name')} ({reference.get('scheme')})"
        yield Node(id=f"reference:{reference.get('sha256')}", type="reference", label=label), "used"
    if isinstance(potential, dict):
        identity = f"model:{potential.get('sha256')}"
        yield Node(id=identity, type="model", label=str(potential.get("name"))), "used"
    for name in ("material", "formula", "a", "b", "electrolyte", "against"):
        if isinstance(data.get(name), str):
            yield (
                Node(id=f"structure:{data[name]}", type="structure", label=data[name]),
                name,
            )
    for one in document.artefacts:
        yield Node(id=f"file:{one.sha256}", type="file", label=one.name), "file of"


def _label(document: Document) -> str:
    return f"{subject(document.record) or document.key[:12]} r{document.revision}"


def _plain(text: str) -> str:
    return text.replace('"', "'").replace("|", "/").replace("[", "(").replace("]", ")")
