"""One door for every kind of checkpoint: a saved victim, a card, a transformers folder, a hub id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from durometer.errors import InputError
from durometer.rng import derived_seed
from durometer.victims.anatomy import DEFAULT_HEAD, configuration, fitted_head, head_place
from durometer.victims.card import VictimCard, read_card
from durometer.victims.checkpoints import (
    BOOKKEEPING,
    encoder_prefix,
    find_tokenizer,
    fitting,
    locate,
    read_config,
    read_head,
    read_tensors,
    split_tensors,
    window,
    word_table,
)
from durometer.victims.encoder import EncoderNetwork, HeadConfig, Pooling, encoder_config
from durometer.victims.engine import EngineVictim
from durometer.victims.generation import GeneratorVictim
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.saved import CARD, SavedVictim, load_exactly
from durometer.victims.text import Framing
from durometer.victims.writers import guess_writer, writer_from_card

DEFAULT_WINDOW = 1024


def load_victim(
    spec: VictimCard | Path | str,
    *,
    allow_download: bool = False,
    device: str = "cpu",
    untrained_head_seed: int | None = None,
    kind: Literal["classification", "generation"] = "classification",
) -> EncoderVictim | GeneratorVictim:
    """Return the victim that ``spec`` names.

    Args:
        spec: a card or its file (``.yaml``), a folder that ``EncoderVictim.save`` wrote, a transformers
            folder, or a hub id.
        allow_download: whether a hub id may be fetched; it is looked up in the local cache otherwise.
        device: where to compute.
        kind: what a plain transformers folder or hub id is taken for.
        untrained_head_seed: draw a missing head from this seed instead of refusing (before fine-tuning).

    Raises:
        InputError: what is named does not exist or cannot be read; the message says what and why.
        VictimError: a saved victim's tokenizer drifted or its self-test fails.

    """
    if not isinstance(spec, VictimCard) and str(spec).endswith((".yaml", ".yml")):
        spec = read_card(Path(spec))
    if isinstance(spec, VictimCard):
        if spec.generation is not None:
            return writer_from_card(spec, spec.generation, allow_download, device)
        return from_card(spec, allow_download, device, untrained_head_seed)
    folder = locate(str(spec), allow_download=allow_download)
    if (folder / CARD).is_file():
        return load_saved(folder, device=device)
    if kind == "generation":
        card = guess_writer(folder, str(spec))
        return load_victim(card, allow_download=allow_download, device=device)
    return from_card(guess_card(folder, str(spec)), allow_download, device, untrained_head_seed)


def load_saved(folder: Path, *, device: str = "cpu") -> EncoderVictim | GeneratorVictim:
    """Load a folder that ``save`` wrote, whatever kind of victim it holds (errors as in ``load``)."""
    try:
        values = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"not a saved victim ({error})", where=str(folder / CARD)) from error
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind == "generator":
        return GeneratorVictim.load(folder, device=device)
    if kind == "engine":
        return EngineVictim.load(folder, device=device)
    return EncoderVictim.load(folder, device=device)


def task_of(victim: SavedVictim) -> str:
    """Return the victim's task, or what its head can only mean."""
    if victim.spec.task:
        return str(victim.spec.task)
    head = getattr(victim.spec, "head", None)
    pair = victim.spec.framing.between is not None or (head is not None and head.pair)
    return "summarization" if head is None else "clone" if pair else "vulnerability"


def guess_card(folder: Path, name: str) -> VictimCard:
    """Return the card of a plain transformers classifier: class i is logit i, framed with its own ids."""
    config = read_config(folder)
    labels = len(config.get("id2label") or {}) or 2
    begin, end = (config.get(f"{edge}_token_id") for edge in ("bos", "eos"))
    decoder = config["model_type"] == "gpt2"
    pad = config.get("pad_token_id")
    pooling: Pooling = "first" if config["model_type"] in ("roberta", "bert") else "last"
    return VictimCard(
        name=name,
        path=str(folder),
        architecture="decoder" if decoder else "encoder" if pooling == "first" else "encoder-decoder",
        head=HeadConfig(classes=labels, pooling=pooling, layout="linear" if decoder else "dense"),
        head_prefix="score" if decoder else None if pooling == "first" else "classification_head.",
        labels=tuple(range(labels)),
        framing=Framing(
            begin=() if decoder or begin is None else (begin,),
            end=() if decoder or end is None else (end,),
            pad=end or 0 if pad is None else pad,  # GPT-2 has no padding token: any id will do under a mask
            max_length=min(window(config), DEFAULT_WINDOW),
        ),
    )


def from_card(
    card: VictimCard, allow_download: bool, device: str, untrained_head_seed: int | None = None
) -> EncoderVictim:
    """Build the victim that a card describes; what the card does not say is read from the weights.

    Raises:
        InputError: the checkpoint cannot be read, or its weights are not what the card says.

    """
    folder = locate(card.path, allow_download=allow_download)
    where = str(folder)
    tensors = read_tensors(folder, card.weights, other=card.pair_head)
    prefix = encoder_prefix(tensors, where)
    hidden = word_table(tensors, prefix).shape[1]
    place, others = card.head_prefix, card.ignore
    if place is None:
        place, found = head_place(tensors, card.head, hidden, where=where)
        others = (*others, *found)
    encoder, head = split_tensors(tensors, place, where=where, ignored=others)
    said = read_config(folder) if (folder / "config.json").is_file() or not card.config else None
    config = configuration(said, card.config, encoder, where=where)
    config = {key: value for key, value in config.items() if key not in BOOKKEEPING}
    if card.framing.max_length > window(config):
        raise InputError(
            f"framing.max_length {card.framing.max_length} exceeds the model's {window(config)} positions",
            where=card.name,
        )
    if card.pair_head is not None:
        head = read_head(folder, card.pair_head, card.head_prefix)
    head = _whole_head(card, head, tensors, prefix, config)
    network = _network(config, card, head, untrained_head_seed, where)
    drawn = {f"head.{k}": v for k, v in network.head.state_dict().items()} if not head else {}
    weights = {f"encoder.{k}": v for k, v in encoder.items()} | {f"head.{k}": v for k, v in head.items()}
    load_exactly(network, drawn | weights, where=where)
    spec = EncoderSpec(
        name=card.name,
        task=card.task,
        encoder=config,
        head=network.head_config,
        framing=card.framing,
        labels=card.labels,
        notes={"source": card.source} if card.source else {},
    )
    tokenizer = find_tokenizer(Path(card.tokenizer) if card.tokenizer else folder)
    return EncoderVictim(network, fitting(tokenizer, config, where), spec, device=device)


def _whole_head(
    card: VictimCard,
    head: dict[str, torch.Tensor],
    tensors: Mapping[str, torch.Tensor],
    prefix: str,
    config: Mapping[str, Any],
) -> dict[str, torch.Tensor]:
    """Return the head under our names: a projection alone is ``out_proj``, BERT's pooler the dense layer."""
    for name in ("weight", "bias"):
        for known in (name, f".{name}"):
            if known in head:
                head[f"out_proj.{name}"] = head.pop(known)
    if "out_proj.weight" not in head or "dense.weight" in head:
        return head
    head.setdefault("out_proj.bias", torch.zeros(len(head["out_proj.weight"])))  # GPT-2's has none
    pooler = {name: tensors.get(f"{prefix}pooler.{name}") for name in ("dense.weight", "dense.bias")}
    if card.pooler or (card.pooler is None and config["model_type"] == "bert"):
        if any(tensor is None for tensor in pooler.values()):
            raise InputError("the head reads a pooler, and there is none", where=card.path)
        head |= {name: tensor for name, tensor in pooler.items() if tensor is not None}
    return head


def _network(
    config: dict[str, Any],
    card: VictimCard,
    head: Mapping[str, torch.Tensor],
    seed: int | None,
    where: str,
) -> EncoderNetwork:
    if not head and seed is None:
        named = card.head_prefix or DEFAULT_HEAD
        raise InputError(
            f"the checkpoint has no classification head (no weights named {named}…)",
            where=card.path,
            hint="Fine-tune it first (durometer train), or say in the card where the head is "
            "(pair_head, head_prefix).",
        )
    shape = encoder_config(config)
    layout = fitted_head(card.head, head, shape.hidden_size, where=where)
    if seed is not None:
        torch.manual_seed(derived_seed(seed, "head"))
    return EncoderNetwork(shape, layout)
