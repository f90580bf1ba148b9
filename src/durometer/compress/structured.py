"""Structured pruning: heads, feed-forward columns and layers are cut out of the weights.

The pruned victim is built from its own specification (see ``durometer.victims.structure``), as a load
builds it, and gets the weights that stay: what is returned is what comes back from disk.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from durometer.compress.importance import first_order, magnitudes
from durometer.compress.prune_configs import StructuredPrune
from durometer.compress.recover import recover
from durometer.compress.students import FAMILIES
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.victims.loop import Progress, silent
from durometer.victims.saved import SavedVictim, load_exactly
from durometer.victims.structure import Unit, count, units

LISTS = ("layer", "layers", "h", "block")  # what the families call their list of layers
DEPTHS = {name: (fields.layers[0], fields.layers[-1]) for name, fields in FAMILIES.items()} | {
    "encoder-decoder": ("num_hidden_layers", "num_hidden_layers"),
    "t5": ("num_layers", "num_decoder_layers"),
}  # fields of the encoder's depth and the decoder's


class Stack(NamedTuple):
    """A list of layers, and where the configuration keeps its length."""

    path: str
    field: tuple[str, ...]
    depth: int


def stacks(network: nn.Module, configuration: Mapping[str, Any]) -> list[Stack]:
    """Return the lists of layers of a network.

    Raises:
        RefusedError: the family is not known.

    """
    family = str(configuration.get("model_type"))
    if family not in DEPTHS:
        raise RefusedError(f"cannot prune the structure of a {family!r}", where="structured_prune")
    found: list[Stack] = []
    for path, module in network.named_modules():
        inside = any(path.startswith(f"{stack.path}.") for stack in found)
        if not isinstance(module, nn.ModuleList) or path.rpartition(".")[2] not in LISTS or inside:
            continue
        side = int(".decoder." in path)
        nested = (("encoder", "decoder")[side],) if family == "encoder-decoder" else ()
        found.append(Stack(path, (*nested, DEPTHS[family][side]), len(module)))
    return found


def structured_prune(
    victim: SavedVictim,
    config: StructuredPrune,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> SavedVictim:
    """Return a victim without the least important heads, columns and layers, fine-tuned if wanted.

    Raises:
        RefusedError: the family is not known, has no parts of a wanted kind, or the share rounds to nothing.
        InputError: importance or recovery needs data and there is none.

    """
    if not (config.heads or config.feed_forward or config.layers):
        hint = "Set heads, feed_forward or layers to the share to remove."
        raise RefusedError("nothing to remove", where=config.kind, hint=hint)
    network = victim.network
    lists = stacks(network, victim.spec.encoder) if config.layers else []
    parts = units(network)
    layers = [f"{stack.path}.{i}" for stack in lists for i in range(stack.depth)]
    if config.importance == "magnitude":
        scores = magnitudes(network, parts, layers)
    else:
        scores = first_order(victim, parts, layers, data, samples=config.samples, seed=seed)
    first_stays = victim.spec.encoder.get("model_type") == "t5"  # it holds the bias that all layers share
    kept_layers = {
        stack.path: _kept_layers(stack, scores, config.layers, first_stays=first_stays) for stack in lists
    }
    rename = _Renames(kept_layers)
    parts = {name: unit for name, unit in parts.items() if rename(name) is not None}
    kept = _kept(parts, scores, config)
    pruned = _build(victim, parts, kept, lists, rename)
    recover(pruned, victim, config, data, seed=seed, progress=progress, work=work)
    pruned.settle()
    return pruned


def _kept_layers(stack: Stack, scores: Mapping[str, Tensor], share: float, *, first_stays: bool) -> list[int]:
    values = torch.cat([scores[f"{stack.path}.{i}"] for i in range(stack.depth)])
    if first_stays:
        values[0] = torch.inf
    return best(values, share, what=f"layers of {stack.path}")


def best(scores: Tensor, share: float, *, what: str) -> list[int]:
    """Return, in order, all but the ``share`` of least score; at least one stays, ties fall in order.

    Raises:
        RefusedError: the share rounds to nothing.

    """
    total = len(scores)
    removed = min(round(share * total), total - 1)
    if removed == 0:
        raise RefusedError(f"{share:.0%} of {total} {what} is none", where="structured_prune")
    return sorted(torch.argsort(scores, stable=True)[removed:].tolist())


def _kept(
    parts: Mapping[str, Unit], scores: Mapping[str, Tensor], config: StructuredPrune
) -> dict[str, list[int]]:
    """Return which heads and columns stay, for every unit that loses some."""
    kept: dict[str, list[int]] = {}
    for kind, share in (("heads", config.heads), ("feed_forward", config.feed_forward)):
        if not share:
            continue
        chosen = [name for name, unit in parts.items() if unit.kind == kind]
        if not chosen:
            raise RefusedError(f"this architecture has no {kind} that can be removed", where=config.kind)
        values = {name: scores[name] for name in chosen}
        if config.scope == "layer":
            kept |= {name: best(value, share, what=f"{kind} of {name}") for name, value in values.items()}
        else:
            if config.importance == "first_order":  # Michel et al., section 4.1: comparable across layers
                values = {name: v / v.norm().clamp(min=1e-12) for name, v in values.items()}
            kept |= _kept_globally(values, share, kind)
    return kept


def _kept_globally(values: Mapping[str, Tensor], share: float, kind: str) -> dict[str, list[int]]:
    places = [(name, i) for name, value in values.items() for i in range(len(value))]
    wanted = round(share * len(places))
    if wanted == 0:
        raise RefusedError(f"{share:.0%} of {len(places)} {kind} is none", where="structured_prune")
    kept = {name: list(range(len(value))) for name, value in values.items()}
    for place in torch.argsort(torch.cat(list(values.values())), stable=True).tolist():
        name, index = places[place]
        if wanted and len(kept[name]) > 1:
            kept[name].remove(index)
            wanted -= 1
    return kept


class _Renames:
    """New names of weights and modules when layers are gone; None for what goes with them."""

    def __init__(self, kept: Mapping[str, Sequence[int]]) -> None:
        self._kept = kept

    def __call__(self, name: str) -> str | None:
        for path, layers in self._kept.items():
            match = re.match(rf"{re.escape(path)}\.(\d+)(?=\.|$)", name)
            if match:
                index = int(match[1])
                return f"{path}.{layers.index(index)}{name[match.end() :]}" if index in layers else None
        return name


def _build(
    victim: SavedVictim,
    parts: Mapping[str, Unit],
    kept: Mapping[str, Sequence[int]],
    lists: Sequence[Stack],
    rename: _Renames,
) -> SavedVictim:
    """Return the victim with the weights that stay."""
    weights = dict(victim.weights())
    for name, indices in kept.items():
        _cut(weights, victim.network, parts[name], torch.tensor(indices, device=victim.device))
    configuration = copy.deepcopy(dict(victim.spec.encoder))
    for stack in lists:
        inner = configuration
        for key in stack.field[:-1]:
            inner = inner[key]
        inner[stack.field[-1]] = sum(rename(f"{stack.path}.{i}") is not None for i in range(stack.depth))
        if "num_hidden_layers" in inner and stack.field[-1] == "encoder_layers":
            inner["num_hidden_layers"] = inner["encoder_layers"]  # BART's second name for it
    counts = {
        name: len(kept[name]) if name in kept else count(victim.network, u) for name, u in parts.items()
    }
    structure = {str(rename(name)): value for name, value in counts.items()}
    spec = victim.spec.model_copy(update={"encoder": configuration, "structure": structure})
    network = type(victim).build(spec)
    renamed = {new: tensor for name, tensor in weights.items() if (new := rename(name)) is not None}
    load_exactly(network, renamed, where=victim.name)
    packing = {new: codec for name, codec in victim.packing.items() if (new := rename(name)) is not None}
    return type(victim)(
        network, victim.text.tokenizer, spec, device=victim.device, shapes=victim.shapes, packing=packing
    )


def _cut(weights: dict[str, Tensor], network: nn.Module, unit: Unit, kept: Tensor) -> None:
    """Keep the rows and columns of these heads or columns, in place."""
    inner = (kept[:, None] * unit.size + torch.arange(unit.size, device=kept.device)).flatten()
    width = count(network, unit) * unit.size
    outputs = torch.cat([inner + part * width for part in range(unit.fused)])
    for path in unit.writes:
        dim = 1 if isinstance(network.get_submodule(path), Conv1D) else 0
        weights[f"{path}.weight"] = weights[f"{path}.weight"].index_select(dim, outputs)
        if f"{path}.bias" in weights:
            weights[f"{path}.bias"] = weights[f"{path}.bias"].index_select(0, outputs)
    dim = 0 if isinstance(network.get_submodule(unit.reads), Conv1D) else 1
    weights[f"{unit.reads}.weight"] = weights[f"{unit.reads}.weight"].index_select(dim, inner)
