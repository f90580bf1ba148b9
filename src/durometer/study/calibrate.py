"""What a query will cost before any was asked: one layer of the victim's shape, timed here in a moment.

An estimate, and labelled so: a forward pass is taken for ``layers`` times one layer on a snippet of typical
length, a variant for as slow as its original, a summary for 16 tokens from 10 beams. The memo's share and
Python's time come from measurements (benchmarks/attacks.md). Rates measured in a run folder replace it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from durometer.study.plan import Node, Plan

SNIPPET_IDS = {"clone": 256, "vulnerability": 400, "summarization": 200}  # means of the published data
SUMMARY_TOKENS, BEAMS = 16, 10
PYTHON_SECONDS = 0.0005  # a query: edits, checks, tokens
# Of queries, answered from memory.
MEMO_SHARE = {"alert": 0.44, "beam": 0.20, "mhm": 0.14, "wir_random": 0.22}
TIMED_SECONDS, LEAST_PASSES = 0.1, 3
GPU_ROWS = 16  # searched in lockstep
NAMES = {  # of sizes in a checkpoint's config.json: RoBERTa's, GPT-2's, BART's
    "layers": ("num_hidden_layers", "n_layer", "encoder_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_head", "encoder_attention_heads"),
    "feed_forward": ("intermediate_size", "n_inner", "encoder_ffn_dim"),
    "vocabulary": ("vocab_size",),
}


@dataclass(frozen=True)
class Shape:
    """What decides the cost of a forward pass; the defaults are those of a base model (125 M parameters)."""

    layers: int = 12
    hidden: int = 768
    heads: int = 12
    feed_forward: int = 3072
    vocabulary: int = 50_265
    max_length: int = 512


def estimated_seconds(plan: Plan, cell: Node, device: str) -> float | None:
    """Return seconds a query of ``cell`` on one worker, or None where the victim's shape is unknown."""
    model = plan.nodes[cell.inputs["model"]]
    shape = shape_of(plan.nodes[model.inputs["victim"]] if model.kind == "variant" else model)
    if shape is None:
        return None
    task = cell.cell.task.partition(" ")[0]
    try:
        forward = _forward_seconds(shape, min(SNIPPET_IDS.get(task, 256), shape.max_length), device)
        if task == "summarization":
            forward += SUMMARY_TOKENS * _step_seconds(shape, device)
    except RuntimeError:  # no such device here
        return None
    return (1 - MEMO_SHARE.get(cell.config["attack"]["kind"], 0.0)) * forward + PYTHON_SECONDS


def shape_of(victim: Node) -> Shape | None:
    """Return a victim's shape: its preset's, its checkpoint's, a base model's while that is not there yet."""
    if "python" in victim.config:
        return None
    if "preset" in victim.config:
        from durometer.victims.presets import EncoderPreset

        preset = EncoderPreset(**victim.config["shape"]).model_dump()
        return Shape(**{name: preset[name] for name in Shape.__dataclass_fields__})
    card = Path(victim.hints["card"])
    if card.suffix in (".yaml", ".yml") and card.exists():
        from durometer.victims.card import read_card

        card = Path(read_card(card).path)
    try:
        config = json.loads((card / "config.json").read_text())
    except (OSError, ValueError):
        return Shape()
    return _from_config(config.get("encoder", config))


def _from_config(config: Mapping[str, Any]) -> Shape:
    found = {
        name: next((config[key] for key in keys if config.get(key)), None) for name, keys in NAMES.items()
    }
    return Shape(**{name: int(value) for name, value in found.items() if value})


@lru_cache(maxsize=64)
def _forward_seconds(shape: Shape, ids: int, device: str) -> float:
    rows = GPU_ROWS if device.startswith("cuda") else 1
    return shape.layers * _layer_seconds(shape, rows, ids, device) / rows


@lru_cache(maxsize=64)
def _step_seconds(shape: Shape, device: str) -> float:
    """Return the seconds in which all beams of one summary grow by a token."""
    import torch

    projection = torch.nn.Linear(shape.hidden, shape.vocabulary, bias=False, device=device)
    words = _timed(projection, torch.zeros(BEAMS, shape.hidden, device=device))
    return shape.layers * _layer_seconds(shape, BEAMS, 1, device) + words


def _layer_seconds(shape: Shape, rows: int, ids: int, device: str) -> float:
    import torch

    sizes = (shape.hidden, shape.heads, shape.feed_forward)
    layer = torch.nn.TransformerEncoderLayer(*sizes, batch_first=True, device=device).eval()
    return _timed(layer, torch.zeros(rows, ids, shape.hidden, device=device))


def _timed(module: Any, inputs: Any) -> float:
    """Return the least seconds of some passes on one thread; of its own CPU time where that is the device."""
    import torch

    on_gpu, threads = inputs.is_cuda, torch.get_num_threads()
    clock = time.perf_counter if on_gpu else time.process_time
    times: list[float] = []
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            while len(times) < LEAST_PASSES or sum(times) < TIMED_SECONDS:
                started = clock()
                module(inputs)
                if on_gpu:
                    torch.cuda.synchronize()
                times.append(clock() - started)
    finally:
        torch.set_num_threads(threads)
    return min(times)
