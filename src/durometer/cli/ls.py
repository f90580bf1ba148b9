"""``durometer ls``: what durometer knows, by kind."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

KINDS = {
    "attacks": "durometer.attacks.base:ATTACKS",
    "compressions": "durometer.compress.base:COMPRESSIONS",
    "tasks": "durometer.tasks.base:TASKS",
    "corpora": "durometer.corpora.base:BUILTIN durometer.corpora.base:CORPORA",
    "languages": "durometer.code:LANGUAGES",
    "victims": "durometer.victims.presets:PRESETS",
    "studies": "durometer.study.presets:STUDIES",
}


def command(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    json: Annotated[bool, typer.Option("--json", help="Print a list of name and description.")] = False,
) -> None:
    """List attacks, compressions, tasks, corpora, languages, victims or studies."""
    from importlib import import_module
    from json import dumps

    from durometer.errors import UnknownNameError, suggest

    if kind not in KINDS:
        raise UnknownNameError(f"unknown kind {kind!r}", hint=suggest(kind, KINDS))
    entries: dict[str, dict[str, Any]] = {}
    for place in KINDS[kind].split():
        module, _, attribute = place.partition(":")
        registry = getattr(import_module(module), attribute)
        entries |= {
            name: {"name": name, "description": describe(registry, name), **details(registry, name)}
            for name in registry
        }
    if json:
        print(dumps(list(entries.values()), indent=1))
        return
    width = max(map(len, entries), default=0)
    for name, entry in entries.items():
        print(filled(f"{name:<{width}}  ", entry["description"], width + 2))
        if entry.get("options"):
            shown = ", ".join(f"{option}={value}" for option, value in entry["options"].items())
            print(filled(" " * (width + 4), shown, width + 4))
        if entry.get("source"):
            print(filled(" " * (width + 4), f"[{entry['source']}]", width + 4))


def filled(first: str, text: str, indent: int) -> str:
    """Return ``text`` behind ``first``, wrapped at the terminal's width (80 columns where there is none)."""
    from shutil import get_terminal_size
    from textwrap import fill

    wrapped = fill(
        text,
        max(get_terminal_size().columns, indent + 20),
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapped or first.rstrip()


def describe(registry: Any, name: str) -> str:
    """Return the first line of an entry's documentation, or its settings where it is data."""
    if isinstance(registry, dict):
        entry = registry[name]
        return str(entry[0] if isinstance(entry, tuple) else entry)
    entry = registry.get(name)
    documented = inspect.isclass(entry) or inspect.isfunction(entry)
    return (inspect.getdoc(entry) or "").partition("\n")[0].replace("``", "") if documented else ""


def details(registry: Any, name: str) -> dict[str, Any]:
    """Return options with their defaults and choices, and the source, of compressions and corpora."""
    from durometer.corpora.base import BUILTIN, CORPORA
    from durometer.corpora.options import options_of, source_of

    if registry in (BUILTIN, CORPORA):
        return {"options": options_of(name), "source": source_of(name)}
    entry: Any = None if isinstance(registry, dict) else registry.get(name)
    if not hasattr(entry, "source") or not hasattr(entry, "model_fields"):
        return {}
    options = {}
    for option, field in entry.model_fields.items():
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        others = [str(choice) for choice in choices if choice != field.default]
        if option != "kind":
            default = "" if field.default is None else str(field.default)
            options[option] = "|".join([default, *others])
    return {"options": options, "source": entry.source}
