"""``interlith build``: structures to files, with a table of what was considered, and pictures."""

from __future__ import annotations

import typer

from interlith.cli import build_crystals, build_interfaces

app = typer.Typer(help="Build bulk cells, slabs, interfaces, stacks.", no_args_is_help=True)
app.command("bulk")(build_crystals.bulk)
app.command("order")(build_crystals.order)
app.command("slab")(build_crystals.slab)
app.command("interface")(build_interfaces.interface)
app.command("stack")(build_interfaces.stack)
app.command("grain-boundary")(build_crystals.grain_boundary)
app.command("glass")(build_crystals.glass)
