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
    from textwrap import fill

    from durometer.errors import UnknownNameError
    from durometer.study.source import suggest

    if kind not in KINDS:
        raise UnknownNameError(f"unknown kind {kind!r}", hint=suggest(kind, list(KINDS)))
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
        print(f"{name:<{width}}  {entry['description']}".rstrip())
        if entry.get("options"):
            shown = ", ".join(f"{option}={value}" for option, value in entry["options"].items())
            print(fill(shown, 110, initial_indent=" " * (width + 4), subsequent_indent=" " * (width + 4)))
        if entry.get("source"):
            print(f"{'':<{width + 4}}[{entry['source']}]")


def describe(registry: Any, name: str) -> str:
    """Return the first line of an entry's documentation, or its settings where it is data."""
    if isinstance(registry, dict):
        entry = registry[name]
        return str(entry[0] if isinstance(entry, tuple) else entry)
    entry = registry.get(name)
    documented = inspect.isclass(entry) or inspect.isfunction(entry)
    return (inspect.getdoc(entry) or "").partition("\n")[0] if documented else ""


def details(registry: Any, name: str) -> dict[str, Any]:
    """Return a compression's options with their defaults and choices, and the paper that it follows."""
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
