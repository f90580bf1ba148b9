"""Edits as values: things to apply to a program, one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from durometer.code.program import Program


class Edit(Protocol):
    """Anything that turns a program into another one with the same meaning."""

    def apply(self, program: Program) -> Program:
        """Return the edited program."""
        ...


@dataclass(frozen=True, slots=True)
class Rename:
    """Call the snippet's name ``old`` ``new``."""

    old: str
    new: str

    def apply(self, program: Program) -> Program:
        """Return ``program`` with this rename; the name must be renameable."""
        return program.rename(self.old, self.new)

    @property
    def inverse(self) -> Rename:
        """The edit that undoes this one on the edited text, parsed anew."""
        return Rename(self.new, self.old)


@dataclass(frozen=True, slots=True)
class RenameMany:
    """Rename several names at once."""

    renames: Mapping[str, str]

    def apply(self, program: Program) -> Program:
        """Return ``program`` with these renames; the names must be renameable."""
        return program.rename_many(self.renames)

    @property
    def inverse(self) -> RenameMany:
        """The edit that undoes this one on the edited text, parsed anew."""
        return RenameMany({new: old for old, new in self.renames.items()})
