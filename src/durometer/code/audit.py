"""Auditing adversarial examples that anybody made: is the adversarial program still the original one?

The verdict starts from the proof (:func:`durometer.code.prove`) on the text as it should have been written
(:mod:`durometer.code.flattening`) and looks closer at what the proof refuses: reserved words are replaced by
placeholders to see what is wrong besides; renames outside our own rules that leave the snippet the same
program become notes (:mod:`durometer.code.settle`); two names that became one in scopes that never meet are a
note too. The tool's own list of renames, where there is one, adds reasons that corrupted text hides: in a
program that lost tokens no proof can tell that ``out.println`` was renamed as well. Every reason is counted
for every example that has it, so shares add up to more than the invalid share.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from durometer.code.flattening import undo_newline_flattening
from durometer.code.javalang_tokens import JavaLexerError, javalang_tokens
from durometer.code.layout import has_odd_blanks
from durometer.code.proof import parsed, prove, tokens_of
from durometer.code.reason import Reason
from durometer.code.scope import FREE, REASON_OF_ROLE, Role
from durometer.code.settle import bare_constructor, settle
from durometer.code.snippet import RUN, Snippet
from durometer.code.syntax import encode

_MARKS = re.compile(r"[^\s]+|\n+")

# Notes: true of an example, but the snippet is still the same program …
NEWLINE_FLATTENED = "newline_flattened"  # a class of its own: undone before anything is judged
FUNCTION_NAME = str(Reason.FUNCTION_NAME)  # the snippet's own function was renamed
OWN_FIELD = "own_field"  # a field that the snippet itself declares; code outside would miss it
MERGED_NAMES = "merged_names"  # two names became one, in scopes that never meet
# … or: the snippet alone cannot tell; a compiler can.
DOUBTFUL_LOCAL = "doubtful_local"  # captured by a class body that may inherit a field of that name
FOREIGN_MEMBER = "foreign_member"  # System.in was renamed along with a field ``in`` of the snippet
UNDECIDED = frozenset((DOUBTFUL_LOCAL, FOREIGN_MEMBER))

# What remains certain of a text that lost tokens.
_CERTAIN = frozenset((Reason.PARSE_ERROR, Reason.TOKEN_CHANGE, Reason.LITERAL_CHANGED))
_CLASHES = frozenset((Reason.CAPTURE, Reason.TOKEN_CHANGE, Reason.PARSE_ERROR, Reason.INCONSISTENT))
_MOVED = frozenset((Reason.RENAMES_FIELD, Reason.RENAMES_TYPE, Reason.UNDECLARED))


@dataclass(frozen=True)
class Finding:
    """What the audit says of one success.

    ``valid`` means not refuted: an example with a note of ``UNDECIDED`` is valid and not ``proven``.
    ``reasons`` are the faults (values of ``Reason``); ``notes`` are true of the example but no fault.
    ``restored`` is the adversarial program with the flattening undone, ``first_line`` the first offending
    line in it. ``same_token_count`` is what the filter of the FSE 2023 evaluation asks: as many tokens as the
    original (javalang's for Java, ours elsewhere), on the text as published.
    """

    valid: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    renames: Mapping[str, str]
    first_line: int | None
    detail: str
    restored: str
    same_token_count: bool

    @property
    def proven(self) -> bool:
        """Valid, with nothing left that only a compiler can tell."""
        return self.valid and UNDECIDED.isdisjoint(self.notes)


@dataclass(frozen=True)
class Tally:
    """Counts over the successes of one file, or of several.

    ``only_undeclared`` are invalid for nothing but a name that the snippet does not declare (mostly a field
    of the class around a bare method, renamed throughout): some audits let these pass.
    """

    examples: int = 0
    successes: int = 0
    valid: int = 0
    proven: int = 0
    same_token_count: int = 0
    same_token_count_valid: int = 0
    only_undeclared: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def invalid_percent(self) -> float | None:
        """Share of the successes that are not the same program; None without successes."""
        return self.percent(self.successes - self.valid)

    def percent(self, count: int) -> float | None:
        """Return ``count`` as a share of the successes."""
        return 100 * count / self.successes if self.successes else None


def audit(
    original: str,
    adversarial: str,
    language: str,
    claimed: Sequence[tuple[str, str]] = (),
    *,
    strict: bool = False,
) -> Finding:
    """Judge one success.

    Args:
        original: the program before the attack.
        adversarial: the program that the attack published.
        language: name in ``LANGUAGES``.
        claimed: the tool's own list of (old name, new name), if it has one.
        strict: hold the example to the rules of our own attacks: locals and parameters only, injective.

    """
    restored, count = undo_newline_flattening(original, adversarial, language)
    before = parsed(original, language)
    relaid = _in_layout_of(before, restored)
    judged = _judge(before, relaid, strict)
    reasons = judged.reasons
    if Reason.TOKEN_CHANGE in reasons and claimed:
        # Which token became which is a guess once tokens are lost; the tool's own list is not.
        reasons = reasons & _CERTAIN | set(_faults_of_claim(before, claimed))
    return Finding(
        valid=not reasons,
        reasons=tuple(str(reason) for reason in Reason if reason in reasons),
        notes=(*judged.notes, *([NEWLINE_FLATTENED] if count else [])),
        renames=judged.renames,
        first_line=_line_in(restored, relaid, judged.first_line),
        detail=judged.detail,
        restored=restored,
        same_token_count=_same_count(original, adversarial, language),
    )


def tally(examples: int, findings: Iterable[Finding]) -> Tally:
    """Count the findings of ``examples`` rows (failures included)."""
    findings = list(findings)
    reasons = Counter(reason for finding in findings for reason in finding.reasons)
    notes = Counter(note for finding in findings for note in finding.notes)
    return Tally(
        examples=examples,
        successes=len(findings),
        valid=sum(finding.valid for finding in findings),
        proven=sum(finding.proven for finding in findings),
        same_token_count=sum(finding.same_token_count for finding in findings),
        only_undeclared=sum(finding.reasons == (Reason.UNDECLARED,) for finding in findings),
        same_token_count_valid=sum(finding.same_token_count and finding.valid for finding in findings),
        reasons=dict(reasons.most_common()),
        notes=dict(notes.most_common()),
    )


def counted_tokens(source: str, language: str) -> Sequence[str] | None:
    """Return the tokens that published counts are about; None where the lexer refuses the text."""
    if language != "java":
        return tokens_of(source, language)
    try:
        return javalang_tokens(source)
    except JavaLexerError:
        return None


def _same_count(original: str, adversarial: str, language: str) -> bool:
    before, after = counted_tokens(original, language), counted_tokens(adversarial, language)
    return before is not None and after is not None and len(before) == len(after)


@dataclass(frozen=True)
class _Judged:
    reasons: frozenset[Reason]
    notes: tuple[str, ...]
    renames: Mapping[str, str]
    first_line: int | None
    detail: str


def _judge(before: Snippet, restored: str, strict: bool) -> _Judged:
    """Prove, then look closer at what the proof refuses."""
    first = verdict = prove(before.source, restored, before.language, allow_function_name=not strict)
    reasons, notes, moved = set(first.reasons), [str(note) for note in first.notes], dict[str, str]()
    edited, reserved = restored, dict[str, str]()
    if reasons & {Reason.PARSE_ERROR, Reason.RESERVED_WORD, Reason.TOKEN_CHANGE}:
        edited, reserved = _without_reserved_words(before, restored)
    if reserved:
        # A keyword in the place of a name breaks the parse, and the parser's recovery invents more changes.
        verdict = prove(before.source, edited, before.language, allow_function_name=not strict)
        reasons = {Reason.RESERVED_WORD, *verdict.reasons} | (reasons & {Reason.PARSE_ERROR})
        notes = [str(note) for note in verdict.notes]
    if not strict and reasons & _MOVED:
        settled = settle(before, Snippet(edited, before.definition, before.macros))
        if settled and set(prove(before.source, settled.original, before.language).reasons) <= _MOVED:
            verdict = prove(settled.original, edited, before.language)
            reasons = reasons & {Reason.PARSE_ERROR, Reason.RESERVED_WORD} | set(verdict.reasons)
            moved = settled.renames
            notes += [FUNCTION_NAME] * bool(settled.constructor)
            notes += [OWN_FIELD] * bool(settled.fields) + [DOUBTFUL_LOCAL] * bool(settled.doubtful)
            notes += [FOREIGN_MEMBER] * settled.foreign
    if not strict and Reason.NOT_INJECTIVE in reasons and reasons.isdisjoint(_CLASHES):
        reasons.discard(Reason.NOT_INJECTIVE)
        notes.append(MERGED_NAMES)
    renames = {old: reserved.get(new, new) for old, new in {**verdict.renames, **moved}.items()}
    if not reasons:
        return _Judged(frozenset(), tuple(notes), renames, None, "")
    told = first if reserved or not verdict.detail else verdict
    return _Judged(frozenset(reasons), tuple(notes), renames, told.first_line, told.detail)


def _in_layout_of(before: Snippet, edited: str) -> str:
    """Return ``edited`` with the blanks of the original, if the two differ in nothing but words and blanks.

    The tools drop empty lines; where a parser has to recover from errors, even that moves its trees. A line
    feed never appears or goes by this, so what is a comment stays one. Literals keep their blanks, and Python
    its layout.
    """
    old, new = RUN.split(before.source), RUN.split(edited)
    if before.language == "python" or len(old) != len(new):
        return edited
    # Blanks around a whole program are nothing.
    gaps = zip(*([*cut[:-1:2], cut[-1].rstrip(" \t\r\n")] for cut in (old, new)), strict=True)
    if any(a != b and (_blank(a) != _blank(b) or has_odd_blanks(a + b)) for a, b in gaps):
        return edited
    literals = _literals(before)
    end = 0
    for index, piece in enumerate(old):
        start, end = end, end + len(encode(piece))
        if index % 2 == 0 and new[index] != piece and _outside(piece, new[index], start, literals):
            new[index] = piece
    return "".join(new)


def _literals(before: Snippet) -> set[tuple[int, int]]:
    """Return where literals, and whatever tokens have blanks in them, start and end."""
    tree, atoms = before.tree, before.definition.atoms
    spans = {(tree.starts[node], tree.ends[node]) for node, kind in enumerate(tree.kinds) if kind in atoms}
    return spans | {
        (t.start, t.end) for t in before.tokens if t.kind == "literal" or len(t.text.split()) != 1
    }


def _outside(old: str, new: str, start: int, literals: set[tuple[int, int]]) -> bool:
    """Say whether a gap at ``start`` that became another differs in blanks outside literals only."""
    a, b = encode(old), encode(new)
    end = start + len(a)
    for first, last in literals:
        if first < end and start < last:
            head = a[: last - start] if first < start else b""
            tail = a[first - start :] if last > end else b""
            inside = a[max(first - start, 0) : last - start]
            if (head and tail) or not (b.startswith(head) and b.endswith(tail)):
                return False
            if not (head or tail) and len(inside.split()) != 1:
                return False
    return True


def _blank(gap: str) -> list[str]:
    return ["\n" if piece.isspace() else piece for piece in _MARKS.findall(gap)]


def _line_in(text: str, relaid: str, line: int | None) -> int | None:
    """Return the line of ``text`` with the first word that starts on or after ``line`` of ``relaid``."""
    if line is None or text == relaid:
        return line
    start = sum(map(len, relaid.split("\n")[: line - 1])) + line - 1
    words = sum(1 for _ in RUN.finditer(relaid, 0, start))
    found = next(islice(RUN.finditer(text), words, None), None)
    return text.count("\n", 0, found.start() if found else len(text)) + 1


def _without_reserved_words(before: Snippet, edited: str) -> tuple[str, dict[str, str]]:
    """Put a legal name in the place of each reserved word that became a name.

    Returns the text and which placeholder stands for which word; nothing is done where the two texts differ
    in more than words and blanks.
    """
    words = before.definition
    old, new = RUN.split(before.source), RUN.split(edited)
    if len(old) != len(new) or any(a.split() != b.split() for a, b in zip(old[::2], new[::2], strict=True)):
        return edited, {}
    taken = before.words | set(new[1::2])
    reserved: dict[str, str] = {}
    for index in range(1, len(new), 2):
        word = new[index]
        if word != old[index] and words.is_reserved(word) and old[index] in before.identifiers:
            while word in taken:
                word += "_"
            reserved[word] = new[index]
            new[index] = word
    return "".join(new), reserved


def _faults_of_claim(before: Snippet, claimed: Sequence[tuple[str, str]]) -> Iterator[Reason]:
    """Name what is wrong with the renames as listed, whatever the text became."""
    own_fields = {binding.name for binding in before.resolution.bindings if binding.role is Role.FIELD}
    listed = {old.strip(): new.strip() for old, new in claimed}
    listed = {old: new for old, new in listed.items() if old != new and old in before.identifiers}
    for new in listed.values():
        if before.definition.is_reserved(new):
            yield Reason.RESERVED_WORD
        elif not before.definition.is_legal(new):
            yield Reason.ILLEGAL_NAME
    own_name = {*before.resolution.function_leaves, *bare_constructor(before)}
    for token in before.tokens:
        if token.kind == "identifier" and token.text in listed and token.node not in own_name:
            use = before.use(token)
            if use.binding == FREE and not (use.role is Role.FIELD and token.text in own_fields):
                yield REASON_OF_ROLE.get(use.role, Reason.UNDECLARED)
