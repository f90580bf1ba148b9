from __future__ import annotations

import ast
import itertools
import re
from collections import Counter

import pytest

from durometer.code import parse
from durometer.code.compilers import find_compiler
from durometer.corpora.base import Corpus
from durometer.corpora.builtin_cwe import CEILING, bigram_accuracy, builtin_cwe
from durometer.corpora.cwe_flows import FLOWS
from durometer.corpora.weaknesses import LANGUAGES, WEAKNESSES
from durometer.errors import InputError


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return builtin_cwe(pairs=360, seed=1)


def test_enough_weaknesses_and_flows() -> None:
    assert len({weakness.cwe for weakness in WEAKNESSES}) >= 12
    assert len(FLOWS) >= 8
    for weakness in WEAKNESSES:
        for patterns in (weakness.clean, weakness.guard, weakness.sink, weakness.harmless):
            assert set(patterns) == set(LANGUAGES)


def test_pairs_use_the_same_words_in_another_order(corpus: Corpus) -> None:
    """Both members have the same bag of words, and often the same bag of neighbours, on as many lines."""
    same_neighbours = 0
    for samples in corpus.splits.values():
        for first, second in zip(samples[::2], samples[1::2], strict=True):
            assert first.meta["pair"] == second.meta["pair"]
            assert {first.label, second.label} == {0, 1}
            assert first.code != second.code
            words = [re.findall(r"\w+|[^\w\s]", sample.code) for sample in (first, second)]
            if first.meta["cwe"] not in ("129", "190", "369"):  # their harmless uses have other signs
                assert Counter(words[0]) == Counter(words[1])
            assert len(first.code.splitlines()) == len(second.code.splitlines())
            neighbours = [Counter(itertools.pairwise(w)) for w in words]
            same_neighbours += neighbours[0] == neighbours[1]
    assert same_neighbours > 50


def test_every_flow_meets_held_out_weaknesses(corpus: Corpus) -> None:
    assert {s.meta["flow"] for s in corpus.splits["test"]} == set(FLOWS)
    assert {s.meta["cwe"] for s in corpus.splits["test"]} == {str(w.cwe) for w in WEAKNESSES}


def test_templates_are_held_out_and_labels_balanced(corpus: Corpus) -> None:
    groups = [{s.group for s in samples} for samples in corpus.splits.values()]
    assert sum(map(len, groups)) == len(set().union(*groups))
    for samples in corpus.splits.values():
        assert sum(s.label or 0 for s in samples) * 2 == len(samples)
        assert {s.language for s in samples} == set(LANGUAGES)
    firsts = [s.label for s in corpus.splits["train"][::2]]
    assert 0.3 < sum(int(label or 0) for label in firsts) / len(firsts) < 0.7


def test_a_bag_of_bigrams_does_not_tell(corpus: Corpus) -> None:
    assert bigram_accuracy(corpus.splits["train"], corpus.splits["test"]) <= CEILING
    with pytest.raises(InputError, match="bag of bigrams"):
        builtin_cwe(pairs=60, seed=1, max_bigram_accuracy=0.1)


def test_every_case_parses_and_has_names_to_rename(corpus: Corpus) -> None:
    for sample in corpus.splits["test"]:
        snippet = parse(sample.code, sample.language)
        assert not snippet.has_error, sample.code
        assert len(snippet.renameable) >= 2, sample.code


# What the cases use and somebody else declares, so that a compiler has nothing else to complain about.
C_AROUND = """struct input;
extern const char *allowed, *out, *engine, *document, *buffer;
extern int table[], seen[], total;
extern {} base;
"""
KINDS = {str(weakness.cwe): weakness.kind for weakness in WEAKNESSES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_compilers_accept_every_flow_and_every_weakness(corpus: Corpus, language: str) -> None:
    cases = [s for samples in corpus.splits.values() for s in samples if s.language == language]
    sampled = {(s.meta["flow"], s.label): s for s in cases} | {(s.meta["cwe"], s.label): s for s in cases}
    assert len(sampled) == 2 * (len(FLOWS) + len(WEAKNESSES))
    compiler = find_compiler(language)
    if compiler is None:
        pytest.skip(f"no compiler for {language} on this machine")
    try:
        for sample in sampled.values():
            base = "int" if KINDS[sample.meta["cwe"]] == "number" else "const char *"
            around = {"java": ("class Case {", "}"), "c": (C_AROUND.format(base), "")}
            before, after = around.get(language, ("", ""))
            faults = compiler.errors(before + sample.code + after)
            # Classes of a Java project, and functions that nobody declared in C, are elsewhere.
            elsewhere = ("cant.resolve", "implicit declaration")
            assert [f for f in faults if not any(w in f.message for w in elsewhere)] == [], sample.code
            if language == "python":
                ast.parse(sample.code)
    finally:
        compiler.close()


def test_pairs_call_the_same_functions(corpus: Corpus) -> None:
    for samples in corpus.splits.values():
        for first, second in zip(samples[::2], samples[1::2], strict=True):
            calls = [Counter(re.findall(r"[\w.]+(?=\()", sample.code)) for sample in (first, second)]
            assert calls[0] == calls[1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_templates_held_out_leave_a_bag_of_bigrams_little(seed: int) -> None:
    corpus = builtin_cwe(pairs=300, seed=seed)
    assert bigram_accuracy(corpus.splits["train"], corpus.splits["test"]) <= 0.65


def test_same_seed_same_cases(corpus: Corpus) -> None:
    assert builtin_cwe(pairs=360, seed=1).content_hash == corpus.content_hash
    with pytest.raises(InputError, match="Known: java, c, python"):
        builtin_cwe(pairs=10, seed=1, languages=("rust",))
