"""Distil our own encoder, in the published 3 MB architecture, from the published teacher's predictions.

    python3 benchmarks/distillation.py [--choose] [--pairs 90102] [--epochs 3.5] [--length 128] [--threads 2]

BigCloneBench and the predictions that Compressor's authors released for CodeBERT (hard classes, half of the
pairs unlabelled). Says the accuracy on test_sampled beside the published student's, and the time it took.
``--choose`` first picks learning rate and batch: short pilots, ranked on pairs of valid_sampled that keep no
weights; the test pairs are read once, at the end. ``--unlabelled`` takes the unlabelled half, as the paper.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from durometer.compress.distill import distill_predictions
from durometer.compress.distill_config import COMPRESSOR_3MB, Distill
from durometer.corpora.base import Corpus
from durometer.corpora.files import existing, lines
from durometer.corpora.pairs import bigclonebench
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.measure import parameters, size_bytes
from durometer.victims.presets import EncoderPreset

REPOSITORY = Path(__file__).resolve().parent.parent
PUBLISHED = 0.954
CANDIDATES = ((5e-4, 16), (1e-3, 16), (2e-3, 16), (1e-3, 32))  # learning rate, batch
PILOT_PAIRS, PILOT_EPOCHS = 20_000, 0.7
KEPT, RANKED = 400, 1000  # of the validation pairs: what keeps the best weights, what ranks the pilots


def progress(stage: str, done: int, total: int, message: str) -> None:
    if done % 50 == 0 or done == total or "validation" in message:
        print(
            f"  {stage} {done}/{total} {message} ({time.process_time():.0f} CPU s)",
            file=sys.stderr,
            flush=True,
        )


def sampled(pattern: str, folder: Path, count: int) -> tuple[Path, int]:
    """Write the first ``count`` predictions of the files, taking turns, into one file."""
    parts = [list(lines(path)) for path in sorted(folder.glob(pattern))]
    turns = [text for row in zip(*parts, strict=False) for _, text in row][:count]
    path = Path(tempfile.mkdtemp(prefix="durometer-")) / "predictions.txt"
    path.write_text("\n".join(turns) + "\n")
    return path, len(turns)


def right(student: EncoderVictim, samples: list[object]) -> float:
    answers = student.predict(samples)  # type: ignore[arg-type]
    return sum(a.label == s.label for a, s in zip(answers, samples, strict=True)) / len(samples)  # type: ignore[attr-defined]


def trained(arguments: argparse.Namespace, data: Corpus, *, work: Path | None) -> tuple[EncoderVictim, int]:
    """Return the student and the number of pairs that taught it."""
    pattern = "teacher_predictions_unlabel*" if arguments.unlabelled else "teacher_predictions_*"
    file, pairs = sampled(pattern, data_folder(), arguments.pairs)
    config = Distill(
        student=COMPRESSOR_3MB.model_copy(update={"max_length": arguments.length}),
        teacher=str(file),
        temperature=1,
        hard=0,
        memory=True,
        epochs=arguments.epochs,
        batch=arguments.batch,
        learning_rate=arguments.learning_rate,
    )
    kept = replace(data, splits={**data.splits, "valid": data.splits["valid"][:KEPT]})
    template = EncoderPreset(dropout=0.0)
    student = distill_predictions(
        config, kept, template=template, pair=True, seed=1, progress=progress, work=work
    )
    return student, pairs


def chosen(arguments: argparse.Namespace, data: Corpus) -> argparse.Namespace:
    """Return the arguments with the learning rate and batch whose pilot does best on validation pairs."""
    ranked = list(data.splits["valid"][KEPT : KEPT + RANKED])
    found: list[tuple[float, float, int]] = []
    for rate, batch in CANDIDATES:
        pilot = {"pairs": PILOT_PAIRS, "epochs": PILOT_EPOCHS, "learning_rate": rate, "batch": batch}
        student, _ = trained(argparse.Namespace(**{**vars(arguments), **pilot}), data, work=None)
        found.append((right(student, ranked), rate, batch))
        print(
            f"pilot: learning rate {rate:g}, batch {batch}: {found[-1][0]:.3f} on validation",
            file=sys.stderr,
            flush=True,
        )
    _, rate, batch = max(found, key=lambda row: row[0])
    return argparse.Namespace(**{**vars(arguments), "learning_rate": rate, "batch": batch})


def data_folder() -> Path:
    root = Path(os.environ.get("DUROMETER_BENCH_DATA", REPOSITORY.parent / "shared" / "data"))
    return existing(root / "bigclonebench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--choose", action="store_true", help="pick learning rate and batch on valid_sampled")
    parser.add_argument("--pairs", type=int, default=90102)
    parser.add_argument("--epochs", type=float, default=3.5)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--unlabelled", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--work", type=Path, help="folder for checkpoints; a killed run goes on from there")
    parser.add_argument("--save", type=Path, help="folder for the student")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = bigclonebench(str(data_folder()), split=None, task="clone")
    if arguments.choose:
        arguments = chosen(arguments, data)
    start, wall = time.process_time(), time.monotonic()
    student, pairs = trained(arguments, data, work=arguments.work)
    seconds, wall = time.process_time() - start, time.monotonic() - wall
    if arguments.save:
        student.save(arguments.save, probes=list(data.splits["test"][:8]))
    valid = list(data.splits["valid"][KEPT : KEPT + RANKED])
    result = {
        "pairs": pairs,
        "epochs": arguments.epochs,
        "length": arguments.length,
        "learning_rate": arguments.learning_rate,
        "batch": arguments.batch,
        "parameters": parameters(student),
        "size_bytes": size_bytes(student),
        "threads": arguments.threads,
        "cpu_seconds": round(seconds),
        "wall_seconds": round(wall),
        "validation": round(right(student, valid), 4),
        "accuracy": round(right(student, list(data.splits["test"])), 4),
        "published": PUBLISHED,
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k:13} {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
