"""``durometer train`` and ``compress``, killed or interrupted: the same command ends with the same bytes."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

VERBS = ["load", "parse", "merge", "write"]


def write_data(folder: Path) -> None:
    rng = random.Random(0)
    for split, count in (("train", 320), ("valid", 32), ("test", 32)):
        rows = []
        for i in range(count):
            verb = rng.choice(VERBS[:2] if i % 2 else VERBS[2:])
            name = rng.choice(["x", "value", "data"])
            rows.append(
                {"language": "c", "code": f"int f(int {name}) {{ return {verb}({name}); }}", "label": i % 2}
            )
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def train(data: Path, out: Path) -> list[str]:
    options = ["--task", "vulnerability", "--preset", "tiny", "--epochs", "40", "--threads", "1"]
    return [
        sys.executable,
        "-m",
        "durometer",
        "train",
        "--data",
        f"jsonl:{data}",
        "--out",
        str(out),
        *options,
    ]


def compress(victim: Path, data: Path, out: Path, temperature: int = 2) -> list[str]:
    learning = f"distill:student=1x32,epochs=20,batch=40,temperature={temperature}"
    verb = [sys.executable, "-m", "durometer", "compress", "--threads", "1", "--device", "cpu"]
    steps = ["--method", "prune(0.5)", "--method", learning, "--method", "int8"]
    return [*verb, "--victim", str(victim), "--data", f"jsonl:{data}", *steps, "--out", str(out)]


def interrupted(command: list[str], folder: Path, name: str, number: signal.Signals) -> tuple[int, str]:
    """Run until a checkpoint of this name below the folder is new, strike, and return exit code and words."""

    def checkpoints() -> set[tuple[Path, int]]:
        return {(path, path.stat().st_mtime_ns) for path in folder.glob(f"**/{name}")}

    before = checkpoints()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        if checkpoints() - before:
            process.send_signal(number)
            break
        time.sleep(0.005)
    return process.wait(), process.communicate()[1]


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "victim"
    done = subprocess.run(train(data, folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_bytes(data: Path, trained: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    code, _ = interrupted(train(data, killed), killed, "fine-tune.safetensors", signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, said = interrupted(train(data, killed), killed, "fine-tune.safetensors", signal.SIGTERM)
    assert (code, "run the same command again" in said) == (143, True)
    assert "fine-tune goes on from its checkpoint: " in said
    other = subprocess.run([*train(data, killed), "--seed", "1"], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "holds another training: seed changed" in other.stderr
    subprocess.run(train(data, killed), capture_output=True, check=True)
    for name in ("weights.safetensors", "tokenizer.json"):
        assert (killed / name).read_bytes() == (trained / name).read_bytes()
    assert not (killed / "checkpoints").exists()


@pytest.mark.slow
def test_a_killed_compression_ends_with_the_same_bytes_and_mixes_nothing(
    data: Path, trained: Path, tmp_path: Path, run: Any
) -> None:
    whole, killed, other = (tmp_path / name for name in ("whole", "killed", "other"))
    assert run(compress(trained, data, whole)[3:])[0] == 0
    code, _ = interrupted(compress(trained, data, killed), killed, "distill.safetensors", signal.SIGKILL)
    assert code == -signal.SIGKILL
    code, said = interrupted(compress(trained, data, killed), killed, "distill.safetensors", signal.SIGINT)
    assert (code, said.splitlines()[-1]) == (
        130,
        "durometer: interrupted. Finished work is kept: run the same command again to resume.",
    )
    assert "distill goes on from its checkpoint: 50 of 160 steps are done already" in said
    shutil.copytree(killed, other)
    code, said = run(compress(trained, data, killed)[3:])
    assert (code, "100 of 160 steps" in said) == (0, True)
    assert {p.name: p.read_bytes() for p in killed.iterdir()} == {
        p.name: p.read_bytes() for p in whole.iterdir()
    }
    code, said = run(compress(trained, data, other, temperature=3)[3:])
    assert (code, "goes on" in said) == (0, False)
    assert {p.name for p in other.iterdir()} == {p.name for p in whole.iterdir()}
