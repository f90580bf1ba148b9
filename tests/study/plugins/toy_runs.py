"""Runs of toy studies as a user would start them: the command in a process group of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from durometer.study.parts import read_parts

PLUGINS = Path(__file__).parent
STUDY = """\
name: toy
seeds: [1, 2]
tasks: [{task: toy, corpus: toy}]
victims: [{python: "toy_study:victim"}]
attacks:
  - {kind: mhm, iterations: 5}
  - wir_random
limits: {samples: 25}
"""


def environment(**more):
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"} | more


def start(arguments, **more):
    """Start ``durometer`` with its output captured."""
    return subprocess.Popen(
        [sys.executable, "-m", "durometer", *map(str, arguments)],
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process, timeout=120):
    """Return (exit code, standard output, standard error)."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_group(process)
        raise
    return process.returncode, out, err


def call(*arguments, timeout=120, **more):
    return finish(start(arguments, **more), timeout)


def kill_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()


def recorded(folder):
    """Return how often each (cell, sample) stands in the parts of a run folder."""
    counts = Counter()
    for work in (folder / "work").glob("cell-*"):
        for row, _ in read_parts(work):
            counts[work.name, row["sample_id"]] += 1
    return counts
