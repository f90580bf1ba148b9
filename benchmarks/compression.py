"""What each compression does to size and speed: CPU time of one thread, beside the original in the same run.

    python3 benchmarks/compression.py [--json] [--shape base|small] [--rounds N]

``base`` is RoBERTa-base's shape (125 M parameters), ``small`` 4 layers × 256; both with weights drawn, on
rows of 256 ids. Variants are made and timed one after another, each taking turns with the original (batches
of 1 and of 8), so that two models at most are in memory and every ratio is of one moment. The head's bias is
set so that the original gives each class to half of the samples: agreement is that of answers, not of a
constant.
Weights that were never trained say nothing of accuracy.

Writes ``benchmarks/compression.md`` when both shapes are measured and results are not asked for as JSON.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from durometer.compress import compress, parse_compression
from durometer.corpora.base import Corpus
from durometer.errors import DurometerError
from durometer.rng import stream
from durometer.study.provenance import processor
from durometer.types import Sample
from durometer.victims.cpu import cpu_capability
from durometer.victims.encoder import HeadConfig
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.measure import size_bytes
from durometer.victims.presets import EncoderPreset
from durometer.victims.text import Framing

SHAPES = {
    "base": EncoderPreset(
        vocabulary=50265, hidden=768, layers=12, heads=12, feed_forward=3072, max_length=512, pooling="first"
    ),
    "small": EncoderPreset(
        vocabulary=10000, hidden=256, layers=4, heads=4, feed_forward=1024, max_length=512, pooling="first"
    ),
}
ROUNDS = {"base": 1, "small": 5}
LENGTH = 256  # of the rows that are timed
SAMPLES, CALIBRATION, SHORT = 12, 8, 64  # rows whose answers are compared, and that calibrate; their length
BOTH = {"kind": "structured_prune", "heads": 0.5, "feed_forward": 0.5}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "original (fp32)": [],
    "bf16": [{"kind": "bf16"}],
    "int8": [{"kind": "int8"}],
    "int4": [{"kind": "int4"}],
    "unstructured 50 %": [{"kind": "magnitude_prune", "sparsity": 0.5}],
    "heads 50 %": [{"kind": "structured_prune", "heads": 0.5}],
    "feed-forward 50 %": [{"kind": "structured_prune", "feed_forward": 0.5}],
    "heads + feed-forward 50 %": [BOTH],
    "half the layers": [{"kind": "structured_prune", "layers": 0.5}],
    "heads + feed-forward 50 %, int8": [BOTH, {"kind": "int8"}],
    "onnx (fp32)": [{"kind": "onnx"}],
    "onnx_int8": [{"kind": "onnx_int8"}],
    "openvino_static_int8": [{"kind": "openvino_static_int8", "samples": CALIBRATION}],
    "heads + feed-forward 50 %, onnx_int8": [BOTH, {"kind": "onnx_int8"}],
    "heads + feed-forward 50 %, openvino_static_int8": [
        BOTH,
        {"kind": "openvino_static_int8", "samples": CALIBRATION},
    ],
}
RESULTS = Path(__file__).with_suffix(".md")


def drawn(shape: EncoderPreset, samples: list[Sample]) -> EncoderVictim:
    """Return a victim of this shape with weights drawn; a word is an id."""
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(shape.vocabulary)}, unk_token="w3"))
    tokenizer.pre_tokenizer = Whitespace()
    framing = Framing(max_length=shape.max_length)
    spec = EncoderSpec(
        encoder=shape.encoder(shape.vocabulary), head=HeadConfig(pooling=shape.pooling), framing=framing
    )
    torch.manual_seed(0)
    victim = EncoderVictim(EncoderVictim.build(spec), tokenizer, spec)
    logits = victim.logits(samples)
    with torch.no_grad():
        victim.network.head.out_proj.bias[0] += (logits[:, 1] - logits[:, 0]).median()
    victim.forget()
    return victim


def rows(shape: EncoderPreset, count: int) -> list[Sample]:
    """Return samples of exactly ``SHORT`` ids, framing included."""
    rng = stream(1, "benchmark rows")
    words = rng.integers(5, shape.vocabulary, (count, SHORT - 2))
    return [
        Sample(id=str(i), code=" ".join(f"w{w}" for w in row), language="python", label=0)
        for i, row in enumerate(words.tolist())
    ]


def speeds(original: EncoderVictim, variant: EncoderVictim, rounds: int) -> dict[str, float]:
    """Return the ratio of least CPU times, original over variant, at batches of 1 and of 8."""
    found = {}
    ids = torch.randint(5, 1000, (8, LENGTH), generator=torch.Generator().manual_seed(1))
    for batch, turns in ((1, 3 * rounds), (8, rounds)):  # the least: the rest is other work on the machine
        times: tuple[list[float], list[float]] = ([], [])
        with torch.inference_mode():
            for turn in range(turns + (batch == 1)):
                for victim, seconds in zip((original, variant), times, strict=True):
                    start = time.process_time()
                    victim.network.states(ids[:batch])
                    if turn or batch > 1:  # the first turn warms up
                        seconds.append(time.process_time() - start)
        found[f"speed_b{batch}"] = round(min(times[0]) / min(times[1]), 3)
    return found


def measured(name: str, shape: EncoderPreset, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield one record a variant; where an engine is missing, nulls and the reason."""
    samples = rows(shape, SAMPLES + CALIBRATION)
    tests, data = samples[:SAMPLES], Corpus("drawn", "vulnerability", {"valid": samples[SAMPLES:]})
    original = drawn(shape, tests)
    size, answers = size_bytes(original), [p.label for p in original.predict(tests)]
    for variant, steps in VARIANTS.items():
        start = time.process_time()
        record: dict[str, Any] = {"shape": name, "variant": variant}
        try:
            smaller = compress(original, [parse_compression(s) for s in steps], data, seed=1)
        except Exception as error:  # missing extras, refusals, whatever an engine raises: said in its row
            keys = ("size_ratio", "speed_b1", "speed_b8", "agreement", "simulated")
            why = error.what if isinstance(error, DurometerError) else f"{type(error).__name__}: {error}"
            yield record | dict.fromkeys(keys) | {"cpu": cpu_capability(), "not_measured": why}
            continue
        same = [a == p.label for a, p in zip(answers, smaller.predict(tests), strict=True)]
        record |= {"size_ratio": round(size_bytes(smaller) / size, 4), **speeds(original, smaller, rounds)}
        record |= {"agreement": round(sum(same) / len(same), 3)}
        record |= {"simulated": bool(smaller.spec.notes["simulated"]), "cpu": cpu_capability()}
        del smaller
        gc.collect()
        print(f"{json.dumps(record)} {time.process_time() - start:.0f} CPU s", file=sys.stderr, flush=True)
        yield record


def markdown(records: list[dict[str, Any]]) -> str:
    """Return the results as the page that is kept beside this script."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    lines = [
        "# Compression: size and speed",
        "",
        f"`python3 benchmarks/compression.py`, {datetime.date.today()}: {processor()} with "
        f"**{cpu_capability()}**, one thread, torch {torch.__version__}, CPU time,",
        f"rows of {LENGTH} ids, each variant in turns with the original; weights drawn. Size is that of "
        "weights and engine files. Agreement is over",
        f"{SAMPLES} samples of {SHORT} ids on weights that were never trained: it shows the arithmetic, not "
        "the accuracy.",
        f"CPU seconds of the whole run: {time.process_time():.0f}; peak memory: {peak:.1f} GB.",
    ]
    for shape in dict.fromkeys(r["shape"] for r in records):
        lines += ["", f"## {shape}", "", "| variant | size | speed b1 | speed b8 | agreement | |"]
        lines += ["|---|---|---|---|---|---|"]
        for r in (r for r in records if r["shape"] == shape):
            values = (r[key] for key in ("size_ratio", "speed_b1", "speed_b8", "agreement"))
            cells = " | ".join("–" if value is None else f"{value:.2f}" for value in values)
            note = f"not measured: {r['not_measured']}" if "not_measured" in r else ""
            lines.append(f"| {r['variant']} | {cells} | {'simulated' if r['simulated'] else note} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--shape", choices=sorted(SHAPES))
    parser.add_argument("--rounds", type=int, help="by default 1 for base, 5 for small")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = [arguments.shape] if arguments.shape else list(SHAPES)
    records = [r for name in names for r in measured(name, SHAPES[name], arguments.rounds or ROUNDS[name])]
    if arguments.json:
        print(json.dumps(records))
        return
    text = markdown(records)
    print(text)
    notes = RESULTS.read_text().partition("\n## Reading") if RESULTS.exists() else ("", "", "")
    if not arguments.shape:
        RESULTS.write_text(text + "".join(notes[1:]))


if __name__ == "__main__":
    main()
