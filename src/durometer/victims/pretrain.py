"""Language-model pretraining for a moment, as each architecture has it.

Encoders fill in masks (RoBERTa: 15 % of ids; 80 % mask, 10 % random, 10 % kept), decoders tell the next id
(GPT-2), encoder-decoders write a snippet again from a damaged copy. The damage is RoBERTa's here too, single
ids; PLBART masks spans of several. A masked language model is kept as a model of its own: attacks may ask
the same encoder for fill-in candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel
from transformers.models.plbart.modeling_plbart import shift_tokens_right

from durometer.rng import derived_seed, stream
from durometer.victims.batching import LengthBatches, pad_rows
from durometer.victims.encoder import encoder_config
from durometer.victims.loop import LoopPlan, Progress, optimise, silent
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.text import Framing, TextEncoder
from durometer.victims.tokenizer import SPECIAL_TOKENS

MASK = SPECIAL_TOKENS.index("<mask>")
IGNORED = -100


class MaskedNetwork(nn.Module):
    """Encoder and RobertaLMHead's layout, the projection tied to the word embeddings."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.encoder = AutoModel.from_config(config, add_pooling_layer=False)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Return logits [chosen, vocabulary] at the positions [rows, length] that are true."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state[positions]
        hidden = self.norm(functional.gelu(self.dense(hidden)))
        return functional.linear(hidden, self.encoder.embeddings.word_embeddings.weight, self.bias)


class LanguageModel(nn.Module):
    """A decoder or an encoder-decoder, and a projection tied to its word embeddings."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.encoder = AutoModel.from_config(config)

    def states(self, ids: Tensor, corrupted: Tensor, mask: Tensor, pad: int) -> Tensor:
        """Return states [rows, length, hidden]: a decoder's after each id, an encoder-decoder's before it."""
        if not self.encoder.config.is_encoder_decoder:
            hidden: Tensor = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            return hidden
        shifted = shift_tokens_right(ids, pad)  # what it feeds its decoder as a classifier, too
        out = self.encoder(input_ids=corrupted, attention_mask=mask, decoder_input_ids=shifted)
        hidden = out.last_hidden_state
        return hidden

    def loss(self, ids: Tensor, corrupted: Tensor, mask: Tensor, pad: int) -> Tensor:
        """Return the mean cross-entropy of every id [rows, length], given those before it.

        An encoder-decoder reads ``corrupted`` too, and every id is told; a decoder is not told the first.
        """
        hidden, targets = self.states(ids, corrupted, mask, pad), ids.masked_fill(mask == 0, IGNORED)
        if not self.encoder.config.is_encoder_decoder:
            hidden, targets = hidden[:, :-1], targets[:, 1:]
        told = targets != IGNORED
        logits = functional.linear(hidden[told], self.encoder.get_input_embeddings().weight)
        return functional.cross_entropy(logits, targets[told])


def save_masked_lm(network: MaskedNetwork, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the network as a transformers ``fill-mask`` folder that any tool loads (safetensors)."""
    from transformers import RobertaForMaskedLM
    from transformers.utils import logging

    model = RobertaForMaskedLM(network.config)
    model.roberta.load_state_dict(network.encoder.state_dict())
    model.lm_head.dense.load_state_dict(network.dense.state_dict())
    model.lm_head.layer_norm.load_state_dict(network.norm.state_dict())
    with torch.no_grad():
        model.lm_head.bias.copy_(network.bias)
        model.lm_head.decoder.weight.copy_(network.encoder.embeddings.word_embeddings.weight)
        model.lm_head.decoder.bias.copy_(network.bias)
    logging.disable_progress_bar()  # it would write over our own
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def damage_of(seed: int, step: int) -> torch.Generator:
    """Return what ``corrupt`` draws from in this step, on the CPU: the same numbers on every device."""
    return torch.Generator().manual_seed(int(stream(seed, "mask", str(step)).integers(2**62)))


def corrupt(ids: Tensor, mask: Tensor, vocabulary: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (corrupted ids, targets), both [rows, length]; targets are −100 where nothing was chosen."""
    chosen = (torch.rand(ids.shape, generator=rng) < 0.15) & (mask == 1) & (ids >= len(SPECIAL_TOKENS))
    kind = torch.rand(ids.shape, generator=rng)
    random = torch.randint(len(SPECIAL_TOKENS), vocabulary, ids.shape, generator=rng)
    corrupted = torch.where(chosen & (kind < 0.8), torch.full_like(ids, MASK), ids)
    corrupted = torch.where(chosen & (kind >= 0.9), random, corrupted)
    return corrupted, torch.where(chosen, ids, torch.full_like(ids, IGNORED))


def pretrain(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    shape: EncoderPreset,
    config: TrainConfig,
    *,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> MaskedNetwork | LanguageModel:
    """Return a network trained on ``texts`` for ``config.pretrain_epochs``; its ``encoder`` is the model."""
    text = TextEncoder(tokenizer, Framing(max_length=shape.max_length), capacity=1)
    rows = [text(t) for t in texts]
    torch.manual_seed(derived_seed(seed, "initial weights"))
    values = encoder_config(shape.encoder(tokenizer.get_vocab_size()))
    network = MaskedNetwork(values) if shape.architecture == "encoder" else LanguageModel(values)
    network.to(device)
    batches = LengthBatches([len(r) for r in rows], config.batch, seed=seed, stage="pretrain")

    def loss_at(step: int) -> Tensor:
        ids, mask = pad_rows([rows[i] for i in batches.at(step)], 1)
        drawn = corrupt(ids, mask, tokenizer.get_vocab_size(), damage_of(seed, step))
        ids, mask, corrupted, targets = (tensor.to(device) for tensor in (ids, mask, *drawn))
        if isinstance(network, LanguageModel):
            return network.loss(ids, corrupted, mask, pad=1)
        chosen = targets != IGNORED
        if not bool(chosen.any()):
            chosen = mask == 1
            return functional.cross_entropy(network(ids, mask, chosen), ids[chosen])
        return functional.cross_entropy(network(corrupted, mask, chosen), targets[chosen])

    plan = pretraining_plan(config, batches)
    optimise(network, plan, loss_at, seed=seed, checkpoint=checkpoint, progress=progress)
    return network


def pretraining_plan(config: TrainConfig, batches: LengthBatches) -> LoopPlan:
    """Return the steps and schedule that ``config`` asks for on these batches."""
    return LoopPlan(
        stage="pretrain",
        steps=round(config.pretrain_epochs * batches.per_epoch),
        learning_rate=config.pretrain_learning_rate,
        weight_decay=config.weight_decay,
        warmup=config.warmup,
        clip=config.clip,
        checkpoint_steps=config.checkpoint_steps,
    )
