from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

import pytest

import durometer.corpora.builtin_injected as builtin_injected_module
from durometer.code import parse
from durometer.corpora.base import Corpus
from durometer.corpora.builtin_cwe import CEILING, bigram_accuracy
from durometer.corpora.builtin_injected import builtin_injected, guards
from durometer.corpora.functions import FunctionNode
from durometer.errors import InputError
from durometer.study.config import TaskConfig
from durometer.types import Sample


@pytest.fixture(scope="module", autouse=True)
def harvested_once() -> Iterator[None]:
    """Read the library's files once: that the harvest repeats is the clone corpus's test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtin_injected_module, "harvest", cache(builtin_injected_module.harvest))
        yield


@pytest.fixture(scope="module")
def corpus(harvested_once: None) -> Corpus:
    return builtin_injected(seed=1, max_functions=900)


def pairs(corpus: Corpus) -> Iterator[tuple[Sample, Sample]]:
    """Yield (safe, injected) of every pair."""
    for samples in corpus.splits.values():
        for first, second in zip(samples[::2], samples[1::2], strict=True):
            yield (second, first) if first.label else (first, second)


def found(source: str) -> list[str]:
    (function,) = ast.parse(source).body
    assert isinstance(function, FunctionNode)
    return [ast.unparse(block[place]).partition("\n")[0] for block, place in guards(function)]


@pytest.mark.parametrize(
    "check",
    [
        "if not isinstance(rows, list):\n        raise TypeError",
        "if rows is None:\n        return None",
        "if not rows:\n        return",
        "if len(rows) > 9:\n        raise ValueError('long')",
        "if rows == []:\n        raise ValueError",
        "if rows < 0:\n        return -1",
    ],
)
@pytest.mark.parametrize(
    "use",
    ["rows.sort()", "x = rows[0]", "x = 1 + rows", "f(rows)", "for x in rows: pass", "x = [y for y in rows]"],
)
def test_a_check_before_a_use_that_it_protects_is_a_guard(check: str, use: str) -> None:
    assert found(f"def f(rows):\n    {check}\n    {use}\n") == [check.partition("\n")[0]]


@pytest.mark.parametrize(
    "body",
    [
        "if rows is None:\n        return None",  # nothing comes after it
        "if rows is None:\n        return None\n    x = 1",  # nothing that it protects
        "if rows is None:\n        return None\n    rows = []\n    rows.sort()",  # another value
        "if rows is None:\n        rows = []\n    rows.sort()",  # mends, does not leave
        "if rows is None:\n        return None\n    else:\n        x = 1\n    rows.sort()",
        "if rows is None:\n        return g(rows)\n    rows.sort()",  # does the work another way
        "if rows == 0:\n        return 1\n    f(rows)",  # a case
        "if self.rows is None:\n        return None\n    self.rows.sort()",  # somebody else's field
        "if (x := f(rows)):\n        return None\n    x.sort()",  # binds a name
    ],
)
def test_what_is_no_guard(body: str) -> None:
    assert found(f"def f(self, rows):\n    {body}\n") == []


def test_guards_in_nested_blocks_are_found() -> None:
    loop = "def f(rows):\n    for row in rows:\n        if row is None:\n            raise KeyError\n"
    assert found(f"{loop}        row.go()\n") == ["if row is None:"]


def test_a_pair_differs_in_one_guard_and_nothing_else(corpus: Corpus) -> None:
    for safe, injected in pairs(corpus):
        assert safe.meta["pair"] == injected.meta["pair"]
        assert (safe.label, injected.label) == (0, 1)
        guard = injected.meta["injected"]
        missing = [line.strip() for line in safe.code.splitlines()]
        for line in injected.code.splitlines():
            missing.remove(line.strip())
        assert sorted(missing) == sorted(line.strip() for line in guard.splitlines())


def test_every_function_parses_and_has_names_to_rename(corpus: Corpus) -> None:
    snippets = [parse(sample.code, "python") for sample in corpus.splits["test"]]
    assert not any(snippet.has_error for snippet in snippets)
    # Not quite all: a local called ``globals`` may be the built-in function, so nothing is renamed there.
    assert sum(bool(snippet.renameable) for snippet in snippets) >= 0.9 * len(snippets)


def test_modules_are_held_out_and_the_order_tells_nothing(corpus: Corpus) -> None:
    groups = [{s.group for s in samples} for samples in corpus.splits.values()]
    assert sum(map(len, groups)) == len(set().union(*groups))
    firsts = [s.label for s in corpus.splits["train"][::2]]
    assert 0.3 < sum(int(label or 0) for label in firsts) / len(firsts) < 0.7


def test_shortcuts_are_measured_and_told(corpus: Corpus) -> None:
    floor = bigram_accuracy(corpus.splits["train"], corpus.splits["test"])
    assert floor <= CEILING
    assert corpus.notes["floor_accuracy"].startswith(f"{floor:.3f} ")
    assert float(corpus.notes["floor_length_auc"].split()[0]) <= 0.65
    with pytest.raises(InputError, match="bag of bigrams reaches"):
        builtin_injected(seed=1, max_functions=900, max_bigram_accuracy=0.1)


def test_it_is_called_injected_everywhere(corpus: Corpus) -> None:
    assert corpus.name == "builtin-injected"
    assert "nobody found these flaws" in corpus.notes["injected"]
    assert all("injected" in s.id for samples in corpus.splits.values() for s in samples)
    assert TaskConfig(task="vulnerability", corpus="builtin-injected").label == "vulnerability injected"
    named = TaskConfig(task="vulnerability", corpus="builtin-injected", name="injected stdlib")
    assert named.label == "vulnerability injected stdlib"
    assert TaskConfig(task="vulnerability", corpus="devign:injected.jsonl").label == "vulnerability"


def test_same_arguments_same_pairs(corpus: Corpus) -> None:
    assert builtin_injected(seed=1, max_functions=900).content_hash == corpus.content_hash
    few = builtin_injected(seed=1, max_functions=900, pairs=80)
    assert sum(map(len, few.splits.values())) == 160
    with pytest.raises(InputError, match="Known: stdlib, installed"):
        builtin_injected(seed=1, source="hub")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Raise pairs or max_functions"):
        builtin_injected(seed=1, max_functions=900, pairs=20)
