"""Disks that are full, folders that cannot be written, flushes that fail: one line, and nothing lost."""

import json
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import time

import pytest
import toy_runs

FAULTY = """\
import errno, os, random, sys
rng = random.Random(int(os.environ["FAULT_SEED"]))
countdown = rng.randrange(1, 40)
code = rng.choice([errno.ENOSPC, errno.EACCES, errno.EIO, errno.EDQUOT])
real = {name: getattr(os, name) for name in ("write", "fsync", "rename", "replace")}
def faulty(name):
    def call(*arguments, **keywords):
        global countdown
        if name == "write" and arguments[0] < 3:
            return real[name](*arguments, **keywords)
        countdown -= 1
        if countdown == 0:
            if name == "write":
                real[name](arguments[0], arguments[1][: len(arguments[1]) // 2])
            raise OSError(code, os.strerror(code))
        return real[name](*arguments, **keywords)
    return call
for name in real:
    setattr(os, name, faulty(name))
from durometer.cli import main
main()
"""


@pytest.mark.slow
def test_twenty_injected_faults_lose_nothing(toy, tmp_path, undisturbed):
    folder = tmp_path / "run"
    rng = random.Random(6)
    failures = 0
    for seed in range(20):
        toy.write_text(toy_runs.STUDY + f"# {seed}\n")  # another text, the same study: it looks again
        done = subprocess.run(
            [sys.executable, "-c", FAULTY, "run", toy, "--out", folder, "--backend", "in-process"],
            env=toy_runs.environment(FAULT_SEED=str(rng.randrange(10**6))),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        failures += done.returncode != 0
        assert set(toy_runs.recorded(folder).values()) <= {1}
    assert failures >= 5
    code, _, err = toy_runs.call("run", toy, "--out", folder)
    assert code == 0, err
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed


@pytest.mark.slow
def test_a_full_disk_in_a_worker_is_one_line(toy, tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    done = subprocess.run(
        [sys.executable, "-m", "durometer", "run", toy, "--out", tmp_path / "run"],
        env=toy_runs.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=small_files,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "durometer: " in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(toy, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    code, _, err = toy_runs.call("run", toy, "--out", locked / "run")
    assert code == 1
    assert "permission denied" in err
    assert "--out" in err


def test_a_file_where_the_folder_should_be(toy, tmp_path):
    (tmp_path / "run").write_text("mine")
    code, _, err = toy_runs.call("run", toy, "--out", tmp_path / "run")
    assert code == 1
    assert "Traceback" not in err
    assert "--out" in err
    assert (tmp_path / "run").read_text() == "mine"


def test_a_read_only_place(toy):
    code, _, err = toy_runs.call("run", toy, "--out", "/proc/durometer-run")
    assert code == 1
    assert "Traceback" not in err


LEAPING = """\
import datetime, itertools, time
leaps, real = itertools.cycle([0, 3e8, -3e8, 1, -1]), time.time
time.time = lambda: real() + next(leaps)
time.time_ns = lambda: int(time.time() * 1e9)
class Leaping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = Leaping
"""


@pytest.mark.slow
def test_a_clock_that_leaps_years_back_and_forth_changes_nothing(toy, tmp_path, undisturbed):
    (tmp_path / "leaping").mkdir()
    (tmp_path / "leaping" / "sitecustomize.py").write_text(LEAPING)
    path = f"{tmp_path / 'leaping'}{os.pathsep}{toy_runs.environment()['PYTHONPATH']}"
    folder = tmp_path / "run"
    folder.mkdir()
    holder = {"pid": 2**22 + 1, "host": socket.gethostname(), "since": "2999-01-01T00:00:00+00:00"}
    (folder / "run.lock").write_text(json.dumps(holder))  # left by a process that is gone
    started = time.monotonic()
    code, _, err = toy_runs.call("run", toy, "--out", folder, "--workers", "1", PYTHONPATH=path)
    assert code == 0, err
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed
    cost = [json.loads(file.read_text())["seconds"] for file in folder.glob("artefacts/cell-*/cost.json")]
    assert len(cost) == 4
    assert all(0 <= seconds < time.monotonic() - started for seconds in cost)
    made = [json.loads(line)["seconds"] for line in (folder / "timings.jsonl").read_text().splitlines()]
    assert all(0 <= seconds < time.monotonic() - started for seconds in made)
    assert not re.search(r"\d{3,} h|-\d", " ".join(re.findall(r"\[.*?\]|[^ ]* left", err)))


REAL_DISK = """\
mount -t tmpfs -o size=150k tmpfs "$1"
run() { "$PYTHON" -m durometer run "$2" --out "$1/run" --backend in-process 2>&1; echo "exit code $?"; }
run "$@"; echo =====
mount -o remount,size=50m,ro "$1"
run "$@"; echo =====
mount -o remount,rw "$1"
run "$@"; cp "$1/run/outcomes.parquet" "$1.parquet"
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_then_is_read_only_then_has_room(toy, tmp_path, undisturbed):
    disk, own = tmp_path / "disk", ["unshare", "--mount", "--map-root-user"]
    disk.mkdir()
    if (
        not shutil.which("unshare")
        or subprocess.run([*own, "mount", "-t", "tmpfs", "x", disk], check=False).returncode
    ):
        pytest.skip("this machine lets nobody mount a disk of their own")
    done = subprocess.run(
        [*own, "sh", "-c", REAL_DISK, "sh", disk, toy],
        env=toy_runs.environment(PYTHON=sys.executable),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Traceback" not in done.stdout
    full, read_only, enough = done.stdout.split("=====")
    assert "the disk is full" in full
    assert "exit code 1" in full
    assert "the file system is read-only" in read_only
    assert "--out" in read_only
    assert "made" not in read_only  # it says so before it works
    assert "exit code 1" in read_only
    assert "exit code 0" in enough
    assert disk.with_suffix(".parquet").read_bytes() == undisturbed
