"""The study's grid from scratch: three architectures × three tasks, each trained and evaluated.

    python3 benchmarks/cells.py [--size tiny|small] [--cell TASK:ARCHITECTURE]… [--out FILE] [--json]

Prints accuracy (BLEU for summaries) on the test split beside the floor, minutes of CPU and peak memory
of each cell; ``cells.md`` holds the table.
Every cell runs in a process of its own, on one thread. With ``--out`` finished cells are added to that file
and not run again, so that the table may be made in pieces.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TASKS = ("clone", "vulnerability", "summarization")
ARCHITECTURES = ("encoder", "decoder", "encoder-decoder")
CORPORA: dict[str, dict[str, dict[str, Any]]] = {
    "tiny": {
        "clone": {"pairs": 400, "test_pairs": 100, "max_functions": 900},
        "vulnerability": {"pairs": 200},
        "summarization": {"max_functions": 900, "test_samples": 40},
    },
    "small": {
        "clone": {"pairs": 4000, "test_pairs": 800},
        "vulnerability": {"pairs": 2000},
        "summarization": {
            "source": "installed",
            "max_functions": 12000,
            "max_tokens": 128,
            "test_samples": 400,
        },
    },
}
READERS = {"clone": "builtin-clones", "vulnerability": "builtin-cwe", "summarization": "builtin-summaries"}
PLANS: dict[str, dict[str, Any]] = {
    "clone": {},
    "vulnerability": {
        "pretrain_epochs": 3,
        "pretrain_learning_rate": 2e-3,
        "epochs": 6,
        "learning_rate": 1e-3,
        "batch": 16,
    },
    "summarization": {},
}


def run_cell(size: str, task_name: str, architecture: str) -> dict[str, Any]:
    """Train and evaluate one cell in this process."""
    import torch

    from durometer.corpora.spec import parse_spec
    from durometer.tasks.base import TASKS as REGISTERED
    from durometer.victims.oracle import Oracle
    from durometer.victims.presets import preset
    from durometer.victims.train import train_encoder
    from durometer.victims.train_generator import train_generator

    torch.set_num_threads(1)
    started, cpu = time.monotonic(), time.process_time()
    task = REGISTERED.get(task_name)()
    options = {"seed": 1, **CORPORA[size][task_name]}
    corpus = parse_spec(READERS[task_name]).read(task_name, options)
    if task.kind == "generation":
        shape, plan = preset(f"{size}-summarizer")
        shape = shape.model_copy(update={"architecture": architecture})
    else:
        shape, plan = preset(size if architecture == "encoder" else f"{size}-{architecture}")
    plan = plan.model_copy(update=PLANS[task_name] if size == "small" else {"epochs": 1.0})
    if architecture != "encoder" and task.kind == "classification":
        plan = plan.model_copy(update={"pretrain_epochs": 0.0})
    victim: Any
    if task.kind == "generation":
        victim = train_generator(corpus, shape, plan, seed=1)
    else:
        victim = train_encoder(corpus, shape, plan, seed=1, pair=task.pair, classes=2).victim
    test = corpus.splits["test"]
    measures = task.measure(test, Oracle(victim, task).predict(test))
    floor = task.floor(corpus.splits["train"], test)
    return {
        "task": task_name,
        "architecture": architecture,
        "measure": task.headline,
        "value": measures[task.headline],
        "floor": floor[task.headline],
        "samples": len(test),
        "parameters": sum(p.numel() for p in victim.network.parameters()),
        "minutes": (time.monotonic() - started) / 60,
        "cpu_minutes": (time.process_time() - cpu) / 60,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def in_a_process(size: str, cell: str) -> dict[str, Any]:
    """Run one cell in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--size", size, "--cell", cell, "--here"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return record


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="small", choices=["tiny", "small"])
    parser.add_argument("--cell", action="append", help="TASK:ARCHITECTURE; all nine by default")
    parser.add_argument("--out", type=Path, help="file of finished cells, added to")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cells = arguments.cell or [f"{task}:{architecture}" for task in TASKS for architecture in ARCHITECTURES]
    if arguments.here:
        print(json.dumps(run_cell(arguments.size, *cells[0].split(":"))))
        return
    rows: list[dict[str, Any]] = []
    if arguments.out and arguments.out.exists():
        rows = json.loads(arguments.out.read_text())
    for cell in cells:
        if cell not in [f"{row['task']}:{row['architecture']}" for row in rows]:
            rows.append(in_a_process(arguments.size, cell))
            if arguments.out:
                arguments.out.write_text(json.dumps(rows, indent=1))
    if arguments.json:
        print(json.dumps(rows))
        return
    print("| task | architecture | parameters | measure | value | floor | CPU minutes | peak memory |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['task']} | {row['architecture']} | {row['parameters'] / 1e6:.2f} M | {row['measure']} | "
            f"{row['value']:.3f} | {row['floor']:.3f} | {row['cpu_minutes']:.1f} | "
            f"{row['peak_memory_bytes'] / 1e9:.2f} GB |"
        )


if __name__ == "__main__":
    main()
