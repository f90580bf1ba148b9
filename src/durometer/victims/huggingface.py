"""Hugging Face encoders as victims: RoBERTa and its kin with a head for one snippet or for a pair.

A victim is saved as a folder: ``weights.safetensors`` (see ``storage``), ``victim.json`` (encoder
configuration, head, framing, label order, a tokenizer probe), ``tokenizer.json``. The folder loads by itself.
"""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tokenizers import Tokenizer
from torch import Tensor

from durometer.errors import InputError, VictimError
from durometer.types import Prediction, Sample
from durometer.victims.base import Traits
from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config
from durometer.victims.selftest import SELF_TEST, run_self_test, write_self_test
from durometer.victims.shapes import Shapes, default_shapes
from durometer.victims.storage import Codec, read_weights, roundtrip, write_json, write_weights
from durometer.victims.text import DRIFT_PROBE, Framing, Memory, TextEncoder

WEIGHTS, CARD, TOKENIZER = "weights.safetensors", "victim.json", "tokenizer.json"
STATE_CAPACITY = 8192  # pooled states remembered: the fixed partner of a pair costs one encoder row a sample


class EncoderSpec(BaseModel):
    """Everything about an encoder victim but its weights and its tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    name: str = "encoder"
    task: str = ""  # what it was trained for, if known
    encoder: Mapping[str, Any]  # transformers configuration, ``model_type`` included
    head: HeadConfig = HeadConfig()
    framing: Framing = Framing()
    labels: tuple[int, ...] = (0, 1)  # class of each logit; (1, 0) when logit 0 is the positive class
    probe: tuple[int, ...] = ()  # ids of text.DRIFT_PROBE when the victim was saved
    notes: Mapping[str, Any] = Field(default_factory=dict)


class EncoderVictim:
    """An encoder with a classification head, in evaluation mode on one device.

    Every row is computed in a canonical shape (``shapes``), so its probabilities are bit-identical
    whatever is asked beside it. Pooled states are remembered by ids: an attack on one snippet of a pair
    costs one encoder row a query, and equal ids (a rename beyond the window) cost nothing.
    """

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
        self.network = network.to(device).eval()
        self.spec = spec
        self.text = TextEncoder(tokenizer, spec.framing)
        self.device = device
        self.shapes = shapes or default_shapes(device)
        self.packing: dict[str, Codec] = dict(packing or {})
        self._states: Memory[Tensor] = Memory(STATE_CAPACITY)

    @property
    def name(self) -> str:
        """What messages call this victim."""
        return self.spec.name

    @property
    def traits(self) -> Traits:
        """Fingerprint (device, dtype, threads, shapes, versions) and what the driver may rely on."""
        threads = torch.get_num_threads() if self.device == "cpu" else 0
        cpu = torch.backends.cpu.get_cpu_capability() if self.device == "cpu" else "-"
        fingerprint = (
            f"{self.device}/fp32/{cpu}/threads{threads}/rows{self.shapes.rows}x{self.shapes.bucket}"
            f"/torch{torch.__version__}/{platform.machine()}"
        )
        return Traits(fingerprint=fingerprint, slice_rows=self.shapes.rows, gradients=True)

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
        pair = self.spec.head.pair
        snippets = [sample.code for sample in inputs]
        if pair:
            for sample in inputs:
                if sample.other is None:
                    raise VictimError(f"sample {sample.id!r} has no second snippet", where=self.name)
                snippets.append(sample.other)
        states = self.states([self.text(code) for code in snippets])
        count = len(inputs)
        return self._head(states[:count], states[count:] if pair else None)

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
        if self.shapes.bucket == 1:
            batch = torch.tensor([*rows, *[rows[0]] * (self.shapes.rows - len(rows))], device=self.device)
            return self.network.states(batch)
        ids = torch.full((self.shapes.rows, length), self.spec.framing.pad, device=self.device)
        mask = torch.zeros_like(ids)
        for index in range(self.shapes.rows):
            row = torch.tensor(rows[min(index, len(rows) - 1)], device=self.device)
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return self.network.states(ids, mask)

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

    def forget(self) -> None:
        """Empty the memories, as before a timing or after a change of the weights."""
        self.text.forget()
        self._states.clear()

    def copy(self) -> EncoderVictim:
        """Return an independent victim with the same weights, nothing remembered."""
        return EncoderVictim(
            copy.deepcopy(self.network),
            self.text.tokenizer,
            self.spec,
            device=self.device,
            shapes=self.shapes,
            packing=self.packing,
        )

    @torch.no_grad()
    def settle(self) -> None:
        """Round every weight to what its packing stores: from now on a save and a load change no bit."""
        for name, weight in self.network.named_parameters():
            weight.copy_(roundtrip(weight, self.packing.get(name, "dense")))
        self.forget()

    def weights(self) -> dict[str, Tensor]:
        """Return every tensor once: tables that are tied keep their first name."""
        return untied(self.network)

    @property
    def content_hash(self) -> str:
        """Hash of the weights, the head, the framing and the tokenizer."""
        spec = self.spec.model_dump(mode="json", include={"encoder", "head", "framing", "labels"})
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
        digest.update(self.text.tokenizer.to_str().encode())
        for name, tensor in sorted(self.weights().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path, *, probes: Sequence[Sample] = ()) -> None:
        """Write the folder (weights last, so that a folder with weights is complete).

        With ``probes``, a self-test over the first 32 of them is saved too and runs on every load.

        Raises:
            StoreError: it cannot be written.

        """
        spec = self.spec.model_copy(update={"probe": self.text(DRIFT_PROBE)})
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / CARD, spec.model_dump(mode="json"))
        self.text.tokenizer.save(str(folder / TOKENIZER))
        if probes:
            write_self_test(self, probes, folder / SELF_TEST)
        write_weights(folder / WEIGHTS, self.weights(), self.packing)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", shapes: Shapes | None = None) -> EncoderVictim:
        """Read a folder that ``save`` wrote, packed weights included.

        Raises:
            InputError: a file is missing or malformed, or the weights do not fit the configuration.
            VictimError: the tokenizer is not the one that was saved, or the self-test fails.

        """
        spec = read_spec(folder / CARD)
        network = EncoderNetwork(encoder_config(dict(spec.encoder)), spec.head)
        weights, packing = read_weights(folder / WEIGHTS)
        load_exactly(network, weights, where=str(folder / WEIGHTS))
        victim = cls(
            network, read_tokenizer(folder / TOKENIZER), spec, device=device, shapes=shapes, packing=packing
        )
        if spec.probe:
            victim.text.check_drift(spec.probe, where=str(folder / TOKENIZER))
        if (folder / SELF_TEST).is_file():
            run_self_test(victim, folder / SELF_TEST)
        return victim


def read_spec(path: Path) -> EncoderSpec:
    """Return the specification in a ``victim.json``."""
    try:
        return EncoderSpec.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), hint="Is this folder a saved victim?") from error
    except (ValidationError, json.JSONDecodeError) as error:
        raise InputError(f"malformed: {error}", where=str(path)) from error


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a ``tokenizer.json``."""
    if not path.is_file():
        raise InputError("no such file", where=str(path))
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise InputError(f"not a tokenizer ({error})", where=str(path)) from error


def load_exactly(network: torch.nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Load every tensor, or say which are missing, unknown or of another shape."""
    expected = untied(network)
    aliases = network.state_dict().keys() - expected.keys()
    weights = {name: tensor for name, tensor in weights.items() if name not in aliases}
    missing, unknown = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if missing or unknown:
        raise InputError(f"weights do not fit: missing {missing[:3]}, unknown {unknown[:3]}", where=where)
    wrong = [name for name in expected if expected[name].shape != weights[name].shape]
    if wrong:
        raise InputError(f"{wrong[0]} has shape {tuple(weights[wrong[0]].shape)}", where=where)
    network.load_state_dict(dict(weights), strict=False)


def untied(network: torch.nn.Module) -> dict[str, Tensor]:
    """Return the state dict without the second and later names of tensors that share memory."""
    seen: set[int] = set()
    result: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            result[name] = tensor
    return result
