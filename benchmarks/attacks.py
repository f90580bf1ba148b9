"""The attacks on two published 3 MB students: success, queries, and cost as a ratio to the bare forward pass.

    python benchmarks/attacks.py [--samples N] [--data devign,bigclonebench] [--attacks alert,beam,…] [--json]
    python benchmarks/attacks.py --modes unchecked --seeds 3    against the released code, sample by sample
    python benchmarks/attacks.py --shape base                   a 125 M-parameter victim, drawn at random
    python benchmarks/attacks.py --workers 1 2 1 2              processes: run it on an idle machine
    python benchmarks/attacks.py --table FILE …                 the tables of what --json wrote into files

Devign's samples are the first N of the reference runs (released code, same victim, same candidate file), so
that rows can be compared one by one; BigCloneBench's are the first N pairs of the test split. Needs the
bench data (DUROMETER_BENCH_DATA, default ../shared/data). One thread a process.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.stats import binomtest

from durometer.attacks.base import DEFAULT_SEED
from durometer.attacks.campaign import Attacker, Campaign
from durometer.types import Outcome, Sample, Status

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DUROMETER_BENCH_DATA", ROOT.parent / "shared" / "data"))
REFERENCE = {"alert": "alert", "beam": "beam", "mhm": "mhm", "wir_random": "wir"}
BARE_ROWS, BARE_BATCH = 64, 16


def reference(kind: str) -> dict[int, dict[str, str]]:
    """Return the rows of the released code's run, by position in the data file."""
    path = DATA / "reference-runs" / f"devign_3mb_{REFERENCE[kind]}.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        return {int(row["index"]): row for row in csv.DictReader(file)}


def campaign(
    kind: str, data: str = "devign", *, unchecked: bool = False, seed: int = DEFAULT_SEED, **fields: Any
) -> Campaign:
    folder, task, file, substitutes = {
        "devign": (DATA / "devign", "vulnerability", "test_0_1366.jsonl.gz", "0_1366"),
        "bigclonebench": (DATA / "bigclonebench", "clone", "#test_sampled", "0_2000"),
    }[data]
    return Campaign(
        victim=str(ROOT / "examples" / "victims" / f"codebert-3mb-{task}.yaml"),
        task=task,
        data=f"{data}:{folder}{file if file.startswith('#') else '/' + file}",
        candidates=str(folder / f"test_substitutes_codebert_{substitutes}.jsonl.gz"),
        attack={"kind": kind, **fields},
        seed=seed,
        unchecked=unchecked,
    )


def bare_cpu_seconds(victim: Any, texts: Sequence[str]) -> float:
    """Return CPU seconds a row of the bare network: ids made before, rows sorted by length, batches of 16."""
    step = max(1, len(texts) // BARE_ROWS)
    rows = sorted((victim.text(text) for text in list(texts)[::step][:BARE_ROWS]), key=len)
    batches = [rows[first : first + BARE_BATCH] for first in range(0, len(rows), BARE_BATCH)]
    with torch.inference_mode():
        forward(victim, batches[-1])  # a warm-up: the first pass of its size also waits for memory
        start = time.process_time()
        for batch in batches:
            forward(victim, batch)
        return (time.process_time() - start) / len(rows)


def forward(victim: Any, batch: Sequence[Sequence[int]]) -> None:
    ids = torch.full((len(batch), max(map(len, batch))), victim.spec.framing.pad)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(batch):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    states = victim.network.states(ids, mask)
    victim.network.logits(states, states if victim.spec.head.pair else None)


def run(bench: Attacker, samples: Sequence[Sample]) -> tuple[list[Outcome], dict[str, float]]:
    """Attack and time: CPU seconds a query against the bare forward on the very texts that were asked.

    ``encoded`` counts the rows that went through the network: a query that the memo answers costs none, nor
    does one that lazy evaluation never asks or whose ids are known (a rename beyond the window).
    """
    asked: list[str] = []
    network, predict = bench.oracle.victim.network, bench.oracle.victim.predict
    states, encoded = network.states, 0

    def counting(ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        nonlocal encoded
        encoded += len(ids)
        return states(ids, mask)

    def recording(inputs: Sequence[Sample]) -> Any:
        asked.extend(sample.code for sample in inputs)
        return predict(inputs)

    bench.oracle.victim.predict, network.states = recording, counting  # type: ignore[method-assign]
    wall, cpu = time.perf_counter(), time.process_time()
    outcomes = list(bench.outcomes(samples))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    bench.oracle.victim.predict, network.states = predict, states  # type: ignore[method-assign]
    queries = sum(outcome.queries for outcome in outcomes)
    bare = bare_cpu_seconds(bench.oracle.victim, asked)
    return outcomes, {
        "queries": queries,
        "forwards": bench.oracle.forwards,
        "encoded": encoded,
        "cpu_ms_per_query": 1000 * cpu / queries,
        "bare_ms": 1000 * bare,
        "ratio": cpu / queries / bare,
        "ratio_encoded": cpu / encoded / bare,
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
    """Compare with the released code on the same samples, of which it attacked every one."""
    pairs = [
        (outcome.status is Status.SUCCESS, row["success"] == "1")
        for outcome, row in zip(outcomes, rows, strict=True)
        if outcome.status.attacked
    ]
    ours, theirs = pairs.count((True, False)), pairs.count((False, True))
    return {
        "compared": len(pairs),
        "reference_asr": sum(b for _, b in pairs) / max(len(pairs), 1),
        "only_ours": ours,
        "only_reference": theirs,
        "mcnemar_p": binomtest(ours, ours + theirs).pvalue if ours + theirs else 1.0,
    }


def difference(
    runs: Sequence[Sequence[Outcome]], rows: Sequence[dict[str, str]], draws: int = 10_000
) -> dict[str, float]:
    """Return our rate minus the reference's and its 95 % interval (samples drawn, seeds averaged)."""
    both = [
        sum(run[i].status is Status.SUCCESS for run in runs) / len(runs) - (row["success"] == "1")
        for i, row in enumerate(rows)
        if all(run[i].status.attacked for run in runs)
    ]
    values = np.array(both)
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"compared": len(values), "difference": values.mean(), "low": low, "high": high}


def run_table(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Attack and time every combination asked for."""
    records = []
    for data, kind, mode in product(options.data, options.attacks, options.modes):
        rows = dict(list(reference(kind).items())[: options.samples]) if data == "devign" else {}
        runs = []
        for seed in range(options.seeds):
            described = campaign(
                kind, data, unchecked=mode == "unchecked", seed=DEFAULT_SEED + seed, **released(kind, mode)
            )
            bench = described.open()
            positions = rows or range(options.samples)
            outcomes, cost = run(bench, [described.all_samples[position] for position in positions])
            runs.append(outcomes)
            numbers = {**describe(outcomes), **cost}
            numbers |= paired(outcomes, list(rows.values())) if rows else {}
            records.append({"data": data, "attack": kind, "mode": mode, "seed": seed, **numbers})
            show(records[-1], options)
        if rows:
            records.append(
                {"data": data, "attack": kind, "mode": mode} | difference(runs, list(rows.values()))
            )
            show(records[-1], options)
    return records


def released(kind: str, mode: str) -> dict[str, Any]:
    """Return the switches that follow the released code rather than the paper, for the unchecked mode."""
    fields = {"mhm": {"keep": "last"}, "beam": {"group_order": "released"}}
    return fields.get(kind, {}) if mode == "unchecked" else {}


def run_base(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Attack a RoBERTa of base shape, its weights drawn, and time what is not the victim."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    card = yaml.safe_load((ROOT / "examples" / "victims" / "codebert-3mb-vulnerability.yaml").read_text())
    student = DATA / "compressor-3mb" / "codebert-3mb-vulnerability" / "hf"
    torch.manual_seed(0)
    model = RobertaForSequenceClassification(RobertaConfig(max_position_embeddings=514))
    records = []
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(student / name, Path(folder) / name)
        path = Path(folder) / "card.yaml"
        path.write_text(yaml.safe_dump({**card, "name": "roberta-base-shape", "path": folder}))
        for kind in options.attacks:
            described = replace(campaign(kind), victim=str(path), max_queries=options.max_queries)
            bench = described.open()
            # Drawn weights answer the same to everything: attack samples of which that is the label.
            (first,) = bench.oracle.predict(described.all_samples[:1])
            samples = [sample for sample in described.all_samples if sample.label == first.label]
            bench.oracle.seconds, bench.oracle.forwards = 0.0, 0
            outcomes, cost = run(bench, samples[: options.samples])
            parameters = sum(parameter.numel() for parameter in model.parameters())
            records.append(
                {"shape": "base", "parameters": parameters, "attack": kind, **describe(outcomes), **cost}
            )
            show(records[-1], options)
    return records


def run_workers(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time `durometer attack` with each number of processes; start-up is taken out by a two-sample run."""
    from durometer.study.campaign import CampaignRun

    records = []
    for data, kind, workers in product(options.data, options.attacks, options.workers):
        summaries = []
        for limit in (2, options.samples):
            with tempfile.TemporaryDirectory() as folder:
                attempt = CampaignRun(replace(campaign(kind, data), limit=limit), Path(folder))
                attempt.attack(workers)
                summaries.append(attempt.finish())
        short, long = summaries
        rate = (long["queries"] - short["queries"]) / (long["seconds"] - short["seconds"])
        record = {"data": data, "attack": kind, "workers": workers, "queries_per_second": rate}
        records.append({**record, "seconds": long["seconds"]})
        show(records[-1], options)
    return records


def show(record: dict[str, Any], options: argparse.Namespace) -> None:
    rounded = {name: round(v, 4) if isinstance(v, float) else v for name, v in record.items()}
    print(json.dumps(rounded), file=sys.stderr if options.json else sys.stdout, flush=True)


COLUMNS = {
    "data": "{data}",
    "attack": "{attack}",
    "attacked": "{attacked}",
    "ASR": "{asr:.1%}",
    "reference": "{reference_asr:.1%}",
    "only ours / only reference": "{only_ours} / {only_reference}",
    "AMQ (successes)": "{amq:.0f} ({amq_success:.0f})",
    "valid": "{valid:.0%}",
    "queries": "{queries}",
    "queries/s": "{queries_per_second:.1f}",
    "forwards / queries": "{forwards_share:.2f}",
    "through the network / queries": "{encoded_share:.2f}",
    "CPU ms a query": "{cpu_ms_per_query:.1f}",
    "bare ms": "{bare_ms:.1f}",
    "ratio": "{ratio:.2f}",
    "goal": "{goal:.2f}",
    "driver overhead": "{driver_overhead:.1%}",
}


def table_of(paths: Sequence[Path]) -> str:
    """Return a Markdown table of the timed runs in files that ``--json`` wrote."""
    records = [record for path in paths for record in json.loads(path.read_text())]
    rows = []
    for record in records:
        if "ratio" not in record:
            continue
        for name in {"forwards", "encoded"} & set(record):
            record[f"{name}_share"] = record[name] / record["queries"]
        known = {**record, "goal": 1.15 * (1 - record["duplicates"])}
        rows.append([cell(pattern, known) for pattern in COLUMNS.values()])
    head = [list(COLUMNS), ["---"] * len(COLUMNS)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])


def cell(pattern: str, record: dict[str, Any]) -> str:
    try:
        return pattern.format(**record).replace("%", " %")
    except KeyError:
        return "–"


def names(text: str) -> list[str]:
    return text.split(",")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--data", type=names, default=["devign", "bigclonebench"])
    parser.add_argument("--attacks", type=names, default=["wir_random", "mhm", "alert", "beam"])
    parser.add_argument("--modes", type=names, default=["checked"], help="checked, unchecked")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--shape", choices=["student", "base"], default="student")
    parser.add_argument("--max-queries", type=int, default=40, help="of one sample, for --shape base")
    parser.add_argument("--workers", type=int, nargs="*", help="time this many processes, in turn")
    parser.add_argument("--json", action="store_true", help="end with one JSON array; lines go to stderr")
    parser.add_argument("--table", type=Path, nargs="*", help="print these results; measure nothing")
    options = parser.parse_args()
    if options.table:
        print(table_of(options.table))
        return
    torch.set_num_threads(1)
    table = run_workers if options.workers else run_base if options.shape == "base" else run_table
    records = table(options)
    if options.json:
        print(json.dumps(records, default=float))


if __name__ == "__main__":
    main()
