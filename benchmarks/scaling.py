"""How a study scales: time to plan, throughput by number of workers, the driver's memory.

    python3 benchmarks/scaling.py [--workers 1 2] [--json]

The victim costs a fixed amount of arithmetic, so that the figures speak about the machinery and the cores,
not about a model.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "tests" / "study" / "plugins"
STUDY = """\
name: scaling
seeds: [1, 2, 3, 4]
tasks: [{task: toy, corpus: toy, options: {size: 200}}]
victims: [{python: "toy_study:victim"}]
attacks: [{kind: mhm, iterations: 5}, wir_random]
limits: {samples: 200}
"""


def planning_seconds(cells: int) -> float:
    """Return the seconds that planning a study of about ``cells`` cells takes."""
    from durometer.study.config import StudyConfig
    from durometer.study.plan import plan_study

    seeds = ", ".join(map(str, range(cells // 6)))
    text = f"seeds: [{seeds}]\ntasks: [clone]\nvictims: [tiny]\n"
    text += "variants: [int8, bf16]\nattacks: [mhm, wir_random]\n"
    study = StudyConfig.parse(text)
    started = time.perf_counter()
    plan_study(study)
    return time.perf_counter() - started


def throughput(workers: int, spin: int) -> dict[str, float]:
    """Return samples a second and the driver's peak memory for one run with ``workers`` processes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(STUDY)
        environment = os.environ | {"PYTHONPATH": str(PLUGINS), "TOY_SPIN": str(spin)}
        command = [sys.executable, "-m", "durometer", "run", str(path), "--workers", str(workers), "--json"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        return {
            "workers": workers,
            "seconds": seconds,
            "samples_per_second": 1600 / seconds,
            "peak_mb": peak / 1024,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--spin", type=int, default=20_000, help="loop turns of arithmetic a query")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(PLUGINS))
    record = {
        "planning_seconds_10000_cells": planning_seconds(10_000),
        "runs": [throughput(workers, options.spin) for workers in options.workers],
    }
    if options.json:
        print(json.dumps(record, indent=1))
        return
    print(f"planning 10,000 cells: {record['planning_seconds_10000_cells']:.2f} s")
    for run in record["runs"]:
        print(f"{run['workers']} workers: {run['samples_per_second']:.1f} samples/s, {run['seconds']:.1f} s")


if __name__ == "__main__":
    main()
