"""PLBART's decoder one token at a time: the library's modules in its order, without its bookkeeping.

For a layer of 96 the library needs 2 ms a token, most of it outside the network; this needs less than half. A
summary is a dozen tokens, and an attack asks for thousands of summaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass
class Cache:
    """Keys and values by layer, each [beams, heads, length, head size]; what all beams read is one row."""

    crossed: list[tuple[Tensor, Tensor]]
    past: list[tuple[Tensor, Tensor]]
    length: int = 0

    def reorder_cache(self, origins: Tensor) -> None:
        """Let beam i go on from beam ``origins[i]``; one row may become several."""
        self.past = [(keys[origins], values[origins]) for keys, values in self.past]


def begin(model: Any, states: Tensor) -> Cache:
    """Return the cache of a ``PLBartForConditionalGeneration`` for encoder states [1, length, hidden]."""
    layers = model.model.decoder.layers
    crossed = [_keys_and_values(layer.encoder_attn, states) for layer in layers]
    empty = [_keys_and_values(layer.self_attn, states[:, :0]) for layer in layers]
    return Cache(crossed, empty)


def step(model: Any, tokens: Tensor, cache: Cache) -> Tensor:
    """Read one token a beam [beams]; return logits [beams, vocabulary]; the cache grows."""
    decoder = model.model.decoder
    place = decoder.embed_positions.weight[cache.length + decoder.embed_positions.offset]
    hidden = decoder.layernorm_embedding(decoder.embed_tokens(tokens[:, None]) + place)
    for index, layer in enumerate(decoder.layers):
        new = _keys_and_values(layer.self_attn, hidden)
        keys, values = (torch.cat(pair, dim=2) for pair in zip(cache.past[index], new, strict=True))
        cache.past[index] = (keys, values)
        hidden = layer.self_attn_layer_norm(hidden + _attend(layer.self_attn, hidden, keys, values))
        seen = _attend(layer.encoder_attn, hidden, *cache.crossed[index])
        hidden = layer.encoder_attn_layer_norm(hidden + seen)
        hidden = layer.final_layer_norm(hidden + layer.fc2(layer.activation_fn(layer.fc1(hidden))))
    cache.length += 1
    logits: Tensor = model.lm_head(hidden[:, -1]) + model.final_logits_bias
    return logits


def _keys_and_values(attention: Any, states: Tensor) -> tuple[Tensor, Tensor]:
    keys, values = attention.k_proj(states), attention.v_proj(states)
    return _by_head(keys, attention), _by_head(values, attention)


def _by_head(states: Tensor, attention: Any) -> Tensor:
    rows, length, width = states.shape
    return states.view(rows, length, width // attention.head_dim, attention.head_dim).transpose(1, 2)


def _attend(attention: Any, hidden: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    query = _by_head(attention.q_proj(hidden), attention)
    keys, values = (part.expand(len(hidden), -1, -1, -1) for part in (keys, values))
    mixed = functional.scaled_dot_product_attention(query, keys, values, scale=attention.scaling)
    result: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return result


def ready_to_copy(model: Any) -> None:
    """Let the cross-attention of drawn weights pass on what it reads as it is (identity).

    Our own, for minutes of training: embeddings are tied, so an attended word is a likely word.
    """
    for layer in model.model.decoder.layers:
        nn.init.eye_(layer.encoder_attn.v_proj.weight)
        nn.init.eye_(layer.encoder_attn.out_proj.weight)
