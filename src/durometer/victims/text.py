"""From program text to the ids that a model reads: normalisation, truncation, framing, memory.

Framing is data, not code: published checkpoints differ in special tokens, lengths and case, and a wrong
frame costs accuracy without an error. Tokenizers are used as ``tokenizers.Tokenizer`` objects, because the
transformers 5 wrapper classes silently change the output of a custom ``tokenizer.json``.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from durometer.errors import VictimError

V = TypeVar("V")

DRIFT_PROBE = "def read(path, n=10):\n    with open(path) as f:\n        return [int(x) for x in f][:n]\n"


class Framing(BaseModel):
    """How a snippet becomes ids. ``max_length`` counts the framing ids too.

    ``between``: a pair is one row, these ids between its halves (a cross-encoder; RoBERTa's are ``[2, 2]``);
    None: each half is a row of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: tuple[int, ...] = (0,)
    end: tuple[int, ...] = (2,)
    pad: int = 1
    max_length: int = Field(default=400, ge=4)
    between: tuple[int, ...] | None = None
    collapse_whitespace: bool = False  # " ".join(code.split())
    lower_case: bool = False
    special_tokens: bool = False  # whether "<s>" in program text becomes the framing id


class Memory(Generic[V]):
    """A least-recently-used dictionary of at most ``capacity`` entries."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        """Return the entry and mark it as used, or None."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: Hashable, value: V) -> None:
        """Store the entry; the oldest one goes when there is no room."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


class TextEncoder:
    """Tokenises and frames snippets; remembers the last ones (the fixed half of a pair above all)."""

    def __init__(self, tokenizer: Tokenizer, framing: Framing, *, capacity: int = 4096) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = not framing.special_tokens
        self.tokenizer = tokenizer
        self.framing = framing
        self.seconds = 0.0  # spent tokenising, for the oracle's books
        self._memory: Memory[tuple[int, ...]] = Memory(capacity)

    def __call__(self, code: str) -> tuple[int, ...]:
        """Return the framed ids of one snippet, at most ``framing.max_length`` of them."""
        return self._remembered(code, lambda: self.frame(self.ids(code)))

    def joined(self, code: str, other: str) -> tuple[int, ...]:
        """Return the ids of a pair as one row, at most ``framing.max_length`` of them.

        The longer half is cut first, as transformers' ``longest_first`` does: what one half does not need of
        its share goes to the other.
        """
        frame = self.framing

        def framed() -> tuple[int, ...]:
            first, second = self.ids(code), self.ids(other)
            left, right = self.shares(len(first), len(second))
            return (*frame.begin, *first[:left], *(frame.between or ()), *second[:right], *frame.end)

        return self._remembered((code, other), framed)

    def _remembered(self, key: Hashable, encode: Callable[[], tuple[int, ...]]) -> tuple[int, ...]:
        known = self._memory.get(key)
        if known is None:
            start = time.perf_counter()
            known = encode()
            self.seconds += time.perf_counter() - start
            self._memory.put(key, known)
        return known

    def ids(self, code: str) -> list[int]:
        """Return the ids of a snippet, neither cut nor framed."""
        ids: list[int] = self.tokenizer.encode(self.normalize(code), add_special_tokens=False).ids
        return ids

    def shares(self, first: int, second: int | None = None) -> tuple[int, int]:
        """Return how many ids the window has for a snippet of ``first`` ids and a partner of ``second``."""
        frame = self.framing
        room = frame.max_length - len(frame.begin) - len(frame.end)
        if second is None or frame.between is None:
            return room, room
        room -= len(frame.between)
        half = room // 2
        left = min(first, max(half, room - second))
        return left, room - left

    def room(self, code: str, other: str | None = None) -> int:
        """Return how many leading ids of ``code`` the window has room for."""
        if other is None or self.framing.between is None:
            return self.shares(0)[0]
        return self.shares(len(self.ids(code)), len(self.ids(other)))[0]

    def normalize(self, code: str) -> str:
        """Return the text as the tokenizer should see it; lone surrogates become ``?``."""
        text = code.encode("utf-8", "replace").decode("utf-8")
        if self.framing.collapse_whitespace:
            text = " ".join(text.split())
        return text.lower() if self.framing.lower_case else text

    def frame(self, ids: list[int]) -> tuple[int, ...]:
        """Truncate to the window and add the framing ids."""
        return (*self.framing.begin, *ids[: self.shares(0)[0]], *self.framing.end)

    def truncated(self, code: str, other: str | None = None) -> bool:
        """Whether the window cuts this snippet: edits beyond the cut change nothing."""
        return len(self.ids(code)) > self.room(code, other)

    def visible_bytes(self, code: str, other: str | None = None) -> int:
        """Return how many leading UTF-8 bytes of ``code`` the window leaves: edits beyond change nothing."""
        text, room = self.normalize(code), self.room(code, other)
        offsets = self.tokenizer.encode(text, add_special_tokens=False).offsets
        if len(offsets) <= room:
            return len(code.encode("utf-8", "surrogatepass"))
        inked = sum(not character.isspace() for character in text[: offsets[room - 1][1]])
        for position, character in enumerate(code):
            if not character.isspace():
                inked -= 1
            if inked < 0:
                return len(code[:position].encode("utf-8", "surrogatepass"))
        return len(code.encode("utf-8", "surrogatepass"))

    def forget(self) -> None:
        """Empty the memory (before timing)."""
        self._memory.clear()

    def check_drift(self, expected: tuple[int, ...], *, where: str) -> None:
        """Compare the ids of a fixed probe with those saved beside the weights.

        Raises:
            VictimError: the tokenizer no longer produces the ids that the model was trained on.

        """
        actual = self(DRIFT_PROBE)
        if actual != expected:
            both = enumerate(zip(actual, expected, strict=False))
            first = next((i for i, (a, b) in both if a != b), min(len(actual), len(expected)))
            raise VictimError(
                f"the tokenizer gives other ids than when the model was saved (from id {first} on)",
                where=where,
                hint="Restore the tokenizer.json that was saved with these weights.",
            )
