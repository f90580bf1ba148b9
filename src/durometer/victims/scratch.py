"""From a corpus and a preset to the victim of a task, whatever the task's kind."""

from __future__ import annotations

from pathlib import Path

from durometer.corpora.base import Corpus
from durometer.tasks.base import Task
from durometer.victims.loop import Progress, silent
from durometer.victims.presets import MASKED_LM, EncoderPreset, TrainConfig
from durometer.victims.pretrain import save_masked_lm
from durometer.victims.saved import SavedVictim
from durometer.victims.train import train_encoder
from durometer.victims.train_generator import train_generator


def train_victim(
    corpus: Corpus,
    task: Task,
    shape: EncoderPreset,
    plan: TrainConfig,
    folder: Path,
    *,
    seed: int,
    name: str,
    device: str = "cpu",
    work: Path | None = None,
    progress: Progress = silent,
) -> SavedVictim:
    """Train a victim; the masked language model that an encoder began as goes to ``folder``.

    Attacks may ask it for names. ``work`` is a folder for checkpoints, as in ``train_encoder``.

    Raises:
        InputError: a split is missing or empty, or its labels or references are unusable.

    """
    if task.kind == "generation":
        return train_generator(
            corpus, shape, plan, seed=seed, name=name, device=device, work=work, progress=progress
        )
    trained = train_encoder(
        corpus,
        shape,
        plan,
        seed=seed,
        pair=task.pair,
        classes=len(task.classes),
        name=name,
        device=device,
        work=work,
        progress=progress,
    )
    if trained.masked is not None:
        save_masked_lm(trained.masked, trained.victim.text.tokenizer, folder / MASKED_LM)
    return trained.victim
