from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from durometer.corpora import natural_clones
from durometer.corpora.spec import CorpusSpec, parse_spec
from durometer.errors import InputError, MissingExtraError, RefusedError

MODULE = '''
def climb(steps):
    """Count."""
    first, second = 1, 1
    for _ in range(steps):
        first, second = second, first + second
    return first

def climb_recursive(steps):
    if steps < 2:
        return 1
    return climb_recursive(steps - 1) + climb_recursive(steps - 2) + 0 * steps
'''
COPY = """
# Copied from transformers.one.shift with A->B
def shift(values, amount):
    moved = [B(value) + amount for value in values]
    return [value for value in moved if value > amount]
"""


def test_variants_of_one_problem_lose_their_names(tmp_path: Path) -> None:
    (tmp_path / "climb.py").write_text(MODULE)
    ((first, second),) = natural_clones.variants(tmp_path)
    assert (first.name, second.name) == ("climb", "climb_recursive")
    assert "climb" not in first.source + second.source
    assert "solve(steps - 1)" in second.source


def test_declared_copies_are_paired_with_their_originals(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        COPY.replace("# Copied from transformers.one.shift with A->B", "#").replace("B(", "A(")
    )
    (tmp_path / "two.py").write_text(COPY)
    ((original, copy),) = natural_clones.copies(tmp_path)
    assert (original.path, copy.path) == ("one.py", "two.py")
    assert "A(value)" in original.source
    assert "B(value)" in copy.source


def test_author_made_pairs_are_a_test_set_with_a_floor() -> None:
    pytest.importorskip("algorithms")
    corpus = parse_spec("builtin-clones-algorithms").read("clone")
    assert list(corpus.splits) == ["test"]
    samples = corpus.splits["test"]
    assert len(samples) >= 100
    assert sum(s.label or 0 for s in samples) * 2 == len(samples)
    assert corpus.notes["source"].startswith("algorithms ")
    assert 0.5 < float(corpus.notes["floor_auc"].split()[0]) < 0.95


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(natural_clones, "distribution", absent)
    with pytest.raises(MissingExtraError, match="pip install algorithms"):
        natural_clones.clones_algorithms()


def test_built_in_names_take_options_and_a_split() -> None:
    spec = parse_spec("builtin-cwe:pairs=240,seed=3#test")
    assert spec == CorpusSpec("builtin-cwe", "", "test", {"pairs": 240, "seed": 3})
    assert str(spec) == "builtin-cwe:pairs=240,seed=3#test"
    assert parse_spec("builtin-cwe").options == {"pairs": 2000, "seed": 1}
    assert {k: len(v) for k, v in spec.read("vulnerability").splits.items()} == {"test": 120}
    with pytest.raises(InputError, match="task vulnerability, not clone"):
        spec.read("clone")
    with pytest.raises(
        InputError, match=r"no option 'size'\n  Options: pairs=2000, seed=1, languages=java\+c"
    ):
        parse_spec("builtin-cwe:size=3").read("vulnerability")
    with pytest.raises(InputError, match="'pairs' is no option"):
        parse_spec("builtin-cwe:pairs")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("builtin-cwe:pairs=many", "the option 'pairs': input should be a valid integer"),
        ("builtin-cwe:pairs=0", "the option 'pairs': input should be greater than 0"),
        ("builtin-clones:max_functions=-1", "the option 'max_functions': input should be greater than 0"),
        ("builtin-cwe:max_bigram_accuracy=low", "the option 'max_bigram_accuracy': input should be"),
        ("builtin-injected:source=hub", "the option 'source': input should be 'stdlib' or 'installed'"),
        ("builtin-cwe:languages=java+rust", r"unknown languages \['rust'\]"),
    ],
)
def test_options_are_checked_before_anything_is_made(spec: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_spec(spec).read("clone")


def test_several_languages_on_the_command_line() -> None:
    corpus = parse_spec("builtin-cwe:pairs=80,languages=java+c").read("vulnerability")
    assert {sample.language for samples in corpus.splits.values() for sample in samples} == {"java", "c"}


def test_hub_layout_is_read_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    for split, count in (("train", 6), ("validation", 2), ("test", 4)):
        rows = [{"text": f"int {split}{i};", "bad": i % 2, "who": "x"} for i in range(count)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"columns": {"code": "text", "label": "bad"}, "language": "c"}
    corpus = parse_spec(f"hub:{folder}").read("vulnerability", options)
    assert {k: len(v) for k, v in corpus.splits.items()} == {"train": 6, "valid": 2, "test": 4}
    assert corpus.splits["test"][1].label == 1
    assert corpus.splits["test"][1].meta == {"who": "x"}
    assert list(parse_spec(f"hub:{folder}#test").read("vulnerability", options).splits) == ["test"]
    with pytest.raises(InputError, match=r"#train:1: no field 'label'"):
        parse_spec(f"hub:{folder}").read("vulnerability", {"columns": {"code": "text"}, "language": "c"})


def test_hub_names_are_refused_unless_downloads_are_allowed() -> None:
    pytest.importorskip("datasets")
    with pytest.raises(RefusedError, match="--allow-download"):
        parse_spec("hub:nobody/no-such-set").read("vulnerability")
