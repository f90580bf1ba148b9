"""Errors that a person reads: what is wrong, where, and what to do about it.

Everything that bad input, a bad machine or a bad configuration can cause is a ``DurometerError``; the
command line prints it as one message and exits with its ``exit_code``. Any other exception is a bug of
ours and keeps its traceback.
"""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


class DurometerError(Exception):
    """A failure explained to the user.

    ``where`` names the file, line or field; ``hint`` says what to do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(self.__str__())

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.hint}" if self.hint else head


class InputError(DurometerError):
    """A file, an option or a field that cannot be used as it is."""

    exit_code = 2


class ConfigurationError(InputError):
    """A study file or card with a field that is missing, unknown or out of range."""


class UnknownNameError(InputError):
    """A name that no registry knows."""


class VictimError(DurometerError):
    """The victim broke its contract: NaN, wrong shape, wrong count, or it died."""


class StoreError(DurometerError):
    """A run folder that cannot be read or written: full disk, permissions, held by another run."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean …? Known: …``, the hint for a name that is none of those ``known``."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (f"Did you mean {close[0]!r}? " if close else "") + f"Known: {', '.join(names) or 'none'}."


def not_utf8(start: bytes, where: str) -> InputError:
    """Return the error for a file that is no UTF-8 text; ``start``, its first bytes, may tell what it is."""
    marks = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
    name = next((name for mark, name in marks.items() if start.startswith(mark)), "")
    zeros = start.count(0) / max(len(start), 1)
    if not name and zeros > 0.4:  # of the bytes of Latin letters, half in UTF-16 and three quarters in UTF-32
        name = "UTF-32" if zeros > 0.6 else "UTF-16"
    if name:
        hint = f"Convert it: iconv -f {name} -t UTF-8 OLD > NEW."
        return InputError(f"{name} text, not UTF-8", where=where, hint=hint)
    if zeros:
        return InputError("binary data, not UTF-8 text", where=where, hint="Name a text file, or its format.")
    hint = "Convert it; if it is Latin-1: iconv -f LATIN1 -t UTF-8 OLD > NEW."
    return InputError("not UTF-8 text", where=where, hint=hint)


class MissingExtraError(DurometerError):
    """An optional dependency is needed and not installed; the hint names the extra."""


class RefusedError(DurometerError):
    """A request that would give a misleading answer, such as a gradient attack without gradients."""


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Import inside what the extra ``name`` installs and ``what`` needs.

    Raises:
        MissingExtraError: one of the packages is not there.

    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed", hint=f"pip install 'durometer[{name}]'"
        ) from error


def out_of_memory(error: BaseException) -> bool:
    """Whether the machine ran out of memory: nobody's fault, and never to be recorded as an answer.

    Libraries say so in words of their own: torch on a CPU raises a bare ``RuntimeError``.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in MEMORY_WORDS)
