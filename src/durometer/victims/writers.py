"""Somebody's summarizer as a victim: PLBART, BART, CodeT5 and T5, or GPT-2, from a card, folder or hub id.

A plain folder says itself what it starts and stops with; where it does not (PLBART's language codes, a
separator before GPT-2's summary), the card's ``generation`` and ``framing`` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from durometer.errors import InputError
from durometer.victims.card import Generation, VictimCard
from durometer.victims.checkpoints import (
    BOOKKEEPING,
    UNUSED,
    find_tokenizer,
    fitting,
    locate,
    read_config,
    read_tensors,
    window,
)
from durometer.victims.generation import GeneratorNetwork, GeneratorSpec, GeneratorVictim
from durometer.victims.saved import load_exactly
from durometer.victims.text import Framing

CODE_IDS, SUMMARY_IDS = 256, 128  # CodeXGLUE's lengths for code-to-text
WRITERS = ("gpt2", "plbart", "bart", "t5")


def guess_writer(folder: Path, name: str) -> VictimCard:
    """Return the card of a plain folder of a language model that writes.

    BART and CodeT5 read ``<s> code </s>``, PLBART and T5 ``code </s>``; they start to write with
    ``decoder_start_token_id``. GPT-2 reads ``<s> code </s>``, the form in which it is fine-tuned here, and
    starts with ``<s>`` again.

    Raises:
        InputError: another kind of model, or no token to start or stop with.

    """
    config = read_config(folder)
    family = config["model_type"]
    if family not in WRITERS:
        raise InputError(
            f"a {family} model does not write", where=str(folder), hint=f"Known: {', '.join(WRITERS)}."
        )
    first, last = config.get("bos_token_id"), config.get("eos_token_id")
    start = config.get("decoder_start_token_id")
    start = first if family == "gpt2" or start is None else start
    if start is None or last is None:
        raise InputError(
            "config.json does not say what to start and stop with (decoder_start_token_id, eos_token_id)",
            where=str(folder),
            hint="Write a victim card with generation: {start: ID, stop: ID}.",
        )
    pad = config.get("pad_token_id")
    generation = Generation(start=start, stop=last, max_new=min(SUMMARY_IDS, window(config) // 4))
    return VictimCard(
        name=name,
        task="summarization",
        path=str(folder),
        architecture="decoder" if family == "gpt2" else "encoder-decoder",
        generation=generation,
        framing=Framing(
            begin=() if first is None or family == "plbart" else (first,),
            end=(last,),
            pad=last if pad is None else pad,
            max_length=min(CODE_IDS, code_room(config, generation.max_new)),
        ),
    )


def writer_from_card(
    card: VictimCard, generation: Generation, allow_download: bool, device: str
) -> GeneratorVictim:
    """Build the summarizer that a card describes.

    Raises:
        InputError: it cannot be read, or there is no room for code and summary among the positions.

    """
    folder = locate(card.path, allow_download=allow_download)
    config = {**read_config(folder), **card.config}
    config = {key: value for key, value in config.items() if key not in BOOKKEEPING}
    if config["model_type"] not in WRITERS:
        raise InputError(
            f"a {config['model_type']} model does not write",
            where=str(folder),
            hint=f"Known: {', '.join(WRITERS)}.",
        )
    room = code_room(config, generation.max_new)
    if card.framing.max_length > room or generation.max_new >= window(config):
        raise InputError(
            f"framing.max_length {card.framing.max_length} and {generation.max_new} ids to write "
            f"are more than the model's {window(config)} positions",
            where=card.name,
            hint=f"Set framing: {{max_length: {room}}} in the victim card, or less, or generation.max_new.",
        )
    spec = GeneratorSpec(
        name=card.name,
        task=card.task or "summarization",
        encoder=config,
        framing=card.framing,
        notes={"source": card.source} if card.source else {},
        beams=generation.beams,
        max_new=generation.max_new,
        start=generation.start,
        stop=generation.stop,
    )
    network = GeneratorNetwork(config)
    load_exactly(
        network.encoder,
        read_tensors(folder, card.weights),
        where=str(folder),
        unused=UNUSED,
        hint="A summarizer is saved whole: GPT2LMHeadModel, …ForConditionalGeneration.",
    )
    tokenizer = find_tokenizer(Path(card.tokenizer) if card.tokenizer else folder)
    return GeneratorVictim(network, fitting(tokenizer, config, str(folder)), spec, device=device)


def code_room(config: Mapping[str, Any], max_new: int) -> int:
    """Return how many ids of code there is room for: GPT-2 writes where it reads."""
    taken = max_new + 1 if config["model_type"] == "gpt2" else 0
    return max(4, window(config) - taken)
