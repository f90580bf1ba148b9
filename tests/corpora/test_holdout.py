"""Leaving one CWE out: by the corpus option of study files, and by ``--hold-out-cwe``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from durometer.cli import app
from durometer.corpora.base import Corpus
from durometer.corpora.holdout import hold_out_cwe
from durometer.corpora.spec import parse_spec
from durometer.errors import InputError
from durometer.study.config import StudyConfig
from durometer.types import Sample

CWES, OPTIONS = parse_spec("builtin-cwe"), {"pairs": 60, "seed": 1}


def test_the_weakness_is_in_the_test_split_and_nowhere_else() -> None:
    whole = CWES.read("vulnerability", OPTIONS)
    corpus = CWES.read("vulnerability", {**OPTIONS, "hold_out_cwe": "CWE-89"})
    assert {s.meta["cwe"] for s in corpus.splits["test"]} == {"89"}
    others = {s.meta["cwe"] for split in ("train", "valid") for s in corpus.splits[split]}
    assert "89" not in others
    assert len(others) >= 10
    assert sum(map(len, corpus.splits.values())) == sum(map(len, whole.splits.values()))
    assert "CWE-89" in corpus.notes["held_out"]
    chosen = parse_spec("builtin-cwe:pairs=60,seed=1,hold_out_cwe=89#test").read("vulnerability")
    assert list(chosen.splits) == ["test"]
    assert list(chosen.splits["test"]) == list(corpus.splits["test"])


@pytest.mark.parametrize("cwe", ["CWE-4711", "none"])
def test_an_unknown_weakness_is_refused_with_the_known_ones(cwe: str) -> None:
    with pytest.raises(InputError, match=r"the data has .*89"):
        CWES.read("vulnerability", {**OPTIONS, "hold_out_cwe": cwe})
    toy = Corpus("toy", "vulnerability", {"test": [Sample(id="1", code="x = 1", language="python", label=0)]})
    with pytest.raises(InputError, match="the data has none"):
        hold_out_cwe(toy, cwe)


def test_data_in_one_piece_and_the_verbs(tmp_path: Path) -> None:
    """A file of one split: what is not held out is what the floor and the training learn from."""
    whole = CWES.read("vulnerability", OPTIONS)
    (tmp_path / "all").mkdir()
    for split, samples in whole.splits.items():
        rows = [
            {"id": s.id, "code": s.code, "language": s.language, "label": s.label, **s.meta} for s in samples
        ]
        (tmp_path / "all" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data, out = f"jsonl:{tmp_path / 'all'}", tmp_path / "victim"

    def run(*words: object) -> str:
        outcome = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    held = ["--data", data, "--task", "vulnerability", "--hold-out-cwe", "CWE-89"]
    run(
        "train", *held, "--out", out, "--preset", "tiny", "--epochs", "1", "--threads", "1", "--device", "cpu"
    )
    numbers = json.loads(run("eval", "--victim", out, *held, "--json"))
    assert list(numbers["cwes"]) == ["89"]
    assert numbers["floor_auc"] is not None
    attacked = tmp_path / "attacked"
    run(
        "attack",
        "--victim",
        out,
        *held,
        "--out",
        attacked,
        "--attack",
        "wir_random",
        "--limit",
        "2",
        "--json",
    )
    assert json.loads((attacked / "campaign.json").read_text())["hold_out_cwe"] == "CWE-89"


def test_a_study_names_the_option_in_its_hash() -> None:
    text = (
        "tasks: [{{task: vulnerability, corpus: builtin-cwe, options: {{pairs: 60, seed: 1{}}}}}]\n"
        "victims: [tiny]\nattacks: [mhm]\n"
    )
    plain, held = (StudyConfig.parse(text.format(more)) for more in ("", ", hold_out_cwe: CWE-89"))
    assert plain.hash != held.hash
