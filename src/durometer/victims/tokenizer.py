"""A byte-level BPE of our own, trained on a corpus' training part: any text has ids, none is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from durometer.types import Sample

# RoBERTa's order: framing ids 0 and 2, padding 1.
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
Pieces = Literal["text", "words"]
HUMP = r"(?<=[a-z0-9])(?=[A-Z])"
WORD_OR_SIGN = r"[^\W_]+|[^\s\w]"


def snippets(samples: Iterable[Sample]) -> list[str]:
    """Return the distinct snippets of samples, partners included, in order of first appearance."""
    seen: dict[str, None] = {}
    for sample in samples:
        seen[sample.code] = None
        if sample.other is not None:
            seen[sample.other] = None
    return list(seen)


def train_tokenizer(texts: Iterable[str], *, vocabulary: int, pieces: Pieces = "text") -> Tokenizer:
    """Return a byte-level BPE of at most ``vocabulary`` entries; the same texts give the same tokenizer.

    ``pieces`` says what is merged: ``text`` keeps everything, spaces and case included. ``words`` reads
    lower-cased words and signs, identifiers taken apart at underscores and humps, so that ``getName`` and
    "get the name" share their ids: a summarizer can copy. Layout and case are invisible to it.

    The merges depend on the word counts only, ties are broken by id, so neither the order of texts nor the
    number of threads matters.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pieces == "words":
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Replace(Regex(HUMP), " "), normalizers.Lowercase()]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r"[\s_]+"), "removed"),
                pre_tokenizers.Split(Regex(WORD_OR_SIGN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
            ]
        )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_clean(texts), trainer)
    return tokenizer


def _clean(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield text.encode("utf-8", "replace").decode("utf-8")
