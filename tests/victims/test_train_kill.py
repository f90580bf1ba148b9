"""``durometer train`` under SIGKILL: started again, it ends with the same bytes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_data(data)
    expected, killed = tmp_path / "expected", tmp_path / "killed"
    done = subprocess.run(train(data, expected), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        process = subprocess.Popen(train(data, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        checkpoint = killed / "checkpoints" / "fine-tune.safetensors"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        process.wait()
    other = subprocess.run([*train(data, killed), "--seed", "1"], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "holds another training: seed changed" in other.stderr
    subprocess.run(train(data, killed), capture_output=True, check=True)
    for name in ("weights.safetensors", "tokenizer.json"):
        assert (killed / name).read_bytes() == (expected / name).read_bytes()
    assert not (killed / "checkpoints").exists()
