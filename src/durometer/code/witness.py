"""The compiler as a second witness: are the errors before and after an edit the same, up to the rename?

Snippets lack their imports and headers, so a compiler always complains; what counts is whether the edit
*changes* the complaints. Found at run time and optional (``durometer.code.compilers``): ``javac`` with
attribution, so that duplicate variables are seen; ``gcc`` and ``g++``; this Python's ``compile``. ``gcc``
drops a function with an unknown type, so types unknown in the original are declared before both programs.
Trade-offs: messages are compared without their positions, because the released attack tools drop blank lines;
a name and its substitute count as the same word in messages, so a partial rename shows only through errors of
its own (a name that nobody declares).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType

from durometer.code.compilers import CompileError, Compiler, CompilerGoneError, find_compiler

_ESCAPED_LETTER = re.compile(r"\\U([0-9a-fA-F]{8})")  # gcc spells non-ASCII names so
_WORD = re.compile(r"[^\W\d][\w$]*")
_PRELUDE_ROUNDS = 8
_UNKNOWN_TYPE = re.compile(r"^unknown type name '(\w+)'")
_CLIPPED = "[...]"  # javac quotes an untyped argument by its first and last letters
_ARGUMENTS = re.compile(r"(?<=[\w$]\().*(?=\) location: )|(?<=found: ).*(?= reason: )")
_SUGGESTION = re.compile(r"[;,] did you mean .*?(?:\?|$)")
_COMMENT_OR_TEXT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)
_TYPE_OR_HEADER = re.compile(r"\b(?:class|interface|enum|record|package|import)\b")


@dataclass(frozen=True)
class Opinion:
    """What a compiler says of an edit.

    ``appeared`` are errors of the edited program that the original has not, ``vanished`` the reverse, both up
    to the rename. ``trouble`` says why there is no opinion (time limit, crash); then both are empty.
    """

    appeared: tuple[CompileError, ...] = ()
    vanished: tuple[CompileError, ...] = ()
    trouble: str = ""

    @property
    def same(self) -> bool:
        """Whether the compiler gave an opinion, and it is that nothing changed."""
        return not (self.appeared or self.vanished or self.trouble)


class Witness:
    """One compiler for one language, as a context manager. Not for several threads at once."""

    def __init__(self, language: str, compiler: Compiler) -> None:
        self.language = language
        self.name = compiler.name
        self._compiler = compiler
        self._errors = lru_cache(maxsize=512)(compiler.errors)  # many examples share one original

    def compare(self, original: str, edited: str, renames: Mapping[str, str]) -> Opinion:
        """Return which errors the edit brought and took.

        ``original`` and ``edited`` are whole files, bare functions or methods; ``renames`` maps old to new.
        """
        if self.language == "java" and _is_bare_member(original):
            original, edited = (f"class Snippet__ {{ {code}\n}}" for code in (original, edited))
        try:
            prelude = self._types_unknown_in(original) if self.language == "c" else ""
            before, after = self._errors(prelude + original), self._errors(prelude + edited)
        except CompilerGoneError as gone:
            return Opinion(trouble=str(gone))
        return Opinion(_missing_from(before, after, renames), _missing_from(after, before, renames))

    def _types_unknown_in(self, original: str) -> str:
        """Return declarations of the types that the snippet takes from headers."""
        unknown: dict[str, None] = {}
        for _ in range(_PRELUDE_ROUNDS):
            errors = self._errors(_declare(unknown) + original)
            found = {name: None for error in errors for name in _UNKNOWN_TYPE.findall(error.message)}
            if not found.keys() - unknown.keys():
                break
            unknown |= found
        return _declare(unknown)

    def close(self) -> None:
        """Stop the compiler."""
        self._compiler.close()

    def __enter__(self) -> Witness:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_witness(language: str) -> Witness | None:
    """Return the witness that this machine has for ``language``, or None."""
    compiler = find_compiler(language)
    return None if compiler is None else Witness(language, compiler)


def _missing_from(
    these: tuple[CompileError, ...], those: tuple[CompileError, ...], renames: Mapping[str, str]
) -> tuple[CompileError, ...]:
    """Return those of ``those`` that ``these`` do not account for, in order.

    A clipped argument cannot be followed through a rename: beside one, only the rest of the message counts.
    """
    left = Counter(_canonical(error.message, renames) for error in these)
    unexplained = []
    for error in those:
        message = _canonical(error.message, renames)
        if left[message]:
            left[message] -= 1
        else:
            unexplained.append((error, message))
    missing = []
    for error, message in unexplained:
        shape = _ARGUMENTS.sub("", message)
        candidates = (one for one in left.elements() if _CLIPPED in one + message)
        match = next((one for one in candidates if _ARGUMENTS.sub("", one) == shape), None)
        if match is None:
            missing.append(error)
        else:
            left[match] -= 1
    return tuple(missing)


def _canonical(message: str, renames: Mapping[str, str]) -> str:
    message = _ESCAPED_LETTER.sub(lambda code: chr(int(code[1], 16)), _SUGGESTION.sub("", message))
    return _WORD.sub(lambda word: renames.get(word.group(), word.group()), message)


def _declare(types: Mapping[str, None]) -> str:
    declarations = " ".join(f"typedef struct {name}_ {{ int unknown; }} {name};" for name in types)
    return f"{declarations}\n#line 1\n" if types else ""


def _is_bare_member(source: str) -> bool:
    """Whether Java text is a method or a field rather than a file with a type."""
    head = _COMMENT_OR_TEXT.sub(" ", source).partition("{")[0]
    return _TYPE_OR_HEADER.search(head.replace(".class", " ")) is None
