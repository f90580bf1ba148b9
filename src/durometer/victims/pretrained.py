"""A pre-trained checkpoint made ready to be fine-tuned for one task, as CodeXGLUE does.

Classification: the checkpoint's encoder, decoder or encoder-decoder and a fresh head for the task; a pair is
two snippets encoded alone. Generation: RoBERTa gets a decoder of six fresh layers behind it, GPT-2 goes on
from code to summary, PLBART writes with its own decoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from durometer.errors import InputError, RefusedError
from durometer.rng import derived_seed
from durometer.victims.anatomy import DEFAULT_HEAD
from durometer.victims.checkpoints import (
    BOOKKEEPING,
    UNUSED,
    find_tokenizer,
    locate,
    read_config,
    read_tensors,
    split_tensors,
    window,
)
from durometer.victims.generation import GeneratorNetwork, GeneratorSpec, GeneratorVictim
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.load import guess_card, load_victim
from durometer.victims.saved import CARD, load_exactly
from durometer.victims.text import Framing
from durometer.victims.writers import code_room

CODE_IDS = {"classification": 512, "generation": 256}  # the papers' input lengths
SUMMARY_IDS, BEAMS, DECODER_LAYERS = 128, 10, 6


def pretrained_victim(
    checkpoint: str,
    *,
    kind: Literal["classification", "generation"],
    pair: bool,
    classes: int,
    seed: int,
    device: str = "cpu",
    allow_download: bool = False,
) -> EncoderVictim | GeneratorVictim:
    """Return the victim that fine-tuning starts from; weights that the checkpoint lacks are drawn.

    ``checkpoint`` is a card (``.yaml``) or the folder of a saved victim, taken as they are, a transformers
    folder, or a hub id, which ``allow_download`` lets be fetched.

    Raises:
        InputError: it cannot be read, or its architecture cannot do the task.
        RefusedError: a card's or a saved victim of another kind.

    """
    described = checkpoint.endswith((".yaml", ".yml"))
    folder = Path() if described else locate(checkpoint, allow_download=allow_download)
    if described or (folder / CARD).is_file():
        victim = load_victim(
            checkpoint, allow_download=allow_download, device=device, untrained_head_seed=seed
        )
        wanted = GeneratorVictim if kind == "generation" else EncoderVictim
        if type(victim) is not wanted:
            what = "a summarizer" if kind == "generation" else "a classifier with weights in torch"
            raise RefusedError(f"only {what} can be fine-tuned for this task", where=checkpoint)
        return victim
    if kind == "generation":
        return _generator(folder, checkpoint, seed, device)
    card = guess_card(folder, checkpoint)
    head = card.head.model_copy(update={"pair": pair, "classes": classes, "layout": "dense"})
    room = min(card.framing.max_length, CODE_IDS[kind])
    card = card.model_copy(
        update={
            "head": head,
            "labels": tuple(range(classes)),
            "framing": card.framing.model_copy(update={"max_length": room}),
        }
    )
    victim = load_victim(card, device=device, untrained_head_seed=seed)
    assert isinstance(victim, EncoderVictim)
    return victim


def _generator(folder: Path, name: str, seed: int, device: str) -> GeneratorVictim:
    config = {k: v for k, v in read_config(folder).items() if k not in BOOKKEEPING}
    card = guess_card(folder, name)
    family = config["model_type"]
    if family not in ("roberta", "gpt2", "plbart"):
        raise InputError(
            f"a {family} model cannot be made a summarizer here",
            where=str(folder),
            hint="Known: roberta, gpt2, plbart.",
        )
    begin, end = config.get("bos_token_id"), config.get("eos_token_id")
    if begin is None or end is None:
        raise InputError("config.json names no bos_token_id or eos_token_id", where=str(folder))
    torch.manual_seed(derived_seed(seed, "generator"))
    values = _with_decoder(config) if family == "roberta" else config
    network = GeneratorNetwork(values)
    weights, _ = split_tensors(read_tensors(folder), card.head_prefix or DEFAULT_HEAD, where=str(folder))
    model: Any = network.encoder
    target = {"roberta": "encoder", "gpt2": "transformer", "plbart": "model"}[family]
    load_exactly(getattr(model, target), weights, where=str(folder), unused=UNUSED)
    model.tie_weights()
    summary = min(SUMMARY_IDS, window(config) // 4)
    spec = GeneratorSpec(
        name=name,
        encoder=values,
        framing=Framing(
            begin=(begin,),
            end=(end,),
            pad=card.framing.pad,
            max_length=min(code_room(config, summary), CODE_IDS["generation"]),
        ),
        beams=BEAMS,
        max_new=summary,
    )
    return GeneratorVictim(network, find_tokenizer(folder), spec, device=device)


def _with_decoder(config: dict[str, Any]) -> dict[str, Any]:
    layers = min(DECODER_LAYERS, int(config["num_hidden_layers"]))
    decoder = {**config, "num_hidden_layers": layers, "is_decoder": True, "add_cross_attention": True}
    return {
        "model_type": "encoder-decoder",
        "encoder": config,
        "decoder": decoder,
        "decoder_start_token_id": config["bos_token_id"],
        "pad_token_id": config["pad_token_id"],
    }
