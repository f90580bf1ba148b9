"""``durometer train``: a small victim from scratch, or a checkpoint fine-tuned; resumes after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from durometer.corpora.base import Corpus
    from durometer.victims.loop import Progress
    from durometer.victims.presets import TrainConfig
    from durometer.victims.saved import SavedVictim


def command(
    data: Annotated[str, typer.Option(help="FORMAT:PATH with train and valid splits.")],
    out: Annotated[Path, typer.Option(help="Folder for the victim.")],
    task: Annotated[str, typer.Option(help="clone, vulnerability or summarization.")] = "clone",
    preset: Annotated[str, typer.Option(help="Shape and plan of a from-scratch victim.")] = "small",
    checkpoint: Annotated[
        str | None, typer.Option(help="Fine-tune this card, folder or hub id instead of a preset.")
    ] = None,
    joined_pairs: Annotated[
        bool, typer.Option("--joined-pairs", help="Read a pair as one row, as cross-encoders do.")
    ] = False,
    samples: Annotated[int | None, typer.Option(min=2, help="Use only so many training samples.")] = None,
    epochs: Annotated[float | None, typer.Option(min=0.01, help="Instead of the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="Instead of the preset's.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Instead of the preset's.")] = None,
    seed: Annotated[int, typer.Option(help="Decides weights and order.")] = 123456,
    threads: Annotated[int | None, typer.Option(min=1, help="Torch threads; all cores by default.")] = None,
    hold_out_cwe: Annotated[
        str | None, typer.Option("--hold-out-cwe", help="Keep this CWE for testing, as in CWE-78.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1, …; auto: a GPU where there is one.")
    ] = "auto",
    allow_download: Annotated[bool, typer.Option(help="Fetch a hub id that is not cached.")] = False,
) -> None:
    """Fine-tune a victim; started again after any interruption, it ends with the same weights.

    The weights repeat to the bit for the same seed, machine and number of threads.
    """
    import os
    from dataclasses import replace

    import torch

    from durometer.cli._notes import tell
    from durometer.cli._training import TrainingProgress, workplace
    from durometer.corpora.spec import parse_spec
    from durometer.study.claim import claim
    from durometer.tasks.base import TASKS
    from durometer.victims.device import resolved
    from durometer.victims.presets import preset as named
    from durometer.victims.scratch import train_victim

    torch.set_num_threads(threads or os.cpu_count() or 1)
    shape, plan = named(preset)
    given = {"epochs": epochs, "learning_rate": learning_rate, "batch": batch}
    plan = plan.model_copy(update={key: value for key, value in given.items() if value is not None})
    options = {"hold_out_cwe": hold_out_cwe} if hold_out_cwe else {}
    if joined_pairs:
        shape = shape.model_copy(update={"joined_pairs": True})
    device = resolved(device)
    corpus = parse_spec(data).read(task, options, allow_download=allow_download)
    tell(corpus.notes)
    if samples is not None and "train" in corpus.splits:
        corpus = replace(corpus, splits={**corpus.splits, "train": corpus.splits["train"][:samples]})
    asked: dict[str, Any] = {
        "data": corpus.content_hash,
        "task": task,
        "checkpoint": checkpoint,
        "seed": seed,
    }
    asked |= {"shape": shape.model_dump(mode="json"), "plan": plan.model_dump(mode="json")}
    with workplace(out / "checkpoints") as work, TrainingProgress() as progress:
        claim(work / "training.json", asked, "training", free=not any(work.glob("*.safetensors")))
        if checkpoint is None:
            kind = TASKS.get(task)()
            victim: SavedVictim = train_victim(
                corpus, kind, shape, plan, out,
                seed=seed, name=out.name, device=device, work=work, progress=progress,
            )  # fmt: skip
        else:
            fetch = {"allow_download": allow_download, "device": device}
            victim = _fine_tuned(checkpoint, corpus, plan, seed, work, progress, fetch)
        victim.save(out, probes=corpus.splits.get("test") or corpus.splits["valid"])
    typer.echo(
        f"{out}: {victim.content_hash}. Next: durometer eval --victim {out} --task {task} --data {data}"
    )


def _fine_tuned(
    checkpoint: str,
    corpus: Corpus,
    plan: TrainConfig,
    seed: int,
    work: Path,
    progress: Progress,
    fetch: dict[str, Any],
) -> SavedVictim:
    """Train a checkpoint further: a classifier with its head, a summarizer as a study begins one."""
    from durometer.errors import RefusedError
    from durometer.tasks.base import TASKS
    from durometer.victims.generation import GeneratorVictim
    from durometer.victims.huggingface import EncoderVictim
    from durometer.victims.load import load_victim
    from durometer.victims.pretrained import pretrained_victim
    from durometer.victims.train import fine_tune
    from durometer.victims.train_generator import tune_generator

    if TASKS.get(corpus.task)().kind == "generation":
        writer = pretrained_victim(checkpoint, kind="generation", pair=False, classes=2, seed=seed, **fetch)
        assert isinstance(writer, GeneratorVictim)
        writer.spec = writer.spec.model_copy(update={"task": corpus.task})
        tune_generator(writer, corpus, plan, seed=seed, work=work, progress=progress)
        return writer
    victim = load_victim(checkpoint, untrained_head_seed=seed, **fetch)
    if not isinstance(victim, EncoderVictim):
        hint = "Fine-tune a summarizer with --task summarization."
        raise RefusedError(f"a summarizer cannot learn {corpus.task}", where=checkpoint, hint=hint)
    victim.spec = victim.spec.model_copy(update={"task": corpus.task})
    fine_tune(victim, corpus, plan, seed=seed, checkpoint=work / "fine-tune.safetensors", progress=progress)
    return victim
