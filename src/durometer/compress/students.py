"""A student: its configuration, its tokenizer, and the weights that it takes over from its teacher."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, models
from torch import nn

from durometer.compress.distill_config import Distill, StudentShape
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.rng import derived_seed
from durometer.victims.generation import GeneratorSpec
from durometer.victims.huggingface import EncoderSpec
from durometer.victims.saved import SavedVictim, VictimSpec
from durometer.victims.text import Framing, TextEncoder
from durometer.victims.tokenizer import snippets, train_tokenizer


class Fields(NamedTuple):
    """What a family calls its depth, its widths, its window and its dropout."""

    layers: tuple[str, ...]
    hidden: str
    heads: tuple[str, ...]
    inner: tuple[str, ...]
    positions: str
    dropout: tuple[str, ...]


BART = Fields(
    ("encoder_layers", "decoder_layers"),
    "d_model",
    ("encoder_attention_heads", "decoder_attention_heads"),
    ("encoder_ffn_dim", "decoder_ffn_dim"),
    "max_position_embeddings",
    ("dropout",),
)
BERT = Fields(
    ("num_hidden_layers",),
    "hidden_size",
    ("num_attention_heads",),
    ("intermediate_size",),
    "max_position_embeddings",
    ("hidden_dropout_prob",),
)
GPT2 = Fields(("n_layer",), "n_embd", ("n_head",), ("n_inner",), "n_positions", ("embd_pdrop", "resid_pdrop"))
FAMILIES = {"roberta": BERT, "bert": BERT, "gpt2": GPT2, "bart": BART, "plbart": BART}
SIDES = ("encoder", "decoder")
OWN_IDS = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}  # of durometer.victims.tokenizer


def family(values: Mapping[str, Any]) -> Fields:
    """Return the names of a transformers configuration.

    Raises:
        RefusedError: the family is not known.

    """
    fields = FAMILIES.get(values.get("model_type", ""))
    if fields is None:
        raise RefusedError(f"cannot shrink a {values.get('model_type')!r}", where="distill")
    return fields


def scaled(teacher: Mapping[str, Any], layers: float, width: float) -> dict[str, Any]:
    """Return the configuration with shares of depth and width; the width stays a multiple of the heads."""
    if teacher.get("model_type") == "encoder-decoder":
        return {**teacher, **{side: scaled(teacher[side], layers, width) for side in SIDES}}
    fields, student = family(teacher), dict(teacher)
    heads = int(teacher[fields.heads[0]])
    while heads > 1 and teacher[fields.hidden] * width / heads < 12 and width < 1:
        heads //= 2
    student[fields.hidden] = max(heads, round(teacher[fields.hidden] * width / heads) * heads)
    if width < 1:
        student |= dict.fromkeys(fields.heads, heads)
    for name in fields.layers:
        student[name] = max(1, round(teacher[name] * layers))
    for name in fields.inner:
        student[name] = max(1, round((teacher.get(name) or 4 * teacher[fields.hidden]) * width))
    return student


def shaped(teacher: Mapping[str, Any], shape: StudentShape) -> dict[str, Any]:
    """Return the configuration with the layers, widths and heads of ``shape``."""
    if teacher.get("model_type") == "encoder-decoder":
        return {**teacher, **{side: shaped(teacher[side], shape) for side in SIDES}}
    fields = family(teacher)
    return {
        **teacher,
        fields.hidden: shape.hidden,
        **dict.fromkeys(fields.layers, shape.layers),
        **dict.fromkeys(fields.heads, shape.attention_heads),
        **dict.fromkeys(fields.inner, shape.inner),
    }


def reading(values: Mapping[str, Any], *, vocabulary: int, room: int) -> dict[str, Any]:
    """Return the configuration for a tokenizer of our own and sequences of at most ``room`` ids."""
    if values.get("model_type") == "encoder-decoder":
        sides = {side: reading(values[side], vocabulary=vocabulary, room=room) for side in SIDES}
        return {**values, **sides, "pad_token_id": 1, "decoder_start_token_id": 0}
    positions = room + 2 if values.get("model_type") == "roberta" else room
    own = {**values, **OWN_IDS, "vocab_size": vocabulary, family(values).positions: positions}
    return {**own, "decoder_start_token_id": 2} if family(values) is BART else own


def with_dropout(values: Mapping[str, Any], dropout: float | None) -> dict[str, Any]:
    """Return the configuration with another dropout, where one is given."""
    if dropout is None:
        return dict(values)
    if values.get("model_type") == "encoder-decoder":
        return {**values, **{side: with_dropout(values[side], dropout) for side in SIDES}}
    return {**values, **dict.fromkeys(family(values).dropout, dropout)}


def make_student(
    kind: type[SavedVictim],
    spec: VictimSpec,
    tokenizer: Tokenizer | None,
    config: Distill,
    data: Corpus,
    *,
    shape: StudentShape | None,
    seed: int,
    device: str = "cpu",
    shapes: Any = None,
) -> SavedVictim:
    """Return a student with random weights. ``spec`` and ``tokenizer`` are the teacher's.

    Args:
        kind: the class of victim.
        spec: task, family, framing, head and labels.
        tokenizer: None when there is no teacher to share one with.
        config: what the student looks like, where ``shape`` is None.
        data: its train split trains a tokenizer of the student's own.
        shape: the student's shape; None where it is a fraction of the teacher's.
        seed: decides the weights.
        device: where to compute.
        shapes: the victim's canonical batch shapes.

    Raises:
        RefusedError: the family is not known, or the student has no tokenizer.

    """
    values = scaled(spec.encoder, *config.fractions()) if shape is None else shaped(spec.encoder, shape)
    update: dict[str, Any] = {"structure": {}, "probe": (), "notes": {}}  # those are the teacher's own
    if shape is not None and shape.vocabulary is not None:
        framing = Framing(
            max_length=shape.max_length or spec.framing.max_length,
            lower_case=shape.lower_case,
            collapse_whitespace=shape.lower_case,
        )
        tokenizer = own_tokenizer(data, framing, shape.vocabulary)
        room = framing.max_length + (spec.max_new + 1 if isinstance(spec, GeneratorSpec) else 0)
        values = reading(values, vocabulary=tokenizer.get_vocab_size(), room=room)
        update["framing"] = framing
    if tokenizer is None:
        hint = "Give the student a vocabulary, as 3mb has."
        raise RefusedError("there is no teacher whose tokenizer it could share", where=config.kind, hint=hint)
    if isinstance(spec, EncoderSpec):
        update["head"] = spec.head.model_copy(update={"hidden": None})
    spec = spec.model_copy(update=update | {"encoder": with_dropout(values, config.dropout)})
    torch.manual_seed(derived_seed(seed, "student"))
    return kind(kind.build(spec), tokenizer, spec, device=device, shapes=shapes)


def own_tokenizer(data: Corpus, framing: Framing, vocabulary: int) -> Tokenizer:
    """Return a byte-level BPE trained on the snippets (and summaries) of the train split, as framed."""
    normalize = TextEncoder(Tokenizer(models.BPE()), framing, capacity=1).normalize
    train = data.splits["train"]
    summaries = dict.fromkeys(s.reference for s in train if s.reference)
    return train_tokenizer([*map(normalize, snippets(train)), *summaries], vocabulary=vocabulary)


LAYER = re.compile(r"^(.*?\b(?:layer|layers|h|block)\.)(\d+)(\..*)$")


def _layer_counts(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        match = LAYER.match(name)
        if match:
            counts[match[1]] = max(counts.get(match[1], 0), int(match[2]) + 1)
    return counts


@torch.no_grad()
def initialise(student: nn.Module, teacher: nn.Module) -> None:
    """Start the student from the teacher: its layers where widths agree, else projected embeddings.

    Both read the same ids. Parts that differ in shape (pruned ones, another number of heads) stay random.
    """
    own, given = student.state_dict(), teacher.state_dict()
    tables = [f"{name}.weight" for name, m in teacher.named_modules() if isinstance(m, nn.Embedding)]
    words = given[tables[0]]
    width = own[tables[0]].shape[1]
    if width == words.shape[1]:
        mine, theirs = _layer_counts(own), _layer_counts(given)
        for name, tensor in own.items():
            source, match = name, LAYER.match(name)
            if match:
                index = round((int(match[2]) + 1) * theirs[match[1]] / mine[match[1]]) - 1
                source = f"{match[1]}{index}{match[3]}"
            if source in given and given[source].shape == tensor.shape:
                tensor.copy_(given[source])
        return
    directions = torch.linalg.svd(words - words.mean(0), full_matrices=False).Vh[:width]
    scale = float(own[tables[0]].std()) / max(float((words @ directions.T).std()), 1e-12)
    for name in tables:
        projected = given[name] @ directions.T * scale
        if projected.shape == own[name].shape:
            own[name].copy_(projected)
