"""``interlith``: the command line. One file per command group; heavy imports inside commands."""

from __future__ import annotations

import os
import sys

import typer

from interlith import __version__
from interlith.cli import (
    assess,
    barrier,
    build,
    compare,
    dft,
    doctor,
    examples,
    init,
    library,
    md,
    mechanics,
    products,
    queue,
    react,
    reactivity,
    reference,
    results,
    scorecard,
    screen,
    train,
    window,
)
from interlith.cli.common import typed
from interlith.errors import FailureError, InputError, InterlithError, MissingDependencyError

INTERRUPTED = 130

app = typer.Typer(
    name="interlith",
    help="Solid-state battery interfaces: what forms where two materials touch, and what helps.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("assess")(assess.assess)
app.command("compare")(compare.compare)
app.command("window")(window.window)
app.command("react")(react.react)
app.command("screen")(screen.screen)
app.command("reactivity")(reactivity.reactivity)
app.command("md")(md.md)
app.command("diffusion")(md.diffusion)
app.command("analyze")(md.analyze)
app.command("products")(products.products)
app.command("barrier")(barrier.barrier)
app.command("elastic")(mechanics.elastic)
app.command("thermal")(mechanics.thermal)
app.command("adhesion")(mechanics.adhesion)
app.command("scorecard")(scorecard.scorecard)
app.command("train")(train.train)
app.add_typer(build.app, name="build")
app.add_typer(reference.app, name="reference")
app.add_typer(library.app, name="library")
app.add_typer(dft.app, name="dft")
app.command("init")(init.init)
app.command("examples")(examples.examples)
app.add_typer(results.app, name="results")
app.command("submit", context_settings=queue.VERBATIM)(queue.submit)
app.command("worker")(queue.worker)
app.command("status")(queue.status)
app.command("why")(queue.why)
app.command("retry")(queue.retry)
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; bad input ends with code 2, failed work with 1."""
    try:
        app()
        code = 0
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _say(f"interrupted; nothing half-written is left. Go on with: {typed()}", INTERRUPTED)
        raise
    except BrokenPipeError:
        code = 1
    except (InputError, MissingDependencyError) as error:
        code = _say(str(error), 2)
    except (FailureError, InterlithError) as error:
        code = _say(str(error), 1)
    except Exception as error:  # the last door: one line for a person, the trace on request
        if os.environ.get("INTERLITH_DEBUG"):
            raise
        code = _say(
            f"unexpected {type(error).__name__}: {error}; this is a fault of interlith. Set "
            "INTERLITH_DEBUG=1 to see where, and report it",
            1,
        )
    sys.exit(code)


def _say(message: str, code: int) -> int:
    print(f"interlith: {message}", file=sys.stderr)
    return code
