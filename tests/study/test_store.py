"""Run folders: what is made stays, what is half made goes, what is damaged says so."""

import fcntl
import json
import os
import socket
import subprocess
import threading

import pytest

from durometer import durable
from durometer.durable import publish, write_atomically
from durometer.errors import InputError, StoreError
from durometer.report.gate import check_run
from durometer.report.results import build_results
from durometer.study.artefacts import Artefacts
from durometer.study.config import MachineOptions, StudyConfig
from durometer.study.export import export_run, verify_export
from durometer.study.lock import RunLock, is_held
from durometer.study.plan import VERSIONS, Node, plan_study
from durometer.study.session import Session, is_complete
from durometer.study.sizing import choose_workers, gpus, worker_bytes
from durometer.study.store import load_run
from durometer.study.upgrade import reasons

NODE = Node("tools", "names", {"task": "toy"})


def fill(folder):
    (folder / "words.json").write_text("[1]")


def test_an_artefact_is_there_completely_or_not_at_all(tmp_path):
    artefacts = Artefacts(tmp_path)
    artefacts.prepare()
    assert not artefacts.has(NODE)

    def half(folder):
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="disk is full"):
        artefacts.make(NODE, half)
    assert list(artefacts.folder.iterdir()) == []
    artefacts.make(NODE, fill)
    assert artefacts.has(NODE)
    assert artefacts.read_json(NODE.name, "words.json") == [1]


def test_prepare_removes_leftovers_and_keeps_the_only_copy(tmp_path):
    artefacts = Artefacts(tmp_path)
    artefacts.prepare()
    (artefacts.folder / ".new-tools-1-99").mkdir()
    unfinished = artefacts.work(Node("cell", "", {"a": 1}))
    (unfinished / "part-0000.jsonl").write_text("x\n")
    artefacts.work(NODE)
    artefacts.make(NODE, fill)
    (tmp_path / "work" / NODE.name).mkdir()  # killed between rename and clean-up
    artefacts.prepare()
    assert {p.name for p in artefacts.folder.iterdir()} == {NODE.name}
    assert (unfinished / "part-0000.jsonl").exists()
    assert not (tmp_path / "work" / NODE.name).exists()


def test_publishing_what_is_there_already_keeps_the_first(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    publish(tmp_path / "one", tmp_path / "goal")
    publish(tmp_path / "two", tmp_path / "goal")
    assert (tmp_path / "goal" / "file").read_text() == "one"
    assert not (tmp_path / "two").exists()


def test_a_failed_flush_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def broken(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable.os, "fsync", broken)
    with pytest.raises(StoreError, match="input/output error"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_killed_processes_left_goes_and_what_others_write_stays(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [f".file.{durable.HOST}-{dead.pid}.tmp", f".file.{durable.HOST}-1.tmp", ".file.elsewhere-1.tmp"]
    for name in names:
        (tmp_path / name).write_text("half")
    write_atomically(tmp_path / "file", b"whole")
    assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], "file"])


def test_a_link_s_target_is_replaced_and_what_is_no_file_never(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "target")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "folder" / "target").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    for taken, why in (("pipe", "not a regular file"), ("folder", "this is a folder")):
        with pytest.raises(StoreError, match=why):
            write_atomically(tmp_path / taken, b"new")
    assert (tmp_path / "pipe").is_fifo()


def test_damage_names_the_file(tmp_path):
    artefacts = Artefacts(tmp_path)
    artefacts.prepare()
    artefacts.make(NODE, fill)
    (artefacts.path(NODE.name) / "words.json").write_text("{")
    with pytest.raises(StoreError, match=r"(?s)words\.json.*Delete"):
        artefacts.read_json(NODE.name, "words.json")


def run(toy, folder, listen=lambda states: None):
    text = toy.read_text()
    config = StudyConfig.load(toy)
    Session(text, config, folder, MachineOptions(backend="in-process"), "test").run(listen)
    return text


def test_a_run_reads_back_as_a_view(toy, tmp_path):
    folder = tmp_path / "run"
    text = run(toy, folder)
    view = load_run(folder)
    assert view.complete
    assert view.name == "toy"
    assert len(view.outcomes) == 100
    assert view.floors["toy"] == {"accuracy": 0.5, "auc": 0.5}
    assert view.corpora["toy"]["sizes"] == {"train": 30, "valid": 30, "test": 30}
    (variant,) = view.variants
    assert (variant.variant, variant.recipe, variant.size_bytes) == ("original", "uncompressed", 0)
    assert variant.measures["accuracy"] == variant.predictions["correct"].mean()
    assert view.provenance["corpora"]["toy"] == view.corpora["toy"]["content_hash"]
    assert {"toy data (toy)", "attack mhm", "attack wir_random"} <= set(view.timings)
    assert is_complete(text, folder)
    assert not is_complete(text + "\n# other", folder)
    (folder / "outcomes.parquet").write_bytes(b"x")
    assert not is_complete(text, folder)


def test_a_run_of_an_earlier_version_is_explained(toy, tmp_path):
    folder = tmp_path / "run"
    run(toy, folder)
    plan = json.loads((folder / "plan.json").read_text())
    for node in plan["nodes"].values():
        node["hints"].pop("task", None)
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(StoreError, match="earlier version"):
        load_run(folder)


def test_finished_work_is_not_done_again(toy, tmp_path):
    folder = tmp_path / "run"
    run(toy, folder)
    made = {path: path.stat().st_mtime_ns for path in (folder / "artefacts").rglob("*")}
    bytes_before = (folder / "outcomes.parquet").read_bytes()
    run(toy, folder)
    assert {path: path.stat().st_mtime_ns for path in (folder / "artefacts").rglob("*")} == made
    assert (folder / "outcomes.parquet").read_bytes() == bytes_before


def test_a_grown_study_shares_what_exists(toy, tmp_path):
    folder = tmp_path / "run"
    run(toy, folder)
    before = {path.name for path in (folder / "artefacts").iterdir()}
    toy.write_text(toy.read_text().replace("[1, 2]", "[1, 2, 3]"))
    run(toy, folder)
    after = {path.name for path in (folder / "artefacts").iterdir()}
    assert before < after
    assert {name.partition("-")[0] for name in after - before} == {"cell"}
    assert set(load_run(folder).outcomes["seed"].unique()) == {1, 2, 3}


def test_what_an_upgrade_makes_again_is_said_with_the_reason(toy, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    run(toy, folder)
    config, artefacts = StudyConfig.load(toy), Artefacts(folder)
    assert reasons(plan_study(config), artefacts) == []
    monkeypatch.setitem(VERSIONS, "cell", VERSIONS["cell"] + 1)
    (reason,) = reasons(plan_study(config), artefacts)
    assert reason.startswith(f"4 attacked cells in this folder are of version {VERSIONS['cell'] - 1}, this ")
    view = load_run(folder)
    assert (view.complete, view.earlier) == (False, (reason,))
    assert build_results(view)["warnings"][-1].startswith(f"{reason}. `durometer run RUN/study.yaml")
    with pytest.raises(InputError, match=r"(?s)not finished.* are of version .*`durometer run RUN/study"):
        check_run(view, {"asr": 1.0}, 0.95)
    before = sorted(folder.glob("artefacts/*"))
    toy.write_text(toy.read_text() + "\n# looked at again\n")
    run(toy, folder)
    made = set(folder.glob("artefacts/*")) - set(before)
    assert {path.name.partition("-")[0] for path in made} == {"cell"}  # nothing else
    assert all(path.exists() for path in before)
    assert load_run(folder).earlier == ()
    monkeypatch.setitem(VERSIONS, "latency", VERSIONS["latency"] + 1)
    assert [said.partition(" of")[0] for said in load_run(folder).earlier] == ["1 measurements"]
    monkeypatch.setattr("platform.python_version", lambda: "4.0.0")
    found = " ".join(reasons(plan_study(config), artefacts))
    assert "1 data sets in this folder were generated by Python 3." in found
    assert "this is 4.0.0" in found
    toy.write_text(toy.read_text().replace("samples: 25", "samples: 24"))
    assert "cells" not in " ".join(reasons(plan_study(StudyConfig.load(toy)), artefacts))  # they are others


def test_an_exported_run_goes_on_where_its_data_are_not(toy, tmp_path):
    data = tmp_path / "data.txt"
    data.write_text("x")
    toy.write_text(toy.read_text().replace("corpus: toy", f'corpus: "toy:{data}"'))
    text = run(toy, tmp_path / "run")
    assert is_complete(text, tmp_path / "run")
    data.write_text("xy")
    assert not is_complete(text, tmp_path / "run")
    data.write_text("x")
    run(toy, tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "copy")
    verify_export(tmp_path / "copy")
    data.unlink()
    study = tmp_path / "copy" / "study.yaml"
    study.write_text(study.read_text().replace("- 2\n", "- 2\n- 3\n"))
    run(study, tmp_path / "copy")
    assert set(load_run(tmp_path / "copy").outcomes["seed"].unique()) == {1, 2, 3}
    with pytest.raises(InputError, match=r"data\.txt"):
        run(study, tmp_path / "elsewhere")


def test_more_samples_are_a_superset(toy, tmp_path):
    run(toy, tmp_path / "few")
    few = set(load_run(tmp_path / "few").outcomes["sample_id"])
    toy.write_text(toy.read_text().replace("samples: 25", "samples: 28"))
    run(toy, tmp_path / "more")
    assert few < set(load_run(tmp_path / "more").outcomes["sample_id"])


def test_a_look_at_the_lock_keeps_nobody_out(tmp_path):
    path = tmp_path / "run.lock"
    path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": "then"}))  # alive
    with open(path) as peeking:
        fcntl.flock(peeking, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(peeking, fcntl.LOCK_UN)).start()
        with RunLock(tmp_path):
            assert is_held(tmp_path)
            with pytest.raises(StoreError, match=f"process {os.getpid()} on"), RunLock(tmp_path):
                pass
    assert not is_held(tmp_path)


def test_not_a_run_folder(tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        load_run(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        load_run(tmp_path / "nothing")
    (tmp_path / "plan.json").write_text(json.dumps({})[:-1])
    with pytest.raises(StoreError, match="damaged"):
        load_run(tmp_path)


def test_workers_are_chosen_and_explained():
    assert choose_workers(MachineOptions(workers=3)) == (3, "3 workers, as asked")
    count, why = choose_workers(MachineOptions())
    assert 1 <= count <= len(os.sched_getaffinity(0))
    assert "cores" in why
    with pytest.raises(InputError, match="at least one"):
        choose_workers(MachineOptions(workers=0))


def test_workers_follow_the_models_and_the_gpus(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"0" * 1000)
    study = StudyConfig.parse(
        f"tasks: [{{task: toy, corpus: toy}}]\nvictims: [{{card: {tmp_path}}}]\nattacks: [mhm]\n"
    )
    assert worker_bytes(study) == worker_bytes(None) + 5000
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3")
    assert gpus() == ["0", "2", "3"]
    assert choose_workers(MachineOptions(device="cuda"))[0] == 3


def test_a_damaged_file_of_a_run_is_named_with_what_to_do_and_running_again_mends_what_is_rewritten(
    toy, tmp_path
):
    folder = tmp_path / "run"
    run(toy, folder)
    for name in ("plan.json", "env.json", "study.yaml", "artefacts/cell-*/outcomes.parquet"):
        path = next(folder.glob(name))
        before = path.read_bytes()
        for content in (b"", b"\xff\xfe", b"[1, 2]"):
            path.write_bytes(content)
            with pytest.raises((InputError, StoreError), match=rf"(?s)/{path.name}.*\n  ."):
                load_run(folder)
        if path.parent == folder:
            run(toy, folder)
        else:
            path.write_bytes(before)
        assert load_run(folder).complete
    (folder / "timings.jsonl").write_bytes(b"\xff\n[1]\n")  # read around
    (folder / "complete.json").write_text("[1]")
    assert load_run(folder).complete
    assert not is_complete(toy.read_text(), folder)
