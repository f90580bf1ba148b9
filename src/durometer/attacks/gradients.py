"""First-order estimates of what a rename does to a victim: HotFlip on sub-token embeddings.

Ebrahimi et al., "HotFlip: white-box adversarial examples for text classification", ACL 2018, section 3;
for renames as in Yefet, Alon and Yahav, "Adversarial examples for models of code", OOPSLA 2020, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from durometer.attacks.base import FirstOrder
from durometer.code import Program
from durometer.errors import RefusedError
from durometer.types import Sample
from durometer.victims.base import Victim, traits_of


def gradient_source(victim: Victim) -> Callable[[Sample], FirstOrder]:
    """Return, for a victim with gradients, a function from sample to estimates for its programs.

    Raises:
        RefusedError: the victim has no gradients, or a trial backward pass leaves them ``None`` (int8
            kernels do, silently): a model must never look robust because it was not attacked.

    """
    inner: Any = getattr(victim, "victim", victim)
    parts = hasattr(inner, "text") and hasattr(getattr(inner, "network", None), "head")
    if not traits_of(victim).gradients or not parts:
        raise RefusedError(
            "this victim gives no gradients",
            hint="Attack it with black-box attacks, or attack a twin that has some (for an engine its recipe "
            "without it, or ending in int8) and transfer.",
        )
    probe = Sample(id="gradient probe", code="x = 1", language="python", label=0, other="x = 1")
    _embedding_gradients(inner, probe)
    return lambda sample: _Estimates(inner, sample)


class _Estimates:
    """Estimated changes of the gold label's log-probability, for variants of one program."""

    def __init__(self, victim: Any, sample: Sample) -> None:
        self._victim, self._sample = victim, sample

    def __call__(self, program: Program, variants: Sequence[Program]) -> list[float]:
        """Return one estimate per variant, which must differ from ``program`` in one name; low is good."""
        gradients = _embedding_gradients(self._victim, replace(self._sample, code=program.text))
        spans = _Spans(self._victim, program, self._sample.other)
        table = self._victim.network.encoder.get_input_embeddings()
        estimates = []
        for variant in variants:
            renamed = {**program.renames, **variant.renames}
            old = next(name for name in renamed if variant.name_of(name) != program.name_of(name))
            new = self._mean(table, variant.name_of(old))
            estimates.append(
                sum(
                    float((new - self._mean(table, program.name_of(old))) @ gradients[start:stop].sum(dim=0))
                    for start, stop in spans.of(old)
                )
            )
        return estimates

    def _mean(self, table: Any, name: str) -> Tensor:
        text = self._victim.text
        ids = text.tokenizer.encode(text.normalize(f" {name}"), add_special_tokens=False).ids
        with torch.inference_mode():
            mean: Tensor = table(torch.tensor([ids], device=self._victim.device))[0].mean(dim=0)
        return mean.clone()


class _Spans:
    """Where each name of a program lies among the victim's input ids.

    Victims may squeeze white space, so places are counted in characters that are not white space.
    """

    def __init__(self, victim: Any, program: Program, other: str | None = None) -> None:
        framing, text = victim.text.framing, victim.text.normalize(program.text)
        encoding = victim.text.tokenizer.encode(text, add_special_tokens=False)
        room = victim.text.room(program.text, other)
        inked = _inked(text)
        self._of_character: dict[int, int] = {}
        for index, (start, stop) in enumerate(encoding.offsets[:room]):
            for character in range(start, stop):
                if not text[character].isspace():
                    self._of_character.setdefault(inked[character], index + len(framing.begin))
        self._program = program

    def of(self, name: str) -> list[tuple[int, int]]:
        """Return (first, one past last) input position of each occurrence inside the window."""
        snippet, program = self._program.snippet, self._program
        moves = [
            (start, len(program.name_of(old)) - len(old))
            for old in program.renames
            for start in snippet.occurrences(old)
        ]
        data = snippet.source.encode("utf-8", "surrogateescape")
        inked = _inked(snippet.source)
        found = []
        for start in snippet.occurrences(name):
            at = len(data[:start].decode("utf-8", "surrogateescape"))
            first = inked[at] + sum(growth for place, growth in moves if place < start)
            positions = [
                self._of_character[character]
                for character in range(first, first + len(program.name_of(name)))
                if character in self._of_character
            ]
            if positions:
                found.append((positions[0], positions[-1] + 1))
        return found


def _inked(text: str) -> list[int]:
    """Return, for each character, how many non-blank characters come before it."""
    return list(accumulate((not character.isspace() for character in text), initial=0))[:-1]


def _embedding_gradients(victim: Any, sample: Sample) -> Tensor:
    """Return d log p(gold label) / d word embeddings of the sample's code, [length, width].

    An encoder-decoder reads the code twice; a name counts in both places.
    """
    kept: list[tuple[Tensor, Tensor]] = []

    def capture(module: Any, inputs: Any, output: Tensor) -> Tensor:
        kept.append((inputs[0][0], output.detach().clone().requires_grad_()))
        return kept[-1][1]

    network = victim.network
    rows = [torch.tensor([row], device=victim.device) for row in victim.rows(sample)]
    ids = rows[0]
    handles = [table.register_forward_hook(capture) for table in _tables(network.encoder)]
    try:
        with torch.enable_grad():
            states = [network.states(ids)]
            reads = list(kept)
            states += [network.states(row) for row in rows[1:]]
            gold = victim.spec.labels.index(int(sample.label or 0))
            loss = network.logits(*states)[0].log_softmax(dim=-1)[gold]
            if loss.requires_grad:
                loss.backward()
    finally:
        for handle in handles:
            handle.remove()
        network.zero_grad(set_to_none=True)
    if not reads or any(read.grad is None for _, read in reads):
        raise RefusedError(
            "the backward pass leaves the input gradients None",
            where=str(getattr(victim, "name", "victim")),
            hint="Quantized kernels have no gradient: attack the full-precision model and transfer.",
        )
    return torch.stack([_aligned(seen, read, ids[0]) for seen, read in reads]).sum(dim=0)


def _tables(encoder: Any) -> list[torch.nn.Module]:
    """Return every module that looks words up in the input embeddings (BART has three that share them)."""
    weight = encoder.get_input_embeddings().weight
    return [
        module
        for module in encoder.modules()
        if isinstance(module, torch.nn.Embedding) and module.weight is weight
    ]


def _aligned(seen: Tensor, read: Tensor, ids: Tensor) -> Tensor:
    """Return the gradient [length, width] of what was ``read`` for the ids ``seen``, by place in ``ids``."""
    gradient = torch.zeros_like(read[0]) if read.grad is None else read.grad[0]
    if torch.equal(seen, ids):
        return gradient
    assert torch.equal(seen[1:], ids[:-1]), "a decoder reads its input as it is, or moved by one"
    return torch.cat([gradient[1:], torch.zeros_like(gradient[:1])])
