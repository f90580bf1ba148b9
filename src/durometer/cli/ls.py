"""``durometer ls``: what durometer knows, by kind."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

KINDS = {
    "attacks": "durometer.attacks.base:ATTACKS",
    "compressions": "durometer.compress.base:COMPRESSIONS",
    "tasks": "durometer.tasks.base:TASKS",
    "corpora": "durometer.study.corpusfile:BUILTIN durometer.corpora.base:CORPORA",
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

    from durometer.errors import UnknownNameError
    from durometer.study.source import suggest

    if kind not in KINDS:
        raise UnknownNameError(f"unknown kind {kind!r}", hint=suggest(kind, list(KINDS)))
    entries: dict[str, str] = {}
    for place in KINDS[kind].split():
        module, _, attribute = place.partition(":")
        registry = getattr(import_module(module), attribute)
        entries |= {name: describe(registry, name) for name in registry}
    if json:
        print(dumps([{"name": name, "description": text} for name, text in entries.items()], indent=1))
        return
    width = max(map(len, entries), default=0)
    for name, text in entries.items():
        print(f"{name:<{width}}  {text}".rstrip())


def describe(registry: Any, name: str) -> str:
    """Return the first line of an entry's documentation, or its settings where it is data."""
    if isinstance(registry, dict):
        entry = registry[name]
        return str(entry[0] if isinstance(entry, tuple) else entry)
    entry = registry.get(name)
    documented = inspect.isclass(entry) or inspect.isfunction(entry)
    return (inspect.getdoc(entry) or "").partition("\n")[0] if documented else ""
