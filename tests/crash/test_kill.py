"""Killed at any moment, the next run loses nothing, repeats nothing, and ends with the same bytes."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
import toy_runs

from durometer.errors import out_of_memory
from durometer.study.lock import is_held

SLOW = {"TOY_SLEEP": "0.01"}  # so that the study outlasts the kills; changes no result
KILLS = int(os.environ.get("DUROMETER_CHAOS_KILLS", "20"))


def check_parts(folder, before):
    """No finished sample may vanish or be recorded again, unless its whole cell was finished."""
    now = toy_runs.recorded(folder)
    assert set(now.values()) <= {1}, "a finished sample was attacked twice"
    finished = {path.name for path in (folder / "artefacts").glob("cell-*")}
    lost = [key for key in before if key not in now and key[0] not in finished]
    assert not lost, f"recorded samples vanished: {lost}"
    return now


def children(pid):
    path = f"/proc/{pid}/task/{pid}/children"
    try:
        with open(path) as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def strike(process, target):
    """Kill the whole process group, the driver alone, or one of its workers."""
    if target == "worker":
        for worker in children(process.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
    elif target == "driver":
        process.kill()
        process.wait()
    else:
        toy_runs.kill_group(process)


def wait_for_a_moment(rng, process, folder):
    """Half of the time any moment from the start on; else one while rows are being written."""
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0.05, 2.5))
        return
    before, patience = toy_runs.recorded(folder), time.monotonic() + 20
    while process.poll() is None and time.monotonic() < patience and toy_runs.recorded(folder) == before:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.3))


@pytest.mark.slow
def test_random_kills_of_anything_change_no_byte(toy, tmp_path, undisturbed):
    rng = random.Random(20)
    kills, rows_at_risk, folders = 0, 0, 0
    while kills < KILLS:  # a study that outlives its kills is checked, and the next one begins
        folder = tmp_path / f"run-{folders}"
        folders += 1
        recorded, code = {}, None
        while code is None:
            process = toy_runs.start(
                ["run", toy, "--out", folder, "--workers", str(rng.choice([1, 2, 3]))],
                **(SLOW if kills < KILLS else {}),
            )
            targets = rng.choice([["group"], ["driver"], ["worker", "worker", "group"]])
            for target in targets if kills < KILLS else ():
                wait_for_a_moment(rng, process, folder)
                if process.poll() is None:
                    strike(process, target)
                    kills += 1
            if kills >= KILLS or process.poll() == 0:
                code, _, err = toy_runs.finish(process)
                code = None if code < 0 else code
            recorded = check_parts(folder, recorded)
            rows_at_risk += len(recorded)
        assert code == 0, err
        assert (folder / "outcomes.parquet").read_bytes() == undisturbed
        assert list((folder / "work").iterdir()) == []
        assert list((folder / "artefacts").glob(".new-*")) == []
    assert rows_at_risk > KILLS, "the kills left little to lose"


@pytest.mark.slow
def test_kills_of_the_driver_alone_leave_no_worker_that_writes_on(toy, tmp_path, undisturbed):
    rng = random.Random(3)
    folder = tmp_path / "run"
    for _ in range(5):
        process = toy_runs.start(["run", toy, "--out", folder], **SLOW)
        time.sleep(rng.uniform(1.2, 2.2))
        process.kill()
        process.wait()
    code, _, err = toy_runs.call("run", toy, "--out", folder)
    assert code == 0, err
    check_parts(folder, {})
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed


@pytest.mark.slow
def test_killed_workers_cost_their_unfinished_samples_only(toy, tmp_path, undisturbed):
    rng = random.Random(4)
    folder = tmp_path / "run"
    process = toy_runs.start(["run", toy, "--out", folder], TOY_SLEEP="0.01")
    killed = 0
    while process.poll() is None:
        time.sleep(rng.uniform(0.4, 1.6))
        workers = children(process.pid)
        if workers and killed < 4:  # five deaths in a row on one node would, rightly, end the run
            os.kill(rng.choice(workers), signal.SIGKILL)
            killed += 1
    code, _, err = toy_runs.finish(process)
    assert code == 0, err
    assert killed >= 3
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed


@pytest.mark.slow
def test_a_sample_that_kills_its_worker_is_named(toy, tmp_path):
    folder = tmp_path / "run"
    code, _, err = toy_runs.call("run", toy, "--out", folder, TOY_DIE_ON="test-7")
    assert code == 1
    assert "'test-7'" in err
    assert "SIGKILL: out of memory?" in err
    assert "fewer --workers" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_want_of_memory_is_tried_again_and_never_an_outcome(toy, tmp_path, undisturbed):
    arguments, folder = ["run", toy, "--out", tmp_path / "run", "--workers", "1"], tmp_path / "run"
    code, _, err = toy_runs.call(*arguments, TOY_HUNGRY_ON="test-7")
    assert code == 1
    assert "(out of memory) on sample 'test-7'" in err
    assert "fewer --workers" in err
    assert "Traceback" not in err
    assert "test-7" not in {sample for _, sample in toy_runs.recorded(folder)}
    code, _, err = toy_runs.call(*arguments, TOY_HUNGRY_ON="test-7", TOY_HUNGRY_ONCE=str(tmp_path / "once"))
    assert code == 0, err
    assert (tmp_path / "once").exists()
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed


def test_what_libraries_say_when_memory_is_short():
    import torch

    for allocate in (lambda: torch.empty(1 << 60), lambda: bytearray(1 << 60)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            allocate()
        assert out_of_memory(caught.value), caught.value
    assert not out_of_memory(RuntimeError("shapes differ"))


@pytest.mark.slow
def test_outcomes_do_not_depend_on_backend_or_workers(toy, tmp_path, undisturbed):
    for options in (["--backend", "in-process"], ["--workers", "1"], ["--workers", "3"]):
        folder = tmp_path / "-".join(options).replace("--", "")
        code, _, err = toy_runs.call("run", toy, "--out", folder, *options)
        assert code == 0, err
        assert (folder / "outcomes.parquet").read_bytes() == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "words", "strike"),
    [
        (signal.SIGINT, 130, "interrupted", os.killpg),
        (signal.SIGTERM, 143, "terminated", os.killpg),
        (signal.SIGTERM, 143, "terminated", os.kill),  # some batch systems tell the driver alone
    ],
)
def test_signals_end_cleanly_and_the_next_run_goes_on(
    toy, tmp_path, undisturbed, number, code, words, strike
):
    folder = tmp_path / "run"
    process = toy_runs.start(["run", toy, "--out", folder, "--workers", "2"], TOY_SLEEP="0.02")
    while not toy_runs.recorded(folder):
        time.sleep(0.05)
    workers = children(process.pid)
    strike(process.pid, number)
    got, _, err = toy_runs.finish(process)
    assert got == code, err
    assert workers
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert not is_held(folder)
    recorded = toy_runs.recorded(folder)
    assert recorded
    last = err.strip().splitlines()[-1]
    assert words in last
    assert "run the same command again" in last
    assert "Traceback" not in err
    if strike is os.killpg:
        return  # the way on is the same for all
    code, _, err = toy_runs.call("run", toy, "--out", folder)
    assert code == 0, err
    check_parts(folder, recorded)
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed


@pytest.mark.slow
def test_a_second_run_says_who_holds_the_folder(toy, tmp_path):
    folder = tmp_path / "run"
    first = toy_runs.start(["run", toy, "--out", folder], TOY_SLEEP="0.02")
    while not toy_runs.recorded(folder):
        time.sleep(0.05)
    code, _, err = toy_runs.call("run", toy, "--out", folder)
    assert code == 1
    assert str(first.pid) in err
    assert "another durometer" in err
    toy_runs.kill_group(first)
    code, _, err = toy_runs.call("run", toy, "--out", folder)
    assert code == 0, err
