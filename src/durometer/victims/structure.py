"""Networks narrower than their configuration says: fewer heads or feed-forward columns, layer by layer.

transformers knows one number of heads and one feed-forward width for all layers of a stack, and derives the
size of a head from the number of heads. A pruned network has its own numbers in each layer, so they stand in
the victim's specification (``structure``: name of the part to what it kept) and the modules are replaced by
narrower ones before weights are loaded. The library's forward passes read head counts from tensor shapes,
so nothing else changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from torch import nn

from durometer.errors import InputError


class Unit(NamedTuple):
    """An attention or feed-forward part whose inner width may shrink.

    ``writes`` are the linears whose outputs are the inner activations, ``reads`` the one that takes them
    back to the hidden width. An attention has its module's name, a feed-forward part that of the linear it
    begins with. ``size`` activations go together: the size of a head, or 1. ``fused`` counts
    the matrices that stand side by side in a written one (GPT-2: query, key and value).
    """

    name: str
    kind: Literal["heads", "feed_forward"]
    writes: tuple[str, ...]
    reads: str
    size: int = 1
    fused: int = 1


def units(network: nn.Module) -> dict[str, Unit]:
    """Return the parts of BERT's, GPT-2's, BART's and T5's kin by name.

    T5's attention is left out: all layers share the first one's position bias, which has a column a head.
    """
    found = {}
    for name, module in network.named_modules():
        unit = _unit(name, module)
        if unit is not None:
            found[unit.name] = unit
    return found


def _unit(name: str, module: Any) -> Unit | None:
    parts = dict(module.named_children()).keys()

    def under(*children: str) -> tuple[str, ...]:
        return tuple(f"{name}.{child}" for child in children)

    if parts >= {"query", "key", "value"}:
        output = f"{name.rpartition('.')[0]}.output.dense"
        return Unit(name, "heads", under("query", "key", "value"), output, module.attention_head_size)
    if parts >= {"q_proj", "k_proj", "v_proj", "out_proj"}:
        output = f"{name}.out_proj"
        return Unit(name, "heads", under("q_proj", "k_proj", "v_proj"), output, module.head_dim)
    if parts >= {"c_attn", "c_proj"} and "q_attn" not in parts:
        return Unit(name, "heads", under("c_attn"), f"{name}.c_proj", module.head_dim, fused=3)
    for first, second in (("fc1", "fc2"), ("c_fc", "c_proj"), ("wi", "wo")):
        if parts >= {first, second}:
            return Unit(f"{name}.{first}", "feed_forward", under(first), f"{name}.{second}")
    if parts >= {"wi_0", "wi_1", "wo"}:
        return Unit(f"{name}.wi_0", "feed_forward", under("wi_0", "wi_1"), f"{name}.wo")
    if parts >= {"attention", "intermediate", "output"}:
        path = f"{name}.intermediate.dense"
        return Unit(path, "feed_forward", (path,), f"{name}.output.dense")
    return None


def count(network: nn.Module, unit: Unit) -> int:
    """Return how many heads or columns the part has."""
    linear: Any = network.get_submodule(unit.writes[0])
    outputs = linear.out_features if isinstance(linear, nn.Linear) else linear.nf  # GPT-2's Conv1D
    return int(outputs) // (unit.size * unit.fused)


def resize(network: nn.Module, structure: Mapping[str, int]) -> None:
    """Replace the parts that ``structure`` names by parts of these counts, their weights drawn.

    Raises:
        InputError: the network has no such part.

    """
    known = units(network) if structure else {}
    for name, kept in structure.items():
        if name not in known:
            raise InputError("no part of the network has this name", where=f"structure: {name}")
        unit = known[name]
        if count(network, unit) == kept:
            continue
        for path in unit.writes:
            _replace(network, path, outputs=kept * unit.size * unit.fused)
        _replace(network, unit.reads, inputs=kept * unit.size)
        if unit.kind == "heads":
            sizes = dict.fromkeys(("num_heads", "num_attention_heads"), kept)
            sizes |= dict.fromkeys(("all_head_size", "split_size"), kept * unit.size)
            module = network.get_submodule(name)
            for attribute in sizes.keys() & vars(module).keys():
                setattr(module, attribute, sizes[attribute])


def _replace(network: nn.Module, path: str, *, inputs: int | None = None, outputs: int | None = None) -> None:
    old: Any = network.get_submodule(path)
    new: nn.Module
    if isinstance(old, nn.Linear):
        new = nn.Linear(inputs or old.in_features, outputs or old.out_features, bias=old.bias is not None)
    else:
        new = type(old)(outputs or old.nf, inputs or old.nx)
    network.set_submodule(path, new)
