"""Small RoBERTa-shaped encoders that learn from scratch in seconds to minutes, and their training plans.

``tiny`` is for CI (seconds), ``small`` for the demo (about a minute on two free cores).

Chosen by measuring on 8,000 built-in clone pairs (median 90 ids a snippet; bag-of-words floor 0.771 AUC), CPU
seconds for everything against AUC on 1,000 test pairs: 1 layer × 64 (0.12 M parameters) 47 s, 0.932;
1 × 128 (0.47 M) 90 s, 0.972; 2 × 96 (0.55 M, ``small``) 123 s, 0.971; 2 × 128 (0.75 M) 213 s, 0.969.
Masked-LM pretraining of half an epoch gained nothing measurable for the victim; it is kept short, for the
encoder that proposes candidates.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from durometer.errors import UnknownNameError
from durometer.victims.encoder import HeadConfig
from durometer.victims.tokenizer import Pieces

MASKED_LM = "masked-lm"  # folder in a trained victim's own: the masked language model that it began with


class EncoderPreset(BaseModel):
    """The shape of a from-scratch network. ``max_length`` counts ids, the framing included.

    ``architecture``: RoBERTa (``encoder``), GPT-2 (``decoder``) or PLBART (``encoder-decoder``, with
    ``layers`` on each side). ``pieces``: what the tokenizer reads, see ``train_tokenizer``. ``beams``,
    ``max_new``, ``no_repeat`` (see ``GeneratorSpec``) and ``copies`` (see ``plbart.ready_to_copy``) are for
    summarizers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Literal["encoder", "decoder", "encoder-decoder"] = "encoder"
    vocabulary: int = Field(default=3500, ge=300)
    hidden: int = Field(default=96, ge=8)
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=3, ge=1)
    feed_forward: int = Field(default=192, ge=8)
    max_length: int = Field(default=256, ge=16)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    pooling: Literal["first", "mean"] = "mean"
    pair_features: Literal["concat", "interaction"] = "interaction"
    joined_pairs: bool = False  # a pair is one row, a separator between its halves (a cross-encoder)
    pieces: Pieces = "text"
    beams: int = Field(default=10, ge=1)
    max_new: int = Field(default=24, ge=1)
    no_repeat: int = Field(default=0, ge=0)
    copies: bool = False

    def encoder(self, vocabulary: int) -> dict[str, Any]:
        """Return the transformers configuration for a tokenizer of ``vocabulary`` entries."""
        ids = {"vocab_size": vocabulary, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        if self.architecture == "decoder":
            return ids | self._decoder()
        if self.architecture == "encoder-decoder":
            return ids | self._encoder_decoder()
        return ids | {
            "model_type": "roberta",
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.feed_forward,
            "max_position_embeddings": self.max_length + 2,
            "type_vocab_size": 1,
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": 0.0,
        }

    def _decoder(self) -> dict[str, Any]:
        return {
            "model_type": "gpt2",
            "n_embd": self.hidden,
            "n_layer": self.layers,
            "n_head": self.heads,
            "n_inner": self.feed_forward,
            "n_positions": self.max_length,
            "embd_pdrop": self.dropout,
            "resid_pdrop": self.dropout,
            "attn_pdrop": 0.0,
        }

    def _encoder_decoder(self) -> dict[str, Any]:
        sides = {
            f"{side}_{field}": value
            for side in ("encoder", "decoder")
            for field, value in (
                ("layers", self.layers),
                ("attention_heads", self.heads),
                ("ffn_dim", self.feed_forward),
            )
        }
        return sides | {
            "model_type": "plbart",
            "d_model": self.hidden,
            "max_position_embeddings": self.max_length,
            "dropout": self.dropout,
            "attention_dropout": 0.0,
            "decoder_start_token_id": 2,
            # PLBART's own 0.02 is for 768 wide: at 48 it wrote one sentence for everything after 320 steps,
            # with 0.1 every sentence right.
            "init_std": 0.05 if self.copies else 0.1,
        }

    def generator(self, vocabulary: int, max_new: int) -> dict[str, Any]:
        """Return the configuration of a summarizer of this shape: room for code and ``max_new`` tokens.

        An encoder gets a decoder of as many layers behind it (CodeXGLUE's recipe for CodeBERT).
        """
        longer = self.model_copy(update={"max_length": self.max_length + max_new + 1})
        values = longer.encoder(vocabulary)
        if self.architecture != "encoder":
            return values
        decoder = {**values, "is_decoder": True, "add_cross_attention": True}
        return {
            "model_type": "encoder-decoder",
            "encoder": values,
            "decoder": decoder,
            "decoder_start_token_id": 0,
            "pad_token_id": 1,
        }

    def head(self, *, pair: bool, classes: int) -> HeadConfig:
        """Return the head for a task."""
        return HeadConfig(pair=pair, pooling=self.pooling, pair_features=self.pair_features, classes=classes)


class TrainConfig(BaseModel):
    """How to train: pretraining for a moment (see ``pretrain``), then fine-tuning with the best epoch kept.

    ``contrastive`` weighs an InfoNCE loss over the pairs of a batch (temperature 0.07; every second
    snippet of the batch is a negative for every other first one), added to the cross-entropy of pair tasks:
    from scratch, it is what makes the encoder comparable across snippets within minutes. No study of
    code models uses it; set it to 0 for the papers' plain recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pretrain_epochs: float = Field(default=0.25, ge=0)
    pretrain_learning_rate: float = Field(default=1e-3, gt=0)
    epochs: float = Field(default=2.5, gt=0)
    batch: int = Field(default=32, ge=1)
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    contrastive: float = Field(default=1.0, ge=0)
    evaluations: int = Field(default=4, ge=1)
    patience: int = Field(default=3, ge=1)
    checkpoint_steps: int = Field(default=50, ge=1)


PRESETS: dict[str, tuple[EncoderPreset, TrainConfig]] = {
    "tiny": (
        EncoderPreset(vocabulary=1000, hidden=64, layers=1, heads=2, feed_forward=128, max_length=128),
        TrainConfig(epochs=4, evaluations=2, learning_rate=2e-3, pretrain_learning_rate=2e-3),
    ),
    "small": (EncoderPreset(), TrainConfig()),
}
for _size in ("tiny", "small"):
    for _architecture in ("decoder", "encoder-decoder"):
        _shape, _plan = PRESETS[_size]
        PRESETS[f"{_size}-{_architecture}"] = (
            _shape.model_copy(
                update={"architecture": _architecture, "layers": 1 if "-" in _architecture else _shape.layers}
            ),
            _plan.model_copy(update={"pretrain_epochs": 0.0}),
        )
for _size, _words in (("tiny", 1000), ("small", 3000)):
    _shape, _plan = PRESETS[f"{_size}-encoder-decoder"]
    PRESETS[f"{_size}-summarizer"] = (
        _shape.model_copy(
            update={
                "vocabulary": _words,
                "max_length": 64,
                "pieces": "words",
                "copies": True,
                "beams": 2,
                "max_new": 16,
                "no_repeat": 2,
            }
        ),
        TrainConfig(pretrain_epochs=5, pretrain_learning_rate=5e-3, epochs=3, learning_rate=2e-3, batch=16),
    )


def preset(name: str) -> tuple[EncoderPreset, TrainConfig]:
    """Return shape and training plan by name.

    Raises:
        UnknownNameError: no preset has this name.

    """
    try:
        return PRESETS[name]
    except KeyError as error:
        raise UnknownNameError(f"unknown preset {name!r}", hint=f"Known: {', '.join(PRESETS)}.") from error
