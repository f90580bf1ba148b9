"""``durometer eval``: what a victim answers when nobody attacks it, beside what a bag of words reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from durometer.tasks.base import Task
    from durometer.types import Prediction, Sample
    from durometer.victims.saved import SavedVictim

SLICE = 32


def command(
    victim: Annotated[str, typer.Option(help="A victim card (.yaml), a folder, or a hub id.")],
    data: Annotated[str, typer.Option(help="FORMAT:PATH[#split], as in bigclonebench:DIR#test.")],
    task: Annotated[str | None, typer.Option(help="Task; by default the card's or the head's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many samples.")] = None,
    hold_out_cwe: Annotated[
        str | None, typer.Option("--hold-out-cwe", help="Test on this CWE alone, as in CWE-78.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1, …; auto: a GPU where there is one.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Torch threads.")] = 1,
    allow_download: Annotated[bool, typer.Option(help="Fetch a hub id that is not cached.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Measure a victim on the samples of a data file.

    The floor is what a bag of words reaches on the same samples: a model that does not beat it has learnt
    nothing that an attack could take away. It is fitted on the training split where the data has one;
    without one, it is cross-validated within the samples (a clone floor just weighs words, without labels).
    What is unusual about the data (skipped lines, repeated ids, one class, test snippets that training has
    too) is said as notes; with --json under "notes", which is absent where there is nothing to say.
    """
    from dataclasses import replace
    from json import dumps

    import torch

    from durometer.cli._notes import tell
    from durometer.corpora.spec import parse_spec
    from durometer.tasks.base import TASKS
    from durometer.victims.device import resolved
    from durometer.victims.load import load_victim, task_of

    spec = parse_spec(data)
    torch.set_num_threads(threads)
    model = load_victim(
        victim,
        allow_download=allow_download,
        device=resolved(device),
        kind=TASKS.get(task)().kind if task else "classification",
    )
    chosen = TASKS.get(task or task_of(model))()
    options = {"hold_out_cwe": hold_out_cwe} if hold_out_cwe else {}
    corpus = spec.read(chosen.name, options, allow_download=allow_download)
    split = "test" if "test" in corpus.splits else next(iter(corpus.splits))
    samples = corpus.splits[split][:limit]
    corpus = replace(corpus, splits={**corpus.splits, split: samples})
    predictions, seconds = answers(model, chosen, samples)
    train = corpus.splits.get("train", ()) if split != "train" else ()
    numbers = _numbers(chosen, train, samples, predictions, seconds)
    notes = {name: note for name, note in corpus.notes.items() if name != "source"}
    if json:
        print(dumps(numbers | ({"notes": notes} if notes else {})))
        return
    tell(corpus.notes)
    typer.echo(f"{model.name} on {replace(spec, split=spec.split or split)} ({chosen.name})")
    _print(numbers)
    typer.echo(f"  floor        {'fitted on the training split' if train else 'from these samples alone'}")
    cut = sum(model.text.truncated(sample.code, sample.other) for sample in samples)
    if cut:
        typer.echo(f"  {cut} snippets are longer than the window of {model.spec.framing.max_length} ids")


def _numbers(
    task: Task,
    train: Sequence[Sample],
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    seconds: float,
) -> dict[str, Any]:
    """Return measures and floor; for vulnerabilities also ``cwes``, where the data names them."""
    from durometer.tasks.scoring import BinaryClassification
    from durometer.tasks.vulnerability import measures_by_cwe

    measures, floor = _rounded(task.measure(samples, predictions)), _rounded(task.floor(train, samples))
    keys, key = list(measures), task.headline
    if isinstance(task, BinaryClassification):
        keys, key = ["accuracy", "precision", "recall", "f1", "mcc", "auc"], "auc"
    numbers: dict[str, Any] = {key: measures.get(key) for key in keys} | {f"floor_{key}": floor.get(key)}
    if task.name == "vulnerability":
        cwes = {cwe: _rounded(found) for cwe, found in measures_by_cwe(samples, predictions).items()}
        numbers |= {"cwes": cwes} if cwes else {}
    return {"samples": len(samples), **numbers, "seconds": round(seconds, 2)}


def _print(numbers: dict[str, Any]) -> None:
    for key, value in numbers.items():
        if key != "cwes":
            typer.echo(f"  {key:12} {'–' if value is None else value}")
    for cwe, found in numbers.get("cwes", {}).items():
        parts = (f"{key} {found[key]}" for key in ("accuracy", "f1", "mcc"))
        typer.echo(f"  CWE-{cwe:8} {', '.join(parts)} ({found['samples']:.0f} samples)")


def answers(victim: SavedVictim, task: Task, samples: Sequence[Sample]) -> tuple[list[Prediction], float]:
    """Return checked predictions and the seconds that they took, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from durometer.victims.oracle import Oracle

    oracle = Oracle(victim, task)
    predictions: list[Prediction] = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        job = bar.add_task("answering", total=len(samples))
        for start in range(0, len(samples), SLICE):
            predictions += oracle.predict(samples[start : start + SLICE])
            bar.update(job, completed=len(predictions))
    return predictions, oracle.seconds


def _rounded(values: Any) -> dict[str, float | None]:
    from math import isnan

    return {key: None if isnan(value) else round(float(value), 4) for key, value in values.items()}
