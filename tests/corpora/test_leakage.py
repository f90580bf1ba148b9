from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from durometer.corpora.leakage import Leakage, jaccard, leakage, near_duplicates, shingles
from durometer.types import Sample

LONG = "def total(rows):\n    result = 0\n" + "".join(f"    result += rows[{i}]\n" for i in range(40))


def sample(code: str, other: str | None = None) -> Sample:
    return Sample("x", code, "python", 0, other)


def test_exact_and_near_duplicates_are_counted_apart() -> None:
    edited = LONG.replace("rows[20]", "rows[99]")
    splits = {"train": [sample(LONG)], "test": [sample(LONG + "\n\n"), sample(edited), sample("x = 1")]}
    assert leakage(splits) == Leakage(test=3, exact=1, near=1)
    assert next(iter(leakage(splits).notes().values())) == "1 of 3"


def test_partners_of_pairs_count_and_a_clean_corpus_has_no_note() -> None:
    splits = {"train": [sample("a = 1", LONG)], "test": [sample("b = 2", LONG)]}
    assert leakage(splits) == Leakage(test=2, exact=1, near=0)
    assert leakage({"train": [sample("a = 1")], "test": [sample("b = 2")]}).notes() == {}
    assert leakage({"test": [sample("a")]}) == Leakage(1, 0, 0)


@given(st.lists(st.text("ab (", max_size=30), max_size=6), st.lists(st.text("ab (", max_size=30), max_size=6))
def test_what_is_reported_is_similar_and_equals_are_found(texts: list[str], others: list[str]) -> None:
    sets = [shingles(other) for other in others]
    for text, found in zip(texts, near_duplicates(texts, others), strict=True):
        best = max((jaccard(shingles(text), other) for other in sets), default=0.0)
        assert not found or best >= 0.8
        assert found or best < 1.0


def test_shingles_do_not_depend_on_layout_or_order_of_the_set() -> None:
    assert shingles("a  b\nc").tolist() == shingles("a b c").tolist()
    assert len(shingles("")) == 0
    assert len(shingles("a b c d e f")) == 2
