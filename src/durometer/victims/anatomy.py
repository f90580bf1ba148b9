"""What a checkpoint's weights say about themselves: wrappers, sizes, where the head is, what it reads.

Published students come as a state dictionary beside somebody else's ``config.json``, or none: the Compressor
and AVATAR repositories save ``model.bin`` alone, under names such as ``encoder.roberta.…`` with the head at
``classifier.`` or ``encoder.classifier.``. Shapes decide what they can; what no shape tells (the number of
attention heads) must be said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from durometer.errors import InputError
from durometer.victims.encoder import HeadConfig

WRAPPERS = ("module.", "_orig_mod.")  # DataParallel, torch.compile
HEAD = re.compile(
    r"^((?:.*\.)?(?:classifier|classification_head|score)\.)(?:(?:dense|out_proj)\.)?(weight|bias)$"
)
LAYER = re.compile(r"^encoder\.layer\.(\d+)\.")
DEFAULT_HEAD = "classifier."
BERT_KIN = ("roberta", "bert")
# CodeBERT's, which its students keep; RobertaConfig's own epsilon is another.
UNSAID = {
    "model_type": "roberta",
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
}


def unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names that they have without a wrapper around the whole model."""
    for prefix in WRAPPERS:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return dict(tensors)


def head_place(
    tensors: Mapping[str, Tensor], head: HeadConfig, hidden: int, *, where: str
) -> tuple[str, tuple[str, ...]]:
    """Return (what the head's names begin with, what those of further heads begin with).

    Several heads in one file are told apart by what they read: a pair's head reads two states. (A library
    class with an unused head of its own inside the authors' model is the usual reason.)

    Raises:
        InputError: several heads, and not exactly one of them fits the card's.

    """
    reads: dict[str, int] = {}
    for name, tensor in tensors.items():
        found = HEAD.match(name)
        if found and found[2] == "weight" and tensor.dim() == 2 and not name.endswith("dense.weight"):
            first = tensors.get(f"{found[1]}dense.weight", tensor)
            reads[found[1]] = first.shape[1]
    if len(reads) < 2:
        return next(iter(reads), DEFAULT_HEAD), ()
    fitting = [prefix for prefix, width in reads.items() if width == head.width(hidden)]
    if len(fitting) != 1:
        widths = ", ".join(f"{prefix} reads {width}" for prefix, width in sorted(reads.items()))
        raise InputError(
            f"several heads: {widths}",
            where=where,
            hint="Set head_prefix in the victim card, and ignore for what the others' names begin with.",
        )
    return fitting[0], tuple(prefix for prefix in reads if prefix != fitting[0])


def fitted_head(config: HeadConfig, head: Mapping[str, Tensor], hidden: int, *, where: str) -> HeadConfig:
    """Return the card's head with what the weights decide: layout, inner width, a single logit.

    Raises:
        InputError: the weights are those of a head of another kind; the hint says which.

    """
    last = head.get("out_proj.weight")
    if last is None:
        return config
    first = head.get("dense.weight", last)
    outputs, reads = len(last), first.shape[1]
    if outputs not in (1, config.classes):
        raise InputError(
            f"the head has {outputs} outputs, and the card says {config.classes} classes",
            where=where,
            hint=f"Set head: {{classes: {outputs}}} and labels in the victim card.",
        )
    if reads != config.width(hidden):
        kinds = {
            hidden: "pair: false",
            2 * hidden: "pair: true",
            4 * hidden: "pair: true, pair_features: interaction",
        }
        hint = f"Set head: {{{kinds[reads]}}} in the victim card." if reads in kinds else ""
        raise InputError(
            f"the head reads {reads} numbers, and the card gives it {config.width(hidden)}",
            where=where,
            hint=hint,
        )
    decided: dict[str, Any] = {"layout": "dense" if "dense.weight" in head else "linear"}
    if "dense.weight" in head:
        decided["hidden"] = len(first)
    if outputs == 1:
        decided["single_logit"] = True
    return HeadConfig.model_validate({**config.model_dump(), **decided})


def configuration(
    found: Mapping[str, Any] | None, given: Mapping[str, Any], encoder: Mapping[str, Tensor], *, where: str
) -> dict[str, Any]:
    """Return the encoder's transformers configuration.

    ``found`` is ``config.json`` or None, ``given`` the card's ``config``, which goes before it. The sizes of
    BERT's kin are those of the weights, whatever either says.

    Raises:
        InputError: the card contradicts the weights, or nobody knows the number of attention heads.

    """
    config = {**(UNSAID if found is None else found), **given}
    if config["model_type"] not in BERT_KIN:
        return config
    sizes = encoder_sizes(encoder, where)
    wrong = [key for key in sizes if given.get(key, sizes[key]) != sizes[key]]
    if wrong:
        raise InputError(
            f"config.{wrong[0]} is {sizes[wrong[0]]} by the weights", where=f"{where} and its card"
        )
    foreign = found is None or found.get("hidden_size", sizes["hidden_size"]) != sizes["hidden_size"]
    if foreign and "num_attention_heads" not in given:
        reason = "there is no config.json" if found is None else "config.json is another model's"
        raise InputError(
            f"{reason}, and the weights do not tell the number of attention heads",
            where=where,
            hint="Set config: {num_attention_heads: N} in the victim card "
            f"(the hidden size is {sizes['hidden_size']}).",
        )
    return config | sizes


def encoder_sizes(encoder: Mapping[str, Tensor], where: str) -> dict[str, int]:
    """Return the sizes of a BERT or RoBERTa encoder by the shapes of its weights.

    Raises:
        InputError: it is no such encoder.

    """
    table = "embeddings.{}_embeddings.weight"
    try:
        vocabulary, hidden = encoder[table.format("word")].shape
        return {
            "vocab_size": vocabulary,
            "hidden_size": hidden,
            "max_position_embeddings": len(encoder[table.format("position")]),
            "type_vocab_size": len(encoder[table.format("token_type")]),
            "num_hidden_layers": 1 + max(int(m[1]) for name in encoder if (m := LAYER.match(name))),
            "intermediate_size": len(encoder["encoder.layer.0.intermediate.dense.weight"]),
        }
    except (KeyError, ValueError) as error:
        raise InputError(
            f"not the weights of a BERT or RoBERTa encoder ({error})",
            where=where,
            hint="LSTM, GRU and other students have no loader here; give them as module:function.",
        ) from error
