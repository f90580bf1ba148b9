"""Hugging Face encoders as victims: RoBERTa and its kin with a head for one snippet or for a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import model_validator
from tokenizers import Tokenizer
from torch import Tensor

from durometer.errors import VictimError
from durometer.types import Prediction, Sample
from durometer.victims.batching import pad_rows
from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config
from durometer.victims.saved import SavedVictim, VictimSpec
from durometer.victims.shapes import Shapes
from durometer.victims.storage import Codec
from durometer.victims.structure import resize
from durometer.victims.text import Memory

STATE_CAPACITY = 8192  # pooled states remembered: the fixed partner of a pair costs one encoder row a sample


class EncoderSpec(VictimSpec):
    """A classifying victim: what ``VictimSpec`` has, the head, and the class of each logit."""

    head: HeadConfig = HeadConfig()
    labels: tuple[int, ...] = (0, 1)  # (1, 0) when logit 0 is the positive class

    @model_validator(mode="after")
    def _a_pair_is_read_in_one_way(self) -> EncoderSpec:
        if self.head.pair and self.framing.between is not None:
            raise ValueError("framing.between joins the halves of a pair: head.pair is for halves read apart")
        return self


class EncoderVictim(SavedVictim):
    """An encoder with a classification head, in evaluation mode on one device.

    Every row is computed in a canonical shape (``shapes``), so its probabilities are bit-identical
    whatever is asked beside it. Pooled states are remembered by ids: an attack on one snippet of a pair
    costs one encoder row a query, and equal ids (a rename beyond the window) cost nothing.
    """

    spec_class: ClassVar[type[VictimSpec]] = EncoderSpec
    network: EncoderNetwork
    spec: EncoderSpec

    def __init__(
        self,
        network: EncoderNetwork,
        tokenizer: Tokenizer,
        spec: EncoderSpec,
        *,
        device: str = "cpu",
        shapes: Shapes | None = None,
        packing: Mapping[str, Codec] | None = None,
    ) -> None:
        if sorted(spec.labels) != list(range(spec.head.classes)):
            raise VictimError(
                f"labels {spec.labels} is not an order of {spec.head.classes} classes", where=spec.name
            )
        super().__init__(network, tokenizer, spec, device=device, shapes=shapes, packing=packing)
        self._states: Memory[Tensor] = Memory(STATE_CAPACITY)

    @classmethod
    def build(cls, spec: EncoderSpec) -> EncoderNetwork:
        """Return the network that ``spec`` describes, its weights drawn."""
        network = EncoderNetwork(encoder_config(dict(spec.encoder)), spec.head)
        resize(network, spec.structure)
        return network

    def predict(self, inputs: Sequence[Sample]) -> list[Prediction]:
        """Return class probabilities of each sample, in order (errors as in ``logits``)."""
        predictions: list[Prediction] = []
        for logits in self.logits(inputs).double():
            # Row by row: a vectorised softmax may round by the number of rows.
            by_class = sorted(zip(self.spec.labels, logits.softmax(dim=-1).tolist(), strict=True))
            predictions.append(Prediction(probabilities=tuple(p for _, p in by_class)))
        return predictions

    def logits(self, inputs: Sequence[Sample]) -> Tensor:
        """Return logits [samples, classes] on the CPU, in the order of the head's outputs.

        Raises:
            VictimError: the head reads pairs and a sample has no ``other``.

        """
        read = [self.rows(sample) for sample in inputs]
        pair, count = self.spec.head.pair, len(inputs)
        states = self.states([rows[0] for rows in read] + ([rows[1] for rows in read] if pair else []))
        return self._head(states[:count], states[count:] if pair else None)

    def rows(self, sample: Sample) -> tuple[tuple[int, ...], ...]:
        """Return the rows of ids that a sample is read as: one, or one for each half of a pair.

        Raises:
            VictimError: the victim reads pairs and the sample has no ``other``.

        """
        joined = self.spec.framing.between is not None
        if not joined and not self.spec.head.pair:
            return (self.text(sample.code),)
        if sample.other is None:
            raise VictimError(f"sample {sample.id!r} has no second snippet", where=self.name)
        if joined:
            return (self.text.joined(sample.code, sample.other),)
        return self.text(sample.code), self.text(sample.other)

    @torch.inference_mode()
    def states(self, ids: Sequence[tuple[int, ...]]) -> list[Tensor]:
        """Return the pooled state [hidden] of each row of ids, remembered or computed."""
        known = {row: state for row in set(ids) if (state := self._states.get(row)) is not None}
        wanted = [row for row in dict.fromkeys(ids) if row not in known]
        for length, indices in self.shapes.batches([len(r) for r in wanted], self.spec.framing.max_length):
            rows = [wanted[i] for i in indices]
            for row, state in zip(rows, self._encode(rows, length), strict=False):
                known[row] = state
                self._states.put(row, state)
        return [known[row] for row in ids]

    def _encode(self, rows: Sequence[tuple[int, ...]], length: int) -> Tensor:
        """Run the encoder in its canonical shape; the states of dummy rows come last."""
        filled = [*rows, *[rows[-1]] * (self.shapes.rows - len(rows))]
        if self.shapes.bucket == 1:
            return self.network.states(torch.tensor(filled, device=self.device))
        return self.network.states(*pad_rows(filled, self.spec.framing.pad, self.device, length))

    @torch.inference_mode()
    def _head(self, first: list[Tensor], second: list[Tensor] | None) -> Tensor:
        """Run the head, also in a canonical number of rows."""
        logits = [torch.empty(0, self.spec.head.classes)]
        for start in range(0, len(first), self.shapes.rows):
            chunk = range(start, min(start + self.shapes.rows, len(first)))
            filled = [*chunk, *[start] * (self.shapes.rows - len(chunk))]
            a = torch.stack([first[i] for i in filled])
            b = None if second is None else torch.stack([second[i] for i in filled])
            logits.append(self.network.logits(a, b).cpu()[: len(chunk)])
        return torch.cat(logits)

    def visible_bytes(self, sample: Sample) -> int:
        """Return how many leading UTF-8 bytes of ``sample.code`` the window leaves."""
        return self.text.visible_bytes(sample.code, sample.other)

    def forget(self) -> None:
        """Empty the memories, as before a timing or after a change of the weights."""
        super().forget()
        self._states.clear()
