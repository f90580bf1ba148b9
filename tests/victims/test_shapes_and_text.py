"""Canonical shapes cover every row once; text is framed, truncated and remembered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durometer.errors import VictimError
from durometer.victims.shapes import Shapes
from durometer.victims.text import DRIFT_PROBE, Framing, Memory, TextEncoder
from durometer.victims.tokenizer import SPECIAL_TOKENS, train_tokenizer

TEXTS = [f"def f{i}(a, b):\n    return a + b * {i}\n" for i in range(40)]


@given(st.lists(st.integers(1, 90), max_size=30), st.integers(1, 8), st.integers(1, 32))
def test_batches_cover_each_row_once_in_a_shape_of_its_own_length(
    lengths: list[int], rows: int, bucket: int
) -> None:
    seen: list[int] = []
    for padded, indices in Shapes(rows, bucket).batches(lengths, 64):
        assert 1 <= len(indices) <= rows
        for index in indices:
            assert padded == Shapes(rows, bucket).padded(lengths[index], 64) >= lengths[index]
        seen += indices
    assert sorted(seen) == list(range(len(lengths)))


def test_framing_truncates_the_text_not_the_frame() -> None:
    text = TextEncoder(train_tokenizer(TEXTS, vocabulary=300), Framing(max_length=8))
    ids = text(TEXTS[0])
    assert len(ids) == 8
    assert (ids[0], ids[-1]) == (0, 2)
    assert text.truncated(TEXTS[0])
    assert not text.truncated("a")


def test_normalisation_is_optional() -> None:
    tokenizer = train_tokenizer(TEXTS, vocabulary=300)
    plain = TextEncoder(tokenizer, Framing())
    folded = TextEncoder(tokenizer, Framing(collapse_whitespace=True, lower_case=True))
    assert plain("A  \n b") != plain("a b")
    assert folded("A  \n b") == folded("a b") == plain("a b")


@given(st.text())
def test_any_text_has_ids_without_special_tokens(text: str) -> None:
    tokenizer = train_tokenizer(TEXTS, vocabulary=300)
    ids = TextEncoder(tokenizer, Framing(max_length=10_000))(text)
    assert all(i >= len(SPECIAL_TOKENS) for i in ids[1:-1])


def test_special_tokens_in_program_text_stay_text_after_a_round_trip() -> None:
    from tokenizers import Tokenizer

    tokenizer = train_tokenizer(TEXTS, vocabulary=300)
    loaded = TextEncoder(Tokenizer.from_str(tokenizer.to_str()), Framing())
    assert loaded("<s> <mask>") == TextEncoder(tokenizer, Framing())("<s> <mask>")


def test_tokenizer_is_deterministic_whatever_the_order() -> None:
    once = train_tokenizer(TEXTS, vocabulary=320).to_str()
    assert train_tokenizer(TEXTS, vocabulary=320).to_str() == once


def test_drift_names_the_first_difference() -> None:
    text = TextEncoder(train_tokenizer(TEXTS, vocabulary=300), Framing())
    saved = text(DRIFT_PROBE)
    text.check_drift(saved, where="x")
    with pytest.raises(VictimError, match="from id 3 on"):
        text.check_drift((*saved[:3], 299, *saved[4:]), where="x")


def test_memory_drops_the_least_recently_used() -> None:
    memory: Memory[int] = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert (memory.get("a"), memory.get("b"), memory.get("c")) == (1, None, 3)


def test_words_are_the_same_ids_in_names_and_in_sentences() -> None:
    texts = [f"def getFileName{i}(a_b): return {i}  # Get the file's name" for i in range(40)]
    text = TextEncoder(train_tokenizer(texts, vocabulary=400, pieces="words"), Framing(max_length=64))
    assert text("getFileName") == text("get_file_name") == text("Get  file\n name")
    assert text("get the file name")[1] == text("getFileName")[1]
    assert text.tokenizer.decode(list(text("setHTTPName(é)"))) == " set httpname ( é )"


def test_what_a_window_of_words_leaves_is_counted_in_bytes_of_the_program() -> None:
    tokenizer = train_tokenizer(["read file ( x y z )"] * 9, vocabulary=400, pieces="words")
    text = TextEncoder(tokenizer, Framing(max_length=5))
    assert text.visible_bytes("readFile( x )") == len("readFile( ")  # space costs nothing
    assert text("readFile( x )") == text("readFile( y )") != text("readFile.")
