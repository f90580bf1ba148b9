from __future__ import annotations

import ast
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from durometer.corpora.base import Corpus
from durometer.corpora.builtin_summaries import builtin_summaries, stems, summary_of
from durometer.errors import InputError
from durometer.tasks.summarization import Summarization


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return builtin_summaries(seed=1, max_functions=700, test_samples=20)


def test_no_docstring_in_the_question_and_no_package_in_two_splits(corpus: Corpus) -> None:
    groups = []
    for samples in corpus.splits.values():
        assert samples
        groups.append({s.group for s in samples})
        for sample in samples:
            (node,) = ast.parse(sample.code).body
            assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            assert ast.get_docstring(node) is None
            assert sample.reference
            assert "\n" not in sample.reference
            assert sample.label is None
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert len(corpus.splits["test"]) == 20


def test_same_arguments_same_corpus(corpus: Corpus) -> None:
    again = builtin_summaries(seed=1, max_functions=700, test_samples=20)
    assert again.content_hash == corpus.content_hash


def test_both_learn_from_installed_packages_and_test_on_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"seed": 1, "documented": 300, "max_tokens": 64}
    stdlib = sysconfig.get_path("stdlib")
    alone = builtin_summaries(source="stdlib", **options)
    copied, own = tmp_path / "vendored", tmp_path / "own"
    for folder in (copied, own):
        folder.mkdir()
    for i, sample in enumerate(alone.splits["test"]):
        copy = sample.code.replace("\n", f'\n    """{sample.reference}."""\n    changed = {i}\n', 1)
        (copied / f"m{i}.py").write_text(copy.replace("async def", "def"))
    code = 'def add{0}(a, b):\n    """Return the sum of {0} numbers."""\n    c = a + b{1}\n    return c\n'
    (own / "sums.py").write_text("\n".join(code.format(i, " + 1" * i) for i in range(8)))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path) if name == "purelib" else stdlib)
    both = builtin_summaries(source="both", **options)
    assert both.splits["test"] == alone.splits["test"]
    assert both.splits["valid"] == alone.splits["valid"]
    assert [s.group for s in both.splits["train"][len(alone.splits["train"]) :]] == ["own"] * 8


def test_copying_the_nearest_summary_is_a_weak_floor(corpus: Corpus) -> None:
    floor = Summarization().floor(corpus.splits["train"], corpus.splits["test"])
    assert 0.0 < floor["bleu"] < 0.4


@pytest.mark.parametrize(
    ("docstring", "summary"),
    [
        ("Return the value.\n\nMore here.", "Return the value"),
        ("Open a file, e.g. a log,\n    and read it. Then close.", "Open a file, e.g. a log, and read it"),
        ("Return 1.5 times the given value", "Return 1.5 times the given value"),
        ("x -> y of this function", ""),
        (">>> f(1) is a test", ""),
        ("Too short", ""),
        ("", ""),
    ],
)
def test_first_sentence(docstring: str, summary: str) -> None:
    assert summary_of(docstring) == summary


def test_named_keeps_what_can_be_told_from_the_name() -> None:
    assert stems("getFileNames") & stems("Return the names of it")
    assert not stems("get_it") & stems("Return the set of names, and get it")
    corpus = builtin_summaries(seed=1, documented=300, max_tokens=64, named=True)
    for samples in corpus.splits.values():
        assert all(stems(s.meta["function"]) & stems(s.reference or "") for s in samples)
    assert any("name" in note for note in corpus.notes.values())


def test_errors_say_what_to_do() -> None:
    with pytest.raises(InputError, match="Known: stdlib, installed"):
        builtin_summaries(seed=1, source="web")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Raise max_functions"):
        builtin_summaries(seed=1, max_functions=10)
