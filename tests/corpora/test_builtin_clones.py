from __future__ import annotations

import ast

import numpy as np
import pytest

from durometer.corpora.base import Corpus
from durometer.corpora.builtin_clones import FLOOR, Mix, builtin_clones, check_floor, split_by_group
from durometer.corpora.functions import Function, harvest, read_function, source_tree
from durometer.errors import InputError
from durometer.tasks.clone import CloneDetection


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return builtin_clones(pairs=320, seed=5, max_functions=400)


def test_sizes_balance_and_ids(corpus: Corpus) -> None:
    assert {name: len(samples) for name, samples in corpus.splits.items()} == {
        "train": 320,
        "valid": 40,
        "test": 80,
    }
    for samples in corpus.splits.values():
        assert sum(s.label or 0 for s in samples) == len(samples) // 2
        assert len({s.id for s in samples}) == len(samples)


def test_every_snippet_is_one_bare_normalised_function_without_docstring(corpus: Corpus) -> None:
    for samples in corpus.splits.values():
        for sample in samples:
            for text in (sample.code, sample.other or ""):
                tree = ast.parse(text)
                (node,) = tree.body
                assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                assert ast.get_docstring(node) is None
                assert not node.decorator_list
                assert ast.unparse(tree) == text
            assert sample.code != sample.other


def test_no_module_in_two_splits_and_no_pair_across(corpus: Corpus) -> None:
    groups = [{s.group for s in samples} for samples in corpus.splits.values()]
    assert sum(map(len, groups)) == len(set().union(*groups))
    snippets = [{s.code for s in samples} for samples in corpus.splits.values()]
    assert sum(map(len, snippets)) == len(set().union(*snippets))


def test_attacked_snippets_of_the_test_split_are_distinct_and_have_names(corpus: Corpus) -> None:
    test = corpus.splits["test"]
    assert len({s.snippet_id for s in test}) == len(test)
    for sample in test:
        function = read_function(ast.parse(sample.code).body[0], "", "")
        assert function is not None
        assert len(function.names) >= 2


def test_same_arguments_same_corpus_other_seed_other_corpus(corpus: Corpus) -> None:
    assert builtin_clones(pairs=320, seed=5, max_functions=400).content_hash == corpus.content_hash
    assert builtin_clones(pairs=320, seed=6, max_functions=400).content_hash != corpus.content_hash


def test_notes_name_interpreter_content_and_floor(corpus: Corpus) -> None:
    assert "python" in corpus.notes["source"]
    assert "content" in corpus.notes["functions"]
    low, high = FLOOR
    assert low <= float(corpus.notes["floor_auc"].split("test, ")[1].split()[0]) <= high


def test_second_snippet_alone_does_not_tell_the_label(corpus: Corpus) -> None:
    """Whoever sees only the copy must guess: copies of both classes are made in one way."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = corpus.splits["train"], corpus.splits["test"]
    vectorizer = TfidfVectorizer(token_pattern=r"\S+").fit([s.other or "" for s in train])
    model = LogisticRegression().fit(
        vectorizer.transform([s.other or "" for s in train]), [s.label for s in train]
    )
    accuracy = model.score(vectorizer.transform([s.other or "" for s in test]), [s.label for s in test])
    assert accuracy < 0.65


def test_some_clones_keep_their_names_and_some_do_not(corpus: Corpus) -> None:
    """Renaming every copy would train robustness in; renaming none would make a toy."""
    kept = []
    for sample in corpus.splits["train"]:
        if sample.label == 1:
            function = read_function(ast.parse(sample.code).body[0], "", "")
            assert function is not None
            words = set(sample.other.replace("(", " ").replace(")", " ").replace(",", " ").split())  # type: ignore[union-attr]
            kept.append(np.mean([name in words for name in function.names]))
    assert 0.15 < np.mean(np.array(kept) > 0.6) < 0.6
    assert np.mean(np.array(kept) < 0.2) > 0.3


def test_a_toy_is_refused() -> None:
    with pytest.raises(InputError, match=r"AUC 0\.999"):
        check_floor({"all splits": 0.999})
    with pytest.raises(InputError, match="bag of words"):
        builtin_clones(
            pairs=200, seed=1, max_functions=300, mix=Mix(renamed=0.0, borrowed=0.0, half_renamed=0.0)
        )


def test_too_few_functions_are_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match="functions for the"):
        builtin_clones(pairs=10, seed=1, max_functions=30)


def test_split_by_group_keeps_groups_whole() -> None:
    functions = [
        Function(f"def f{i}(): pass", f"f{i}", f"g{i % 17}.py", f"g{i % 17}", (), ()) for i in range(200)
    ]
    divided = split_by_group(functions, 3)
    assert sum(map(len, divided.values())) == 200
    assert len(divided["train"]) > len(divided["test"]) > len(divided["valid"]) > 0


@pytest.mark.slow
def test_the_whole_library_gives_enough_and_a_floor_in_range() -> None:
    assert len(harvest(source_tree("stdlib"))) > 4000
    corpus = builtin_clones(pairs=1500, seed=1)
    floor = CloneDetection().floor(corpus.splits["train"], corpus.splits["test"])
    assert 0.60 <= floor["auc"] <= 0.82
    assert floor["accuracy"] < 0.80
