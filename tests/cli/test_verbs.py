"""The verbs as a stranger meets them: answers, JSON, and errors without tracebacks."""

import json
import subprocess
import sys
import time

import pytest
import toy_runs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    study = folder / "toy.yaml"
    study.write_text(toy_runs.STUDY)
    code, _, err = toy_runs.call("run", study, "--backend", "in-process")
    assert code == 0, err
    return folder / "toy-run"


def test_help_answers_at_once_and_without_heavy_imports():
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "durometer", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - started
    for heavy in ("torch", "polars", "transformers", "scipy", "numpy"):
        assert f" {heavy}\n" not in done.stderr
    assert "demo" in done.stdout
    assert seconds < 2  # half a second on a quiet machine; this one may be busy


def test_run_leaves_what_it_promised(finished):
    for name in ("report.html", "outcomes.parquet", "results.json", "study.yaml", "env.json"):
        assert (finished / name).stat().st_size > 0


def test_the_study_in_the_folder_runs_and_finds_everything_done(finished):
    before = (finished / "outcomes.parquet").read_bytes()
    code, out, err = toy_runs.call(
        "run", finished / "study.yaml", "--out", finished, "--backend", "in-process"
    )
    assert code == 0, err
    assert "original" in out
    assert (finished / "outcomes.parquet").read_bytes() == before


def test_run_json_is_the_results(finished):
    study = finished.parent / "toy.yaml"
    code, out, err = toy_runs.call("run", study, "--json", "--backend", "in-process")
    assert code == 0, err
    assert json.loads(out) == json.loads((finished / "results.json").read_text())


def test_status(finished):
    code, out, err = toy_runs.call("status", finished)
    assert code == 0, err
    assert "25/25" in out
    code, out, err = toy_runs.call("status", finished, "--json")
    state = json.loads(out)
    assert state["complete"] is True
    assert state["active"] is False
    cells = [node for node in state["nodes"] if node["kind"] == "cell"]
    assert len(cells) == 4
    for cell in cells:
        ended = cell["broken"] + cell["failed"] + cell["skipped"] + cell["invalid"] + cell["errors"]
        assert ended == cell["done"] == cell["total"] == 25
        assert cell["queries_per_second"] > 0


def test_status_of_a_folder_that_is_no_run(tmp_path):
    code, _, err = toy_runs.call("status", tmp_path)
    assert code == 2
    assert "not a run folder" in err


def test_dry_run_writes_nothing_and_estimates(toy, finished):
    code, out, err = toy_runs.call("run", toy, "--dry-run")
    assert code == 0, err
    assert "to make" in out
    assert "100 samples to attack" in out
    assert not (toy.parent / "toy-run").exists()
    code, out, err = toy_runs.call("run", toy, "--dry-run", "--json", "--out", finished)
    record = json.loads(out)
    assert record["estimate"]["cells_done"] == 4
    assert record["estimate"]["samples_done"] == 100
    assert record["estimate"]["queries"] == 0


def test_hours_are_estimated_before_anything_ran_and_measured_afterwards(toy, finished):
    text = toy_runs.STUDY.replace('[{python: "toy_study:victim"}]', "[tiny, small]")
    toy.write_text(text.replace("samples: 25", "samples: 20"))
    code, out, err = toy_runs.call("run", toy, "--dry-run", "--json")
    assert code == 0, err
    estimate = json.loads(out)["estimate"]
    assert estimate["queries"] == 2 * 2 * 20 * (591 + 101)  # victims × seeds × samples × published means
    assert "published" in estimate["basis"]
    assert "ESTIMATED" in estimate["basis"]
    assert 0.0005 < 3600 * estimate["worker_hours"] / estimate["queries"] < 0.1  # milliseconds, not hours
    toy.write_text(toy_runs.STUDY.replace("samples: 25", "samples: 20"))  # all other cells, the same victim
    code, out, err = toy_runs.call("run", toy, "--dry-run", "--json", "--out", finished)
    assert code == 0, err
    estimate = json.loads(out)["estimate"]
    assert estimate["samples_done"] == 0
    words = "queries a sample: measured in this folder; seconds a query: measured in this folder"
    assert estimate["basis"] == words


def test_a_longer_study_is_estimated_from_measured_rates(toy, finished):
    toy.write_text(toy_runs.STUDY.replace("[1, 2]", "[1, 2, 3]"))
    code, out, err = toy_runs.call("run", toy, "--dry-run", "--json", "--out", finished)
    assert code == 0, err
    estimate = json.loads(out)["estimate"]
    assert estimate["samples"] - estimate["samples_done"] == 50
    assert estimate["hours"] > 0
    assert "measured" in estimate["basis"]


@pytest.mark.parametrize(
    "kind", ["attacks", "compressions", "tasks", "corpora", "languages", "victims", "studies"]
)
def test_ls(kind):
    code, out, err = toy_runs.call("ls", kind, "--json")
    assert code == 0, err
    entries = json.loads(out)
    assert entries
    assert all(entry["name"] and entry.keys() >= {"name", "description"} for entry in entries)


def test_ls_shows_what_a_compression_takes_and_follows():
    code, out, err = toy_runs.call("ls", "compressions", "--json")
    assert code == 0, err
    entry = next(entry for entry in json.loads(out) if entry["name"] == "structured_prune")
    assert entry["options"]["importance"] == "magnitude|first_order"
    assert "Michel" in entry["source"]
    assert all(entry["source"] and entry["description"] for entry in json.loads(out))
    code, out, err = toy_runs.call("ls", "compressions", COLUMNS="80")
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    assert "importance=magnitude|first_order" in out


def test_ls_shows_what_a_corpus_takes_and_where_it_is_from_in_80_columns():
    code, out, err = toy_runs.call("ls", "corpora", "--json")
    assert code == 0, err
    entries = {entry["name"]: entry for entry in json.loads(out)}
    assert entries["builtin-cwe"]["options"]["languages"] == "java+c+python"
    assert entries["builtin-injected"]["options"]["source"] == "stdlib|installed"
    assert entries.pop("toy")["options"] == {"size": "30"}
    assert all(entry["source"] and entry["description"] for entry in entries.values())
    code, out, err = toy_runs.call("ls", "corpora", COLUMNS="80")
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    assert "pairs=4000, seed=1" in out


def test_ls_of_an_unknown_kind_suggests():
    code, _, err = toy_runs.call("ls", "attack")
    assert code == 2
    assert "Did you mean 'attacks'?" in err


def test_init_writes_a_study_that_runs(tmp_path):
    path = tmp_path / "mine.yaml"
    for preset in ("quick", "demo-tiny"):
        code, _, err = toy_runs.call("init", path, "--preset", preset, "--force")
        assert code == 0, err
        code, _, err = toy_runs.call("run", path, "--dry-run")
        assert code == 0, err
    code, _, err = toy_runs.call("init", path)
    assert code == 2
    assert "--force" in err
    code, _, err = toy_runs.call("init", path, "--force", "--preset", "papre")
    assert "Did you mean 'paper'?" in err
    code, _, err = toy_runs.call("init", path / "below.yaml")
    assert code == 1
    assert f"{path / 'below.yaml'}: there is a file where" in err


def test_export_travels_verifies_and_extends(finished, tmp_path):
    out = tmp_path / "copy"
    code, _, err = toy_runs.call("export", finished, "--out", out)
    assert code == 0, err
    code, text, err = toy_runs.call("export", out, "--verify", "--json")
    assert code == 0, err
    assert json.loads(text)["files"] > 10
    study = out / "study.yaml"
    study.write_text(study.read_text().replace("- 2\n", "- 2\n- 3\n"))
    code, _, err = toy_runs.call("run", study, "--out", out, "--backend", "in-process")
    assert code == 0, err
    cells = json.loads(toy_runs.call("status", out, "--json")[1])["nodes"]
    assert sum(node["kind"] == "cell" for node in cells) == 6
    victim = next((out / "artefacts").glob("corpus-*/test.jsonl"))
    victim.write_text("x")
    code, _, err = toy_runs.call("export", out, "--verify")
    assert code == 1
    assert "differs" in err or "missing" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "nothing.yaml"], 2, ["no such file", "nothing.yaml"]),
        (["run", "."], 2, ["folder"]),
        (["run", f"{__file__}/a.yaml"], 2, ["cannot be read (Not a directory)"]),
        (["rnu"], 2, ["Did you mean 'run'?"]),
        (["status", "nowhere"], 2, ["no such folder"]),
        (["demo", "--size", "huge"], 2, ["tiny"]),
    ],
)
def test_mistakes_get_one_clear_line(arguments, code, words):
    got, _, err = toy_runs.call(*arguments)
    assert got == code, err
    assert "Traceback" not in err
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("wir_random", "wir_randm", ["toy.yaml:7", "Did you mean 'wir_random'?"]),
        ("name: toy", "name: [toy", ["toy.yaml:", "broken YAML"]),
        ("samples: 25", "samples: none", ["toy.yaml:8 limits.samples"]),
    ],
)
def test_mistakes_in_a_study_name_file_line_and_field(toy, old, new, words):
    toy.write_text(toy.read_text().replace(old, new))
    code, _, err = toy_runs.call("run", toy)
    assert code == 2
    assert "Traceback" not in err
    for word in words:
        assert word in err, err


def test_options_are_checked(toy):
    code, _, err = toy_runs.call("run", toy, "--backend", "cluster")
    assert code == 2
    assert "in-process, processes" in err
    code, _, err = toy_runs.call("run", toy, "--workers", "many")
    assert code == 2
    assert "--workers" in err


@pytest.mark.slow
def test_doctor_says_whether_rows_repeat():
    code, out, err = toy_runs.call("doctor", "--json")
    assert code == 0, err
    findings = json.loads(out)
    assert findings["numerics"]["rows_repeat"] is True
    assert findings["versions"]["torch"]
