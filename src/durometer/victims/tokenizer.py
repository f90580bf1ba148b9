"""A byte-level BPE of our own, trained on a corpus' training part: any text has ids, none is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from durometer.types import Sample

# RoBERTa's order: framing ids 0 and 2, padding 1.
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def snippets(samples: Iterable[Sample]) -> list[str]:
    """Return the distinct snippets of samples, partners included, in order of first appearance."""
    seen: dict[str, None] = {}
    for sample in samples:
        seen[sample.code] = None
        if sample.other is not None:
            seen[sample.other] = None
    return list(seen)


def train_tokenizer(texts: Iterable[str], *, vocabulary: int) -> Tokenizer:
    """Return a byte-level BPE of at most ``vocabulary`` entries; the same texts give the same tokenizer.

    The merges depend on the word counts only, ties are broken by id, so neither the order of texts nor the
    number of threads matters.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
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
