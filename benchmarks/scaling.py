"""How a study scales: planning, throughput by workers, the driver's memory, and the published study's cost.

    python benchmarks/scaling.py                 planning 10,000 cells; two workers against one
    python benchmarks/scaling.py --memory        the driver's peak memory at 10,000 to 100,000 outcomes
    python benchmarks/scaling.py --paper         docs/scaling.md's tables, from the rates below
    python benchmarks/scaling.py --gpu           the same from the rates of the GPU here, measured in a minute
    python benchmarks/scaling.py --forward       a 125 M-parameter model's forward pass on one thread here

The victim of the throughput runs costs a fixed amount of arithmetic, so that the figures speak about the
machinery and the cores, not about a model. Runs alternate (1, 2, 1, 2, …), and the ratio is that of the
rates while attacking: starting Python and writing the report are not parallel, and are shown apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from durometer.study.calibrate import BEAMS, MEMO_SHARE, PYTHON_SECONDS, SNIPPET_IDS, SUMMARY_TOKENS
from durometer.study.estimate import PUBLISHED_QUERIES

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "tests" / "study" / "plugins"
SAMPLES = 1600
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
    """Return samples a second while attacking, and overall, for one run with ``workers`` processes."""
    script = (
        "import sys, time; from pathlib import Path\n"
        "from durometer.study.config import MachineOptions, StudyConfig\n"
        "from durometer.study.session import Session\n"
        "marks = []\n"
        "def listen(states):\n"
        "    cells = [s for s in states.values() if s.node.kind == 'cell']\n"
        "    marks.append((time.perf_counter(), sum(s.done for s in cells)))\n"
        "path, workers = Path(sys.argv[1]), int(sys.argv[2])\n"
        "if __name__ == '__main__':\n"
        "    started = time.perf_counter()\n"
        "    Session(path.read_text(), StudyConfig.load(path), path.parent / 'run',"
        " MachineOptions(workers=workers)).run(listen)\n"
        "    busy = [m for m in marks if workers * 16 <= m[1] <= 0.95 * marks[-1][1]]\n"
        "    rate = (busy[-1][1] - busy[0][1]) / (busy[-1][0] - busy[0][0])\n"
        "    print(rate, marks[-1][1] / (time.perf_counter() - started))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(STUDY)
        environment = os.environ | {"PYTHONPATH": str(PLUGINS), "TOY_SPIN": str(spin)}
        command = [sys.executable, "-c", script, str(path), str(workers)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    attacking, overall = map(float, done.stdout.split())
    return {"workers": workers, "attacking": attacking, "overall": overall}


def driver_peak_mb(outcomes: int) -> float:
    """Return the peak memory of a driver that schedules, compacts and joins ``outcomes`` rows of 5 kB."""
    script = (
        f"import sys; sys.path[:0] = [{str(PLUGINS)!r}, {str(ROOT / 'benchmarks')!r}]\n"
        f"import scaling; scaling.drive_rows({outcomes})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return float(done.stdout)


def drive_rows(outcomes: int) -> None:
    """Run a study whose cells are not attacked but written, and print this process's peak in megabytes."""
    import resource

    from durometer.study.artefacts import Artefacts
    from durometer.study.backends import InProcess
    from durometer.study.config import StudyConfig
    from durometer.study.plan import Node, plan_study
    from durometer.study.run import Runner
    from durometer.study.worker import Workshop
    from durometer.types import Outcome, Prediction, Status

    text = "\n".join(f"int value{i} = {i} * width;" for i in range(80))

    class Scribe(Workshop):
        def _outcomes(self, node: Node, sample_ids: tuple[str, ...]) -> Iterator[Outcome]:
            for sample in sample_ids:
                yield Outcome(
                    sample,
                    sample,
                    Status.FAILURE,
                    label=1,
                    original=Prediction((0.5, 0.5)),
                    queries=9,
                    original_code=text + sample,
                    adversarial_code=text + sample,
                    trajectory=tuple((n, 1 / n) for n in range(1, 20)),
                    fingerprint="scribe",
                )

    seeds = list(range(outcomes // 2000))
    study = STUDY.replace("[1, 2, 3, 4]", str(seeds)).replace("200", "1000")
    with tempfile.TemporaryDirectory() as folder:
        artefacts = Artefacts(Path(folder))
        artefacts.prepare()
        plan = plan_study(StudyConfig.parse(study))
        Runner(plan, artefacts, InProcess(Scribe(Path(folder), "cpu")), lambda states: None).run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def forward_ms(length: int) -> float:
    """Return the milliseconds of CPU of one forward pass of RoBERTa-base, drawn, on one thread."""
    import torch
    from transformers import AutoConfig, AutoModel

    torch.set_num_threads(1)
    model = AutoModel.from_config(AutoConfig.for_model("roberta", max_position_embeddings=514)).eval()
    ids = torch.randint(5, 50_000, (1, length))
    times = []
    with torch.inference_mode():
        for _ in range(4):
            started = time.process_time()
            model(input_ids=ids)
            times.append(time.process_time() - started)
    return 1000 * min(times)


def device_rates(device: str) -> dict[str, float]:
    """Return FLOP/s of a forward pass of 16 × 256 ids, and seconds of a decoding step of 10 beams.

    In fp32 and without TF32, as victims are attacked; both of base size (12 layers of 768), drawn weights.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    def seconds(work, repeats: int) -> float:
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            work()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        return statistics.median(times[repeats // 3 :])

    config = AutoConfig.for_model("roberta", max_position_embeddings=514)
    encoder = AutoModel.from_config(config).to(device).eval()
    decoder = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2")).to(device).eval()
    ids = torch.randint(5, 50_000, (16, 256), device=device)
    with torch.inference_mode():
        forward = seconds(lambda: encoder(input_ids=ids), 12 if device.startswith("cuda") else 3)
        cache = decoder(input_ids=ids[:1, :200], use_cache=True).past_key_values
        cache.batch_repeat_interleave(BEAMS)
        step = seconds(lambda: decoder(input_ids=ids[:BEAMS, :1], past_key_values=cache), SUMMARY_TOKENS)
    return {"flops": 2 * ENCODER_WEIGHTS * 16 * 256 / forward, "step_seconds": step}


# --- the published study on paper: see docs/scaling.md for where each number comes from ---
MODELS, VARIANTS = 3, 4
DATA = {  # test samples, share that the victim gets right and can be attacked
    "clone (BigCloneBench)": (4000, 0.95),
    "vulnerability (OWASP Benchmark)": (548, 0.9),  # a fifth of its 2,740 cases
    "vulnerability (Devign)": (2732, 0.62),
    "summarization (CodeSearchNet Java)": (4000, 0.9),
}
ENCODER_WEIGHTS = 85e6  # of a base model, without embeddings
PROJECTION_WEIGHTS = 38.6e6
GPU_FLOPS = 12e12  # assumed: an A100 in fp32 at 60 % of its 19.5 TFLOP/s; --gpu measures
GPU_STEP_SECONDS = (
    0.012  # assumed: one decoding step of 12 layers (kernel launches, whatever the batch); --gpu
)
MLM_ROWS = 8.6 * 3 * 60  # identifiers × occurrences × ranks a snippet (ALERT's candidates), once a snippet
RELEASED_MINUTES = (0.8, 6.5)  # a sample on a GPU: means over the results that the attacks' authors released


def paper(cpu_flops: float, gpu_flops: float, step_seconds: float, lockstep: int) -> dict[str, object]:
    """Return queries and hours of the published study on three machines.

    ``lockstep``: summaries that a GPU writes at once; this version writes one (with all its beams).
    """
    attacks = list(PUBLISHED_QUERIES.items())
    rows = []
    for name, (samples, attackable) in DATA.items():
        ids = SNIPPET_IDS[name.partition(" ")[0]]
        queries = samples * attackable * sum(q for _, q in attacks) * MODELS * VARIANTS
        forwards = samples * attackable * sum(q * (1 - MEMO_SHARE[a]) for a, q in attacks) * MODELS * VARIANTS
        read = 2 * ENCODER_WEIGHTS * ids
        written = 2 * (ENCODER_WEIGHTS + PROJECTION_WEIGHTS) * BEAMS * SUMMARY_TOKENS
        generates = name.startswith("summarization")
        flops = read + (written if generates else 0)
        steps = SUMMARY_TOKENS * step_seconds / lockstep if generates else 0
        rows.append(
            {
                "data": name,
                "attacked": samples * attackable * len(attacks) * MODELS * VARIANTS,
                "queries": queries,
                "forwards": forwards,
                "gpu_hours": forwards * (read / gpu_flops + steps) / 3600,
                "python_hours": queries * PYTHON_SECONDS / 3600,
                "cpu_hours": forwards * flops / cpu_flops / 3600,
                "candidates_cpu_hours": samples * MLM_ROWS * read / cpu_flops / 3600,
                "candidates_gpu_hours": samples * MLM_ROWS * read / gpu_flops / 3600,
            }
        )
    total = {key: sum(float(row[key]) for row in rows) for key in rows[0] if key != "data"}
    # One process feeds a device: its Python and the forward passes take turns.
    gpu = total["gpu_hours"] + total["candidates_gpu_hours"] + total["python_hours"]
    cpu = total["cpu_hours"] + total["candidates_cpu_hours"] + total["python_hours"]
    machines = {"1 GPU": gpu / 24, "8 GPUs": gpu / 8 / 24, "64 CPU workers": cpu / 64 / 24}
    released = [total["attacked"] * minutes / 60 / 24 for minutes in RELEASED_MINUTES]
    return {"data": rows, "total": total, "days": machines, "released_gpu_days": released}


def print_paper(record: dict[str, object]) -> None:
    heads = {
        "GPU hours": "gpu_hours",
        "CPU core hours": "cpu_hours",
        "Python hours": "python_hours",
        "names, GPU hours": "candidates_gpu_hours",
        "names, CPU core hours": "candidates_cpu_hours",
    }
    print(f"| data | queries | forwards | {' | '.join(heads)} |")
    print("|" + "---|" * (3 + len(heads)))
    for row in [*record["data"], {"data": "**all**", **record["total"]}]:
        hours = " | ".join(f"{row[key]:,.0f}" for key in heads.values())
        print(f"| {row['data']} | {row['queries'] / 1e6:.1f} M | {row['forwards'] / 1e6:.1f} M | {hours} |")
    print()
    print("| machine | days |")
    print("|---|---|")
    for machine, days in record["days"].items():
        print(f"| {machine} | {days:,.1f} |")
    low, high = record["released_gpu_days"]
    print(f"\nreleased code, one GPU: {low:,.0f} to {high:,.0f} days")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3, help="alternating runs of each number of workers")
    parser.add_argument("--spin", type=int, default=20_000, help="loop turns of arithmetic a query")
    parser.add_argument("--memory", type=int, nargs="*", help="numbers of outcomes")
    parser.add_argument("--paper", action="store_true", help="the published study on three machines")
    parser.add_argument("--forward", action="store_true", help="time a 125 M-parameter forward pass")
    parser.add_argument(
        "--cpu-gflops", type=float, default=74.0, help="of one core, in the forward pass (--forward)"
    )
    parser.add_argument(
        "--gpu",
        nargs="?",
        const="cuda",
        metavar="DEVICE",
        help="measure a GPU here, then print --paper from it",
    )
    parser.add_argument("--lockstep", type=int, default=1, help="summaries that a GPU writes at once")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(PLUGINS))
    record: dict[str, object] = {}
    if options.paper or options.gpu:
        rates = device_rates(options.gpu) if options.gpu else {}
        gpu = (rates.get("flops", GPU_FLOPS), rates.get("step_seconds", GPU_STEP_SECONDS))
        record = {"gpu": rates or "assumed"} | paper(options.cpu_gflops * 1e9, *gpu, options.lockstep)
        if not options.json:
            print(
                f"{gpu[0] / 1e12:.2f} TFLOP/s, {1000 * gpu[1]:.1f} ms a decoding step "
                f"({'measured' if rates else 'assumed'})\n"
            )
            print_paper(record)
            return
    elif options.forward:
        for length in (128, 256, 400):
            ms = forward_ms(length)
            record[f"{length} ids"] = {"ms": ms, "gflops": 2 * ENCODER_WEIGHTS * length / ms / 1e6}
    elif options.memory is not None:
        for outcomes in options.memory or (10_000, 50_000, 100_000):
            record[f"{outcomes} outcomes"] = {"driver_peak_mb": driver_peak_mb(outcomes)}
    else:
        runs = [throughput(w, options.spin) for _ in range(options.rounds) for w in options.workers]
        record = {"planning_seconds_10000_cells": planning_seconds(10_000), "runs": runs}
        first, last = (
            statistics.median(r["attacking"] for r in runs if r["workers"] == w)
            for w in (options.workers[0], options.workers[-1])
        )
        record["ratio"] = last / first
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
