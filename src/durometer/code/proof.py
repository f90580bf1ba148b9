"""Proof that one text is another under a renaming that keeps the meaning, however it was made.

Two roads lead to the same verdict. The short one is taken when the texts differ only in whole occurrences of
renameable names, all of each name, and every new name is fresh: then no binding can have changed,
and no parse either, because a grammar sees of a word only whether it is a keyword. Anything else is
parsed and compared: token streams, tree shapes, roles, and the partition of names into bindings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from durometer.code.layout import layout, meaning
from durometer.code.program import fault_of_name
from durometer.code.reason import Reason
from durometer.code.repair import error_nodes
from durometer.code.scope import FREE, REASON_OF_ROLE, RENAMEABLE_ROLES
from durometer.code.snippet import RUN, Snippet, Token, parse

_REMEMBERED_CHARACTERS = 100_000
_ALIGNED_LIMIT = 20_000  # tokens; beyond it a changed token count is reported without alignment


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an edit keeps the meaning, and why not.

    ``notes`` holds what is true of a valid edit but reported apart (the function's own name was
    renamed). ``renames`` is the map that the edit applied, as far as it is one. ``first_line`` is the
    first offending line of the edited text, from 1.
    """

    valid: bool
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    first_line: int | None = None
    detail: str = ""


def prove(original: str, edited: str, language: str, *, allow_function_name: bool = True) -> Verdict:
    """Judge whether ``edited`` is ``original`` under one injective, capture-free renaming of its locals.

    Comments and white space may differ where they carry no meaning. ``allow_function_name`` decides
    whether renaming the snippet's own function is a note or a fault.

    Raises:
        UnknownNameError: no such language.

    """
    before = parsed(original, language)
    verdict = _short_proof(before, edited)
    if verdict is None:
        verdict = _Comparison(before, Snippet(edited, before.definition, before.macros)).verdict()
    if verdict.notes and not allow_function_name:
        reasons = (*verdict.reasons, Reason.FUNCTION_NAME)
        return Verdict(
            False, reasons, (), verdict.renames, verdict.first_line, verdict.detail or "function renamed"
        )
    return verdict


def tokens_of(text: str, language: str) -> Sequence[str]:
    """Return the code tokens of ``text``."""
    return _token_texts(parsed(text, language))


def parsed(text: str, language: str) -> Snippet:
    """Parse, and remember the last few: searches and audits ask about many edits of one original."""
    return _remembered(text, language) if len(text) <= _REMEMBERED_CHARACTERS else parse(text, language)


_remembered = lru_cache(maxsize=64)(parse)


def _token_texts(snippet: Snippet) -> list[str]:
    return [token.text for token in snippet.tokens]


class _Runs:
    """The original cut into runs of word characters and what lies between, for the short proof."""

    __slots__ = ("between", "counts", "owners", "words")

    def __init__(self, snippet: Snippet) -> None:
        cut = RUN.split(snippet.source)
        self.between, self.words = cut[0::2], cut[1::2]
        names = snippet.changeable
        self.counts = {name: len(snippet.occurrences(name)) for name in names}
        starts = {start: name for name in names for start in snippet.occurrences(name)}
        self.owners: dict[int, str] = {}
        position = 0
        for index, word in enumerate(self.words):
            position += _size(self.between[index])
            name = starts.get(position)
            if name == word:
                self.owners[index] = word
            position += _size(word)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _short_proof(before: Snippet, edited: str) -> Verdict | None:
    """Prove the common case from the texts alone, or return None: not refuted, only not proven here."""
    if edited == before.source:
        return Verdict(True)
    if before.has_error:
        return None
    runs = before.__dict__.get("_runs")
    if runs is None:
        runs = before.__dict__["_runs"] = _Runs(before)
    cut = RUN.split(edited)
    if len(cut) != 2 * len(runs.words) + 1 or cut[0::2] != runs.between:
        return None
    renames: dict[str, str] = {}
    seen: dict[str, int] = {}
    for index, (old, new) in enumerate(zip(runs.words, cut[1::2], strict=True)):
        if old != new:
            if index not in runs.owners or renames.setdefault(old, new) != new:
                return None
            seen[old] = seen.get(old, 0) + 1
    if len(set(renames.values())) != len(renames):
        return None
    for old, new in renames.items():
        if seen[old] != runs.counts[old] or fault_of_name(before, new) is not None:
            return None
    notes = (Reason.FUNCTION_NAME,) if before.function_name in renames else ()
    return Verdict(True, (), notes, renames)


class _Comparison:
    """The long proof: two parsed programs side by side, all faults collected."""

    def __init__(self, before: Snippet, after: Snippet) -> None:
        self.before, self.after = before, after
        self.reasons: dict[Reason, str] = {}
        self.first_byte: int | None = None
        self.renames: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.noted = False

    def verdict(self) -> Verdict:
        """Compare, and put the faults in the order of the enumeration."""
        if len(error_nodes(self.after.tree)) > len(error_nodes(self.before.tree)):
            self._fault(Reason.PARSE_ERROR, self._first_error(), "does not parse")
        pairs = self._pairs()
        for old, new in pairs:
            if old.text != new.text:
                self._token(old, new)
        self._consistency(pairs)
        if len(pairs) == len(self.before.tokens) == len(self.after.tokens):
            self._bindings(pairs)
            if not self.reasons and self._shapes_differ():
                self._fault(
                    Reason.TOKEN_CHANGE, pairs[0][1].start if pairs else 0, "layout changes the structure"
                )
        reasons = tuple(reason for reason in Reason if reason in self.reasons)
        notes = (Reason.FUNCTION_NAME,) if self.noted else ()
        line = None
        if self.first_byte is not None:
            line = self.after.tree.data.count(b"\n", 0, self.first_byte) + 1
        detail = "; ".join(self.reasons[reason] for reason in reasons)
        return Verdict(not reasons, reasons, notes, self.renames, line, detail)

    def _shapes_differ(self) -> bool:
        """Say whether the layout may have changed the meaning.

        Trees with errors in them depend on the lengths of names: then the layout itself must be the same.
        """
        if self.before.has_error or self.before.macros:
            return layout(self.before) != layout(self.after)
        return meaning(self.before) != meaning(self.after)

    def _fault(self, reason: Reason, byte: int, detail: str) -> None:
        self.reasons.setdefault(reason, detail)
        if self.first_byte is None or byte < self.first_byte:
            self.first_byte = byte

    def _first_error(self) -> int:
        tree = self.after.tree
        return next((tree.starts[n] for n, kind in enumerate(tree.kinds) if kind == "ERROR" and n), 0)

    def _pairs(self) -> list[tuple[Token, Token]]:
        """Pair the tokens of both programs; what has no partner is a token change."""
        old, new = self.before.tokens, self.after.tokens
        if len(old) == len(new):
            return list(zip(old, new, strict=True))
        if max(len(old), len(new)) > _ALIGNED_LIMIT:
            self._fault(Reason.TOKEN_CHANGE, 0, f"{len(old)} tokens became {len(new)}")
            return []
        pairs: list[tuple[Token, Token]] = []
        for tag, a, b, c, d in aligned(_token_texts(self.before), _token_texts(self.after)):
            pairs.extend(zip(old[a:b], new[c:d], strict=False))
            if tag in ("insert", "delete"):
                byte = new[c].start if c < len(new) else len(self.after.tree.data)
                self._fault(Reason.TOKEN_CHANGE, byte, f"{len(old)} tokens became {len(new)}")
        return pairs

    def _token(self, old: Token, new: Token) -> None:
        """Judge one token that changed."""
        language = self.before.definition
        if old.kind == "literal":
            same = new.kind == "literal"
            self._fault(
                Reason.LITERAL_CHANGED if same else Reason.TOKEN_CHANGE,
                new.start,
                f"{old.text!r} became {new.text!r}",
            )
        elif old.kind != "identifier":
            self._fault(Reason.TOKEN_CHANGE, new.start, f"{old.text!r} became {new.text!r}")
        elif language.is_reserved(new.text):
            self._fault(Reason.RESERVED_WORD, new.start, f"{new.text!r} is a reserved word")
        elif not language.is_legal(new.text) or new.text.startswith(language.unusable_prefixes):
            spelled = new.text.replace("_", "").isalnum()
            reason = Reason.ILLEGAL_NAME if spelled else Reason.TOKEN_CHANGE
            self._fault(reason, new.start, f"{old.text!r} became {new.text!r}")
        elif not self._is_ours(old):
            role = self.before.use(old).role
            why = self.before.identifiers[old.text].reason if role in RENAMEABLE_ROLES else ""
            detail = f"{old.text!r} is a {role}" + (f": {why}" if why else "")
            self._fault(REASON_OF_ROLE.get(role, Reason.UNDECLARED), new.start, detail)

    def _is_ours(self, token: Token) -> bool:
        """Say whether a token may change: a renameable local, or (noted) the function's own name."""
        before = self.before
        use = before.use(token)
        if token.text == before.function_name and token.node in before.resolution.function_leaves:
            self.noted = True
            return True
        return (
            use.binding != FREE and use.role in RENAMEABLE_ROLES and before.identifiers[token.text].renameable
        )

    def _consistency(self, pairs: list[tuple[Token, Token]]) -> None:
        """Check that the edit is one injective map over all occurrences of each local name."""
        noted, vetoes = self.noted, self.before.resolution.vetoes
        for old, new in pairs:
            if old.kind != "identifier" or not self._is_ours(old):
                continue
            if self.renames.setdefault(old.text, new.text) != new.text:
                self._fault(
                    Reason.INCONSISTENT,
                    new.start,
                    f"{old.text!r} became {self.renames[old.text]!r} and {new.text!r}",
                )
            if self.sources.setdefault(new.text, old.text) != old.text:
                self._fault(
                    Reason.NOT_INJECTIVE,
                    new.start,
                    f"{self.sources[new.text]!r} and {old.text!r} became {new.text!r}",
                )
            if new.text != old.text and new.text in vetoes:
                self._fault(Reason.CAPTURE, new.start, f"{new.text!r} is taken: {vetoes[new.text]}")
        self.noted = noted
        self.renames = {old: new for old, new in self.renames.items() if old != new}

    def _bindings(self, pairs: list[tuple[Token, Token]]) -> None:
        """Check that every name still belongs to the same declaration (alpha-equivalence)."""
        there: dict[int, int] = {}
        back: dict[int, int] = {}
        for old, new in pairs:
            if old.kind != "identifier" or new.kind != "identifier":
                continue
            a, b = self.before.use(old), self.after.use(new)
            if a.binding != FREE and b.binding == FREE:
                self._fault(Reason.INCONSISTENT, new.start, f"{new.text!r} is not declared any more")
            elif (a.binding == FREE) != (b.binding == FREE) or (
                a.binding != FREE
                and (
                    there.setdefault(a.binding, b.binding) != b.binding
                    or back.setdefault(b.binding, a.binding) != a.binding
                )
            ):
                self._fault(
                    Reason.CAPTURE, new.start, f"{new.text!r} (was {old.text!r}) means something else"
                )
        positions = {token.node: index for index, (_, token) in enumerate(pairs)}
        known = {token.node: index for index, (token, _) in enumerate(pairs)}
        clashes = {(known.get(x), known.get(y)) for x, y in self.before.resolution.clashes}
        tree = self.after.tree
        for first, second in sorted(self.after.resolution.clashes):
            if (positions.get(first), positions.get(second)) not in clashes:
                self._fault(Reason.CAPTURE, tree.starts[second], f"{tree.text(second)!r} is declared twice")


def aligned(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Return the edit script between two token lists: (tag, old start, old stop, new start, new stop)."""
    script = Levenshtein.opcodes(old, new)
    return [(op.tag, op.src_start, op.src_end, op.dest_start, op.dest_end) for op in script]
