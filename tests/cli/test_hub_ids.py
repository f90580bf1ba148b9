"""Models by hub id: named without the network, looked up in the cache, fetched only where that is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from durometer.cli import app
from durometer.errors import InputError
from durometer.study.config import MachineOptions, StudyConfig
from durometer.study.options import machine_options, on_a_device
from durometer.study.plan import plan_study

STUDY = """
tasks: [{task: vulnerability, corpus: builtin-cwe, options: {pairs: 60, seed: 1}}]
victims: [{name: codebert, card: "microsoft/codebert-base@3b0952f"}]
attacks: [mhm]
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand for the hub: note what is asked and have nothing."""
    requests: list[dict[str, Any]] = []

    def snapshot(name: str, **options: Any) -> str:
        requests.append({"name": name, **options})
        raise OSError("nothing there")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    return requests


def verbs(folder: Path) -> dict[str, list[str]]:
    (folder / "study.yaml").write_text(STUDY)
    rows = [
        {"id": str(i), "code": f"int f(int a) {{ return a + {i}; }}", "label": i % 2, "language": "c"}
        for i in range(8)
    ]
    for split in ("train", "valid", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data, out = ["--data", f"jsonl:{folder}"], ["--out", str(folder / "out")]
    victim = ["--victim", "microsoft/codebert-base@3b0952f"]
    return {
        "eval": ["eval", *victim, *data],
        "attack": ["attack", *victim, *data, *out, "--task", "vulnerability", "--attack", "mhm"],
        "train": ["train", *data, *out, "--task", "vulnerability", "--checkpoint", victim[1]],
        "run": ["run", str(folder / "study.yaml"), *out, "--backend", "in-process"],
    }


@pytest.mark.parametrize("verb", ["eval", "attack", "train", "run"])
@pytest.mark.parametrize("allowed", [True, False])
def test_every_verb_asks_the_hub_where_the_user_says_so(
    verb: str, allowed: bool, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    more = ["--allow-download"] if allowed else []
    outcome = CliRunner().invoke(app, [*verbs(tmp_path)[verb], *more])
    assert outcome.exit_code == 2
    assert (asked[0]["name"], asked[0]["revision"]) == ("microsoft/codebert-base", "3b0952f")
    assert all(request["local_files_only"] is not allowed for request in asked)
    message = "cannot be downloaded" if allowed else "--allow-download"
    assert message in outcome.output + outcome.stderr


def test_a_plan_needs_no_network(asked: list[dict[str, Any]]) -> None:
    config = StudyConfig.parse(
        STUDY.replace("corpus: builtin-cwe, options: {pairs: 60, seed: 1}", "corpus: 'hub:owner/data'")
    )
    plans = [plan_study(config, allow_download=allowed) for allowed in (False, True)]
    assert [list(plan.nodes) for plan in plans[:1]] == [list(plan.nodes) for plan in plans[1:]]
    other = plan_study(StudyConfig.parse(STUDY.replace("3b0952f", "main")))
    assert other.of_kind("victim")[0].name != plans[0].of_kind("victim")[0].name
    assert not asked


@pytest.mark.parametrize("verb", ["eval", "attack", "train", "run"])
def test_a_device_is_checked_before_work_and_auto_is_one(
    verb: str, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    outcome = CliRunner().invoke(app, [*verbs(tmp_path)[verb], "--device", "gpu"])
    assert outcome.exit_code == 2
    assert "--device gpu" in outcome.output + outcome.stderr
    assert not asked
    CliRunner().invoke(app, [*verbs(tmp_path)[verb], "--device", "auto"])
    assert asked


def test_the_device_of_a_cluster_is_not_guessed() -> None:
    asked = MachineOptions(backend="ray", device="cuda")
    assert on_a_device(asked) == asked  # whatever this machine has
    with pytest.raises(InputError, match="say cpu or cuda"):
        on_a_device(machine_options(asked, device="auto"))
