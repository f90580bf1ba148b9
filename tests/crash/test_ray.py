"""A study on a local Ray cluster: the same bytes; a lost actor costs its unfinished samples only."""

import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
import toy_runs

pytest.importorskip("ray", reason="the extra `scale` is not installed")
pytestmark = pytest.mark.slow
KILLS = max(3, int(os.environ.get("DUROMETER_CHAOS_KILLS", "20")) // 10)  # of actors


@pytest.fixture
def ray_environment(tmp_path):
    scratch = tempfile.mkdtemp(prefix="r")  # not below tmp_path: names of sockets must be short
    yield {"HOME": str(tmp_path), "TMPDIR": scratch}
    shutil.rmtree(scratch, ignore_errors=True)


def actors(home):
    """Return the actor processes whose HOME is ours."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                ours = f"HOME={home}\0".encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if ours and command.startswith(b"ray::Actor"):
                found.append(int(folder.name))
    return found


def test_two_ray_workers_stop_when_told_and_give_the_same_bytes(toy, tmp_path, ray_environment, undisturbed):
    folder = tmp_path / "run"
    arguments = ["run", toy, "--out", folder, "--backend", "ray", "--workers", "2"]
    process = toy_runs.start(arguments, TOY_SLEEP="0.05", **ray_environment)
    while not toy_runs.recorded(folder) and process.poll() is None:
        time.sleep(0.05)
    process.terminate()  # as a batch system does
    code, _, err = toy_runs.finish(process)
    assert code == 143, err
    assert "run the same command again" in err
    assert not actors(tmp_path)
    code, _, err = toy_runs.call(*arguments, **ray_environment)
    assert code == 0, err
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed
    assert not list(Path(ray_environment["TMPDIR"]).iterdir())  # nothing of Ray's is left behind


def test_lost_actors_are_replaced(toy, tmp_path, ray_environment, undisturbed):
    folder = tmp_path / "run"
    arguments = ["run", toy, "--out", folder, "--backend", "ray", "--workers", "2"]
    process = toy_runs.start(arguments, TOY_SLEEP="0.02", **ray_environment)
    rng, killed, recorded = random.Random(9), 0, 0
    while process.poll() is None:
        time.sleep(0.05)  # often, so that a fast machine is not done before the first look
        alive, rows = actors(tmp_path), toy_runs.recorded(folder).total()
        if rows not in (0, recorded) and alive and killed < KILLS:  # new rows: no actor dies for nothing
            os.kill(rng.choice(alive), signal.SIGKILL)
            killed, recorded = killed + 1, rows
    code, _, err = toy_runs.finish(process)
    assert code == 0, err
    assert killed >= 2
    assert (folder / "outcomes.parquet").read_bytes() == undisturbed
