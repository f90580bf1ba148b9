"""Audit whole files: the language, the verdict and the compiler's testimony of every success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from durometer.code import LANGUAGES, detect_language
from durometer.code.audit import FOREIGN_MEMBER, Finding, audit
from durometer.code.reason import Reason
from durometer.code.witness import Opinion, Witness
from durometer.corpora.adversarial import AdversarialExample, ExampleFile
from durometer.errors import UnknownNameError
from durometer.report.audit_tables import Audited, AuditedFile

_ALIASES = {
    "c++": "cpp",
    "cc": "cpp",
    "js": "javascript",
    "py": "python",
    "python3": "python",
    "golang": "go",
}
_VOTERS = 40  # distinct originals that decide the language of a file


def audit_file(
    file: ExampleFile,
    *,
    language: str | None = None,
    strict: bool = False,
    witness_for: Callable[[str], Witness | None] | None = None,
    on_example: Callable[[], None] = lambda: None,
) -> AuditedFile:
    """Judge every success of ``file``.

    ``language`` is that of all rows; without it a row's own column says it, else the originals of the file
    are looked at. ``witness_for`` gives the compiler of a language, where compilers are to be asked.

    Raises:
        UnknownNameError: a language that we do not know.

    """
    default = known_language(language) if language else _vote(file.examples)
    successes: list[Audited] = []
    compilers: dict[str, None] = {}
    for example in file.examples:
        if not example.success:
            continue
        spoken = default if language else _spoken(example) or default
        finding = audit(example.original, example.adversarial, spoken, example.claimed, strict=strict)
        opinion = None
        witness = witness_for(spoken) if witness_for is not None else None
        if witness is not None:
            compilers[witness.name] = None
            claimed = {old.strip(): new.strip() for old, new in example.claimed}
            opinion = witness.compare(example.original, finding.restored, {**claimed, **finding.renames})
            finding = _after_testimony(finding, opinion, witness.name)
        successes.append(Audited(example, spoken, finding, opinion))
        on_example()
    return AuditedFile(file.path, default, file.examples, tuple(successes), file.notes, ", ".join(compilers))


def known_language(name: str) -> str:
    """Return our name of a language.

    Raises:
        UnknownNameError: not one of ours.

    """
    name = name.strip().lower()
    name = _ALIASES.get(name, name)
    LANGUAGES.get(name)
    return name


def _spoken(example: AdversarialExample) -> str:
    """Return the language that the row itself names, or nothing."""
    try:
        return known_language(example.language) if example.language else ""
    except UnknownNameError as error:
        raise UnknownNameError(
            error.what,
            where=f"{example.file}:{example.line}",
            hint=f"{error.hint} Or say it for all rows with --language.",
        ) from None


def _vote(examples: Sequence[AdversarialExample]) -> str:
    """Return the language that most of the first distinct originals seem to be written in."""
    originals = dict.fromkeys(example.original for example in examples if example.success)
    votes = Counter(detect_language(code) for code in list(originals)[:_VOTERS])
    return votes.most_common(1)[0][0] if votes else detect_language("")


def _after_testimony(finding: Finding, opinion: Opinion, compiler: str) -> Finding:
    """Let new errors decide what the snippet alone left undecided."""
    if finding.proven or not finding.valid or not opinion.appeared:
        return finding
    reason = Reason.RENAMES_FIELD if FOREIGN_MEMBER in finding.notes else Reason.UNDECLARED
    error = opinion.appeared[0]
    return replace(
        finding,
        valid=False,
        reasons=(str(reason),),
        first_line=error.line or None,
        detail=f"{compiler}: {error.message}",
    )
