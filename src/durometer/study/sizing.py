"""How many workers a machine takes, by its cores, memory and GPUs and the study's models."""

from __future__ import annotations

import os
from pathlib import Path

from durometer.errors import InputError
from durometer.study.config import MachineOptions, StudyConfig, VictimConfig

PROCESS_BYTES = 700_000_000  # torch, transformers and a small victim; measured 0.6 GB
COPIES = 5  # of a checkpoint while it is trained: weights, gradients, two moments, and room for activations


def memory_bytes() -> int:
    """Return the physical memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def worker_bytes(config: StudyConfig | None) -> int:
    """Return the memory that one worker needs at most, by the largest checkpoint that the study names."""
    largest = max(map(_checkpoint_bytes, config.victims), default=0) if config else 0
    return PROCESS_BYTES + COPIES * largest


def _checkpoint_bytes(victim: VictimConfig) -> int:
    path = Path(victim.card)
    if victim.card.endswith((".yaml", ".yml")) and path.exists():
        from durometer.victims.card import read_card

        path = Path(read_card(path).path)
    if not victim.card or not path.is_dir():
        return 0
    files = list(path.glob("*.safetensors")) or list(path.glob("pytorch_model*.bin"))
    return sum(file.stat().st_size for file in files)


def gpus() -> list[str]:
    """Return the GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    return [str(index) for index, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def choose_workers(machine: MachineOptions, config: StudyConfig | None = None) -> tuple[int, str]:
    """Return the number of workers and why: one a GPU, or one a core as far as memory goes.

    Raises:
        InputError: less than one worker is asked for.

    """
    if machine.backend == "in-process":
        return 1, "in-process: one worker"
    if machine.workers != "auto":
        if machine.workers < 1:
            raise InputError(f"at least one worker is needed, got {machine.workers}", where="--workers")
        return machine.workers, f"{machine.workers} workers, as asked"
    if machine.device == "cuda":
        count = max(1, len(gpus()))
        return count, f"{count} workers, one a GPU"
    cores, memory, each = len(os.sched_getaffinity(0)), memory_bytes(), worker_bytes(config)
    workers = max(1, min(cores, memory // each))
    return workers, (
        f"{workers} workers ({cores} cores, {memory / 1e9:.0f} GB of memory, {each / 1e9:.1f} GB each)"
    )
