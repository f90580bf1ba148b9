"""Time the demo stage by stage, and its memory: python benchmarks/demo.py [--size small] [--json].

Runs ``durometer demo`` in a temporary folder and watches it from outside: wall and CPU seconds, the time
until the first cell of the table is there, the peak memory of all its processes together, and how long
the second run takes when everything is done.
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


def resident_bytes(root: int) -> int:
    """Return the resident memory of a process and its descendants (Linux; 0 elsewhere)."""
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        sizes[int(folder.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")

    def below(pid: int) -> bool:
        while pid > 1:
            if pid == root:
                return True
            pid = parents.get(pid, 0)
        return False

    return sum(size for pid, size in sizes.items() if below(pid))


def run_demo(size: str, out: Path) -> dict[str, float]:
    """Run the demo once; return what was seen from outside."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", "durometer", "demo", "--size", size, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak, first_cell = 0, 0.0
    while process.poll() is None:
        peak = max(peak, resident_bytes(process.pid))
        if not first_cell and any(out.glob("artefacts/cell-*")):
            first_cell = time.monotonic() - started
        time.sleep(0.5)
    if process.returncode:
        sys.exit(f"the demo failed with exit code {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_seconds": time.monotonic() - started,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "first_cell_seconds": first_cell,
        "peak_memory_bytes": peak,
    }


def main() -> None:
    """Print the stages and totals as a table, or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="small", choices=["tiny", "small", "full"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        totals = run_demo(arguments.size, out)
        stages = [json.loads(line) for line in (out / "timings.jsonl").read_text().splitlines()]
        again = run_demo(arguments.size, out)["wall_seconds"]
    if arguments.json:
        print(json.dumps({**totals, "again_seconds": again, "stages": stages}))
        return
    print("| stage | seconds |\n|---|---|")
    for stage in stages:
        print(f"| {stage['label']} | {stage['seconds']:.1f} |")
    print(f"| **whole demo**, wall ({totals['cpu_seconds']:.0f} CPU) | **{totals['wall_seconds']:.0f}** |")
    print(f"| until the first cell of the table | {totals['first_cell_seconds']:.0f} |")
    print(f"| the same demo again: everything is done | {again:.1f} |")
    print(f"\nPeak memory, all processes together: {totals['peak_memory_bytes'] / 1e9:.2f} GB.")


if __name__ == "__main__":
    main()
