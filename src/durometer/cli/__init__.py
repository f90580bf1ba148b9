"""The command line: one file per verb, loaded only when the verb is called.

``durometer --help`` imports neither torch nor a data frame. Everything that a person can cause is answered
with one message and an exit code; a traceback always means a bug of ours.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from durometer import __version__
from durometer.cli._ending import explained_ending, listening

if TYPE_CHECKING:
    from collections.abc import Callable

VERBS: dict[str, str] = {
    "demo": "Run a whole study on code of this machine: table and page at the end.",
    "run": "Run the study that a file describes, or resume it.",
    "status": "Say how far a run is.",
    "report": "Write the page and the numbers of a run.",
    "check": "Audit adversarial examples made by anybody: are they still the same program?",
    "attack": "Attack one victim on one data file.",
    "candidates": "Write the substitute names that a masked language model offers.",
    "eval": "Measure a victim on a data file.",
    "train": "Fine-tune a victim.",
    "compress": "Prune, quantize or distill a victim.",
    "compare": "Compare two runs.",
    "gate": "Fail when a variant is worse than allowed (for continuous integration).",
    "power": "Say how many samples a study needs.",
    "init": "Write a commented study file.",
    "export": "Write a folder that another machine can verify and extend.",
    "ls": "List what durometer knows: attacks, compressions, tasks, …",
    "doctor": "Check this machine: versions, memory, compilers, numerics.",
}


def _typer_app(function: Callable[..., Any], name: str, summary: str | None) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name=name, help=summary)(function)
    return typer.main.get_command(app)


class LazyGroup(TyperGroup):
    """Verbs by name; a verb's module is imported when the verb is called, not when help is shown."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the verbs in the order in which people meet them."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that knows its one-line help: enough for the overview."""
        if cmd_name not in VERBS:
            return None
        return _typer_app(lambda: None, cmd_name, VERBS[cmd_name])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Load the real verb; a miss gets the nearest verb suggested."""
        if args and args[0] in VERBS:
            name = args[0]
            module = import_module(f"durometer.cli.{name.replace('-', '_')}")
            return name, _typer_app(module.command, name, None), args[1:]
        if args and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], VERBS, n=1)
            ctx.fail(f"No such verb {args[0]!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the options before the verb."""
        with explained_ending(None):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; explain what went wrong in a sentence and exit with the error's code."""
        with explained_ending(ctx):
            return super().invoke(ctx)


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(value: bool) -> None:
    if value:
        print(f"durometer {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Measure how hard a code model is to break, before and after compression."""


def main() -> None:
    """Entry point of the ``durometer`` command."""
    with listening():
        app(prog_name="durometer")
