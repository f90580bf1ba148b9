"""The training loop that pretraining, fine-tuning, distillation and recovery share.

AdamW, linear warm-up and decay, gradient accumulation and clipping; evaluation at fixed steps with the best
weights kept; checkpoints in safetensors. Random numbers are seeded by (seed, stage, step), and batches
are a function of the step, so a run that is killed and resumed ends with the same weights to the bit (on
the same machine and number of threads). On a GPU the forward pass runs in bfloat16 where that is safe
(autocast; its range needs no loss scaling), the weights and the optimiser stay in fp32.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from durometer.durable import write_atomically
from durometer.rng import derived_seed


class Progress(Protocol):
    """Called with the stage, steps done, steps in total and a short message (loss, measure)."""

    def __call__(self, stage: str, done: int, total: int, message: str) -> None:
        """Show it."""
        ...


RESUMED = "goes on from its checkpoint"  # the message of the call that says how far a killed run came


def silent(stage: str, done: int, total: int, message: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class LoopPlan:
    """What the optimiser does. ``evaluate_every`` counts steps; patience counts evaluations without gain."""

    stage: str
    steps: int
    learning_rate: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    accumulate: int = 1
    clip: float = 1.0
    evaluate_every: int = 0
    patience: int = 1_000_000
    checkpoint_steps: int = 50


@dataclass
class LoopState:
    """Where the loop is: everything that a checkpoint stores beside tensors."""

    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    stale: int = 0


def optimise(
    network: nn.Module,
    plan: LoopPlan,
    loss_at: Callable[[int], Tensor],
    *,
    seed: int,
    evaluate: Callable[[], float] | None = None,
    after_step: Callable[[], None] | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> LoopState:
    """Minimise ``loss_at(micro step)`` and leave the best weights by ``evaluate`` (higher is better).

    ``after_step`` runs after each update (masks of pruned weights are applied again there). With
    ``checkpoint``, a file is written every ``plan.checkpoint_steps`` and read if it is there.
    """
    optimiser = torch.optim.AdamW(_groups(network, plan.weight_decay), lr=plan.learning_rate)
    state, best = LoopState(), {k: v.clone() for k, v in network.state_dict().items()}
    if checkpoint is not None:
        found = _resume(checkpoint, plan, seed, network, optimiser, best)
        if found is not None:
            state = found
            progress(plan.stage, state.step, plan.steps, RESUMED)
    network.train()
    while state.step < plan.steps and state.stale < plan.patience:
        loss = _update(network, optimiser, plan, loss_at, state.step, seed)
        if after_step is not None:
            after_step()
        state.step += 1
        message = f"loss {loss:.3f}"
        last = state.step == plan.steps
        if evaluate is not None and plan.evaluate_every and (last or state.step % plan.evaluate_every == 0):
            network.eval()
            measure = evaluate()
            network.train()
            message += f", validation {measure:.3f}"
            _keep_best(state, measure, network, best)
        if checkpoint is not None and (last or state.step % plan.checkpoint_steps == 0):
            _store(checkpoint, plan, seed, state, network, optimiser, best)
        progress(plan.stage, state.step, plan.steps, message)
    if state.best_step:
        network.load_state_dict(best)
    network.eval()
    return state


def _update(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    plan: LoopPlan,
    loss_at: Callable[[int], Tensor],
    step: int,
    seed: int,
) -> float:
    torch.manual_seed(derived_seed(seed, plan.stage, str(step)))
    warm = max(1, int(plan.steps * plan.warmup))
    factor = min((step + 1) / warm, (plan.steps - step) / max(1, plan.steps - warm))
    for group in optimiser.param_groups:
        group["lr"] = plan.learning_rate * factor
    total = 0.0
    device = next(network.parameters()).device.type
    for micro in range(plan.accumulate):
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            loss = loss_at(step * plan.accumulate + micro) / plan.accumulate
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return total


def _keep_best(state: LoopState, measure: float, network: nn.Module, best: dict[str, Tensor]) -> None:
    if measure > state.best:
        state.best, state.best_step, state.stale = measure, state.step, 0
        for name, value in network.state_dict().items():
            best[name].copy_(value)
    else:
        state.stale += 1


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return parameter groups: no decay for biases and norms."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.dim() >= 2]
    others = [p for p in network.parameters() if p.requires_grad and p.dim() < 2]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _identity(plan: LoopPlan, seed: int) -> str:
    return json.dumps([asdict(plan), seed], sort_keys=True)


def _store(
    path: Path,
    plan: LoopPlan,
    seed: int,
    state: LoopState,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: dict[str, Tensor],
) -> None:
    tensors = {f"network/{k}": v.contiguous().clone() for k, v in network.state_dict().items()}
    tensors |= {f"best/{k}": v.contiguous().clone() for k, v in best.items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{k}": torch.as_tensor(v).clone() for k, v in moments.items()}
    metadata = {"identity": _identity(plan, seed), "state": json.dumps(asdict(state))}
    write_atomically(path, save(tensors, metadata=metadata))


def _resume(
    path: Path,
    plan: LoopPlan,
    seed: int,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: dict[str, Tensor],
) -> LoopState | None:
    """Restore everything from the file; None when there is none or it belongs to another plan."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("identity") != _identity(plan, seed):
                return None
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError):
        return None
    network.load_state_dict(
        {k.removeprefix("network/"): v for k, v in tensors.items() if k.startswith("network/")}
    )
    for name, value in best.items():
        value.copy_(tensors[f"best/{name}"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser/"):
            _, index, name = key.split("/")
            moments.setdefault(int(index), {})[name] = value
    current = optimiser.state_dict()
    optimiser.load_state_dict({"state": moments, "param_groups": current["param_groups"]})
    return LoopState(**json.loads(metadata["state"]))
