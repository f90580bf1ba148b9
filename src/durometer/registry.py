"""Names to things: generic, lazy, extensible by other packages, helpful on a miss.

An entry is ``"module:attribute"`` and is imported on first use, so that listing names costs nothing.
Third-party packages add entries through the entry-point group ``durometer.<kind>``, which is read
only when a name is not ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from durometer.errors import UnknownNameError, suggest

T = TypeVar("T")


class Registry(Generic[T]):
    """A named collection of things of one kind (attacks, tasks, corpora, …)."""

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        """Our own names in the order of registration, then those of other packages, sorted."""
        yield from self._entries
        yield from sorted(name for name in self._third_party() if name not in self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries or name in self._third_party()

    def get(self, name: str) -> T:
        """Import and return the entry.

        Raises:
            UnknownNameError: no such name; the message suggests the nearest one.

        """
        target = self._entries.get(name)
        if target is not None:
            module, _, attribute = target.partition(":")
            thing: T = getattr(import_module(module), attribute)
            return thing
        third_party = self._third_party()
        if name in third_party:
            loaded: T = third_party[name].load()
            return loaded
        raise self.unknown(name)

    def unknown(self, name: str) -> UnknownNameError:
        """Return the error for ``name``, with the closest known name or all of them."""
        return UnknownNameError(f"unknown {self.kind} {name!r}", hint=suggest(name, self))

    def _third_party(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=f"durometer.{self.kind}")}
