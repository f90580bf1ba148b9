"""The attacks on a published 3 MB student: success, queries, and cost as a ratio to the bare forward pass.

    python benchmarks/attacks.py [--samples N] [--attacks alert,beam,…] [--seeds 1]

Samples are the first N of the reference runs (released code, same victim, same candidate file), so that rows
can be compared one by one. Needs the bench data (DUROMETER_BENCH_DATA, default ../shared/data). One thread.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from scipy.stats import binomtest

from durometer.attacks.base import DEFAULT_SEED
from durometer.attacks.campaign import Bench, Campaign
from durometer.types import Outcome, Sample, Status

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DUROMETER_BENCH_DATA", ROOT.parent / "shared" / "data"))
REFERENCE = {"alert": "alert", "beam": "beam", "mhm": "mhm", "wir_random": "wir"}
BARE_ROWS, BARE_BATCH = 160, 16


def reference(kind: str) -> dict[int, dict[str, str]]:
    """Return the rows of the released code's run, by position in the data file."""
    path = DATA / "reference-runs" / f"devign_3mb_{REFERENCE[kind]}.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        return {int(row["index"]): row for row in csv.DictReader(file)}


def campaign(kind: str, *, unchecked: bool = False, seed: int = DEFAULT_SEED, **fields: Any) -> Campaign:
    folder = DATA / "devign"
    return Campaign(
        victim=str(ROOT / "examples" / "victims" / "codebert-3mb-vulnerability.yaml"),
        task="vulnerability",
        data=f"devign:{folder / 'test_0_1366.jsonl.gz'}",
        candidates=str(folder / "test_substitutes_codebert_0_1366.jsonl.gz"),
        attack={"kind": kind, **fields},
        seed=seed,
        unchecked=unchecked,
    )


def bare_cpu_seconds(victim: Any, texts: Sequence[str]) -> float:
    """Return CPU seconds a row of the bare network: ids made before, rows sorted by length, batches of 16."""
    step = max(1, len(texts) // BARE_ROWS)
    rows = sorted((victim.text(text) for text in list(texts)[::step][:BARE_ROWS]), key=len)
    with torch.inference_mode():
        start = time.process_time()
        for first in range(0, len(rows), BARE_BATCH):
            batch = rows[first : first + BARE_BATCH]
            length = max(map(len, batch))
            ids = torch.full((len(batch), length), victim.spec.framing.pad)
            mask = torch.zeros_like(ids)
            for index, row in enumerate(batch):
                ids[index, : len(row)] = torch.tensor(row)
                mask[index, : len(row)] = 1
            victim.network.logits(victim.network.states(ids, mask))
        return (time.process_time() - start) / len(rows)


def run(bench: Bench, samples: Sequence[Sample]) -> tuple[list[Outcome], dict[str, float]]:
    """Attack and time: CPU seconds a query against the bare forward on the very texts that were asked."""
    asked: list[str] = []
    predict = bench.oracle.victim.predict

    def recording(inputs: Sequence[Sample]) -> Any:
        asked.extend(sample.code for sample in inputs)
        return predict(inputs)

    bench.oracle.victim.predict = recording  # type: ignore[method-assign]
    wall, cpu = time.perf_counter(), time.process_time()
    outcomes = list(bench.outcomes(samples))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    bench.oracle.victim.predict = predict  # type: ignore[method-assign]
    queries = sum(outcome.queries for outcome in outcomes)
    bare = bare_cpu_seconds(bench.oracle.victim, asked)
    return outcomes, {
        "queries": queries,
        "forwards": bench.oracle.forwards,
        "cpu_ms_per_query": 1000 * cpu / queries,
        "bare_ms": 1000 * bare,
        "ratio": cpu / queries / bare,
        "queries_per_second": queries / wall,
        "driver_overhead": 1 - bench.oracle.seconds / wall,
        "duplicates": 1 - sum(outcome.forwards for outcome in outcomes) / queries,
    }


def describe(outcomes: Sequence[Outcome]) -> dict[str, float]:
    attacked = [outcome for outcome in outcomes if outcome.status.attacked]
    broken = [outcome for outcome in attacked if outcome.status is Status.SUCCESS]
    proven = [outcome for outcome in broken if outcome.reason in ("", "unchecked: valid")]
    return {
        "attacked": len(attacked),
        "asr": len(broken) / max(len(attacked), 1),
        "amq": sum(outcome.queries for outcome in attacked) / max(len(attacked), 1),
        "amq_success": sum(outcome.queries for outcome in broken) / max(len(broken), 1),
        "valid": len(proven) / max(len(broken), 1),
    }


def paired(outcomes: Sequence[Outcome], rows: Sequence[dict[str, str]]) -> dict[str, float]:
    """Compare with the released code on the same samples: an exact McNemar test on success."""
    pairs = [
        (outcome.status is Status.SUCCESS, row["success"] == "1")
        for outcome, row in zip(outcomes, rows, strict=True)
        if outcome.status.attacked
    ]
    ours, theirs = pairs.count((True, False)), pairs.count((False, True))
    p = binomtest(ours, ours + theirs).pvalue if ours + theirs else 1.0
    return {
        "compared": len(pairs),
        "reference_asr": sum(b for _, b in pairs) / max(len(pairs), 1),
        "only_ours": ours,
        "only_reference": theirs,
        "mcnemar_p": p,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--attacks", default="wir_random,mhm,alert,beam")
    parser.add_argument("--modes", default="checked,unchecked")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for kind in options.attacks.split(","):
        rows = dict(list(reference(kind).items())[: options.samples])
        for mode in options.modes.split(","):
            for seed in range(options.seeds):
                described = campaign(kind, unchecked=mode == "unchecked", seed=DEFAULT_SEED + seed)
                bench = described.open()
                samples = [described.all_samples[position] for position in rows]
                outcomes, cost = run(bench, samples)
                numbers = {**describe(outcomes), **cost, **paired(outcomes, list(rows.values()))}
                shown = {name: round(value, 4) for name, value in numbers.items()}
                print(json.dumps({"attack": kind, "mode": mode, "seed": seed, **shown}), flush=True)


if __name__ == "__main__":
    main()
