"""The published study as a preset: complete, planned without its data, run whole in miniature."""

import pytest
import tiny_models
import toy_runs

from durometer.errors import RefusedError
from durometer.study.config import StudyConfig
from durometer.study.plan import plan_study
from durometer.study.presets import preset
from durometer.study.store import load_run

OWN = """\
tasks: [{task: vulnerability, corpus: "devign:data/devign"}]
victims: [{name: encoder, preset: tiny, training: {pretrain_epochs: 1, epochs: 1, batch: 8}}]
attacks:
  - {kind: alert, candidates_per_identifier: 3, genetic: false}
  - {kind: beam, candidates_per_identifier: 3}
  - {kind: whitebox, queries_per_round: 3}
candidates: {victim: encoder}
rename_function_name: true
limits: {samples: 4, max_queries: 40}
"""


def test_the_paper_expands_to_its_cells_and_plans_without_its_data():
    plan = plan_study(StudyConfig.from_source(preset("paper")), allow_missing=True)
    assert len(plan.cells) == 3 * 4 * 4 * 4  # models × data sets × (original and three variants) × attacks
    kinds = [node.kind for node in plan.nodes.values()]
    assert [kinds.count(kind) for kind in ("corpus", "victim", "variant")] == [4, 12, 36]
    assert {cell.cell.task for cell in plan.cells} == {
        "clone",
        "vulnerability OWASP",
        "vulnerability Devign",
        "summarization",
    }
    tuned = [victim.config["training"] for victim in plan.of_kind("victim")]
    recipes = [(2, 5e-5, 16), (5, 2e-5, 32), (5, 2e-5, 32), (10, 5e-5, 32)]  # of CodeXGLUE
    for index, training in enumerate(tuned):
        chosen = (training["epochs"], training["learning_rate"], training.get("batch", 32))
        assert chosen == recipes[index // 3]  # a batch of 32 is the default, and in no name
    assert all(cell.config["rename_function_name"] for cell in plan.cells)
    missing = " ".join(plan.missing)
    for place in ("data/devign", "data/owasp", "models/plbart-base", "models/codebert-base-mlm"):
        assert place in missing


def test_the_plan_says_what_is_missing_and_how_to_get_it(tmp_path):
    study = tmp_path / "paper.yaml"
    toy_runs.call("init", study, "--preset", "paper")
    code, out, err = toy_runs.call("run", study, "--dry-run", "--out", tmp_path / "run")
    assert code == 0, err
    assert "not there yet" in out
    assert "data/devign" in out
    assert "192" in out
    assert "ESTIMATED" in out  # as for base models, while the checkpoints are not there
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_miniature_of_the_paper_runs_whole(tmp_path):
    study = tiny_models.miniature(tmp_path, preset("paper"))
    code, _, err = toy_runs.call("run", study, "--out", tmp_path / "run", timeout=300)
    assert code == 0, err
    view = load_run(tmp_path / "run")
    assert view.complete
    assert view.outcomes.select("task", "victim", "variant", "attack").n_unique() == 160
    assert len(view.variants) == 40
    assert set(view.outcomes["status"]) <= {"success", "failure", "budget", "skipped"}


@pytest.mark.slow
def test_names_from_the_studys_own_encoder_and_a_white_box(tmp_path):
    tiny_models.write_data(tmp_path / "data")
    study = tmp_path / "own.yaml"
    study.write_text(OWN)
    code, _, err = toy_runs.call("run", study, "--out", tmp_path / "run", timeout=300)
    assert code == 0, err
    view = load_run(tmp_path / "run")
    assert set(view.outcomes["attack"]) == {"alert", "beam", "whitebox"}
    assert "error" not in set(view.outcomes["status"])
    assert list((tmp_path / "run" / "candidates").iterdir())  # proposed once, kept for every cell
    study.write_text(OWN.replace("victim: encoder}", f"file: {tmp_path / 'names.jsonl'}}}"))
    rows = [f'{{"idx": {i}, "substitutes": {{"limit": ["bound", "edge"]}}}}\n' for i in range(32, 40)]
    (tmp_path / "names.jsonl").write_text("".join(rows))
    code, _, err = toy_runs.call("run", study, "--out", tmp_path / "run", timeout=300)
    assert code == 0, err


def test_a_white_box_on_a_victim_without_gradients_says_what_to_leave_out(toy, tmp_path):
    toy.write_text(toy_runs.STUDY.replace("- wir_random", "- whitebox"))
    code, _, err = toy_runs.call("run", toy, "--out", tmp_path / "run")
    assert code == RefusedError.exit_code
    assert "exclude: [{attack: whitebox, victim: victim, variant: original}]" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("victim", "words"),
    [("nobody", "no victim is called"), ("reader", "not pre-trained here")],
)
def test_a_proposer_must_be_an_encoder_of_the_study(victim, words):
    text = OWN.replace("victims: [", "victims: [{name: reader, preset: tiny-decoder}, ")
    with pytest.raises(Exception, match=words):
        StudyConfig.parse(text.replace("candidates: {victim: encoder}", f"candidates: {{victim: {victim}}}"))
