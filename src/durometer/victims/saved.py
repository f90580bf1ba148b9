"""What every trained victim shares: a network, a tokenizer, a specification, a folder that loads by itself.

The folder: ``weights.safetensors`` (see ``storage``), ``victim.json`` (configuration, framing, a tokenizer
probe), ``tokenizer.json``, and a self-test that runs on every load, where probes were given.
"""

from __future__ import annotations

import copy
import hashlib
import json
import platform
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tokenizers import Tokenizer
from torch import Tensor, nn

from durometer.durable import write_atomically
from durometer.errors import InputError
from durometer.types import Prediction, Sample
from durometer.victims.base import Traits
from durometer.victims.selftest import SELF_TEST, TOLERANCE, check_files, run_self_test, write_self_test
from durometer.victims.shapes import Shapes, default_shapes
from durometer.victims.storage import Codec, read_weights, roundtrip, weights_bytes, write_json
from durometer.victims.text import DRIFT_PROBE, Framing, TextEncoder

WEIGHTS, CARD, TOKENIZER = "weights.safetensors", "victim.json", "tokenizer.json"
NOTHING = re.compile(r"(?!)")


class VictimSpec(BaseModel):
    """Everything about a victim but its weights and its tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    name: str = "victim"
    task: str = ""  # what it was trained for, if known
    encoder: Mapping[str, Any]  # transformers configuration, ``model_type`` included
    framing: Framing = Framing()
    probe: tuple[int, ...] = ()  # ids of text.DRIFT_PROBE when the victim was saved
    structure: Mapping[str, int] = Field(default_factory=dict)  # see durometer.victims.structure
    notes: Mapping[str, Any] = Field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return what decides answers, beside weights and tokenizer."""
        values = self.model_dump(mode="json", exclude={"version", "name", "task", "probe", "notes"})
        if not self.structure:  # as before there was such a field, so that hashes stay
            del values["structure"]
        if self.framing.between is None:
            del values["framing"]["between"]
        return values


class SavedVictim(ABC):
    """A network in evaluation mode on one device. ``network`` and ``spec`` are narrowed by subclasses."""

    spec_class: ClassVar[type[VictimSpec]]
    network: nn.Module
    files: Mapping[str, bytes] = {}  # what the folder holds beside the weights, by name: an engine

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Tokenizer,
        spec: Any,
        *,
        device: str = "cpu",
        shapes: Shapes | None = None,
        packing: Mapping[str, Codec] | None = None,
    ) -> None:
        self.network = network.to(device).eval()
        self.spec = spec
        self.text = TextEncoder(tokenizer, spec.framing)
        self.device = device
        self.shapes = shapes or default_shapes(device)
        self.packing: dict[str, Codec] = dict(packing or {})

    @classmethod
    @abstractmethod
    def build(cls, spec: Any) -> nn.Module:
        """Return the network that ``spec`` describes, its weights drawn."""

    @abstractmethod
    def predict(self, inputs: Sequence[Sample]) -> list[Prediction]:
        """Return one prediction per input, in order."""

    @abstractmethod
    def logits(self, inputs: Sequence[Sample]) -> Tensor:
        """Return numbers [samples, any] that any change of weights or arithmetic would move."""

    @property
    def name(self) -> str:
        """What messages call this victim."""
        return str(self.spec.name)

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

    def self_test_tolerance(self, logits: Tensor) -> float:
        """Return how far the logits of a load may be from these, which were saved."""
        return TOLERANCE

    def forget(self) -> None:
        """Empty the memories, as before a timing or after a change of the weights."""
        self.text.forget()

    def copy(self) -> Self:
        """Return an independent victim with the same weights, nothing remembered."""
        return type(self)(
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
        """Hash of the weights, the configuration, the framing and the tokenizer."""
        digest = hashlib.sha256(json.dumps(self.spec.identity(), sort_keys=True).encode())
        digest.update(self.text.tokenizer.to_str().encode())
        for name, tensor in sorted(self.weights().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path, *, probes: Sequence[Sample] = ()) -> None:
        """Write the folder (weights last, so that a folder with weights is complete).

        With ``probes``, a self-test over the first 32 of them is saved too and runs on every load. It is
        written before all else: over another victim, a save that is killed leaves what no load takes.

        Raises:
            StoreError: it cannot be written.

        """
        spec = self.spec.model_copy(update={"probe": self.text(DRIFT_PROBE)})
        files = {**self.files, WEIGHTS: weights_bytes(self.weights(), self.packing)}
        folder.mkdir(parents=True, exist_ok=True)
        if probes:
            write_self_test(self, probes, folder / SELF_TEST, files)
        else:
            (folder / SELF_TEST).unlink(missing_ok=True)  # another victim's
        write_json(folder / CARD, spec.model_dump(mode="json"))
        self.text.tokenizer.save(str(folder / TOKENIZER))
        for name, data in files.items():
            write_atomically(folder / name, data)

    def start(self, folder: Path) -> None:
        """Start what the folder holds beside the weights: an engine's files, for victims that have some."""
        return

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> Self:
        """Read a folder that ``save`` wrote, packed weights included.

        Raises:
            InputError: a file is missing or malformed, or the weights do not fit the configuration.
            VictimError: weights or tokenizer are not those that were saved, or the self-test fails.

        """
        spec = read_spec(folder / CARD, cls.spec_class)
        if (folder / SELF_TEST).is_file():
            check_files(folder / SELF_TEST)
        network = cls.build(spec)
        weights, packing = read_weights(folder / WEIGHTS)
        load_exactly(network, weights, where=str(folder / WEIGHTS))
        tokenizer = read_tokenizer(folder / TOKENIZER)
        victim = cls(network, tokenizer, spec, device=device, packing=packing)
        victim.start(folder)
        if spec.probe:
            victim.text.check_drift(spec.probe, where=str(folder / TOKENIZER))
        if (folder / SELF_TEST).is_file():
            run_self_test(victim, folder / SELF_TEST)
        return victim


def read_spec(path: Path, kind: type[VictimSpec]) -> VictimSpec:
    """Return the specification in a ``victim.json``.

    Raises:
        InputError: there is no such file, or it is malformed.

    """
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), hint="Is this folder a saved victim?") from error
    except (ValidationError, json.JSONDecodeError) as error:
        raise InputError(f"malformed: {error}", where=str(path)) from error


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a ``tokenizer.json``.

    Raises:
        InputError: there is no such file, or it holds none.

    """
    if not path.is_file():
        raise InputError("no such file", where=str(path))
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise InputError(f"not a tokenizer ({error})", where=str(path)) from error


def load_exactly(
    network: nn.Module,
    weights: Mapping[str, Tensor],
    *,
    where: str,
    unused: re.Pattern[str] = NOTHING,
    hint: str = "",
) -> None:
    """Load every tensor; a table that is tied may be given under any of its names, the first goes before.

    Names in which ``unused`` finds something may be missing or left over.

    Raises:
        InputError: weights are missing, unknown or of another shape; says which.

    """
    own = network.state_dict()
    tied: dict[int, list[str]] = {}
    for name, tensor in own.items():
        tied.setdefault(tensor.data_ptr(), []).append(name)
    given = {names[0]: next((name for name in names if name in weights), "") for names in tied.values()}
    missing = sorted(first for first, name in given.items() if not name and not unused.search(first))
    unknown = sorted(name for name in weights if name not in own and not unused.search(name))
    if missing or unknown:
        what = f"weights do not fit: missing {missing[:3]}, unknown {unknown[:3]}"
        raise InputError(what, where=where, hint=hint)
    loaded = {name: weights[name] for name in given.values() if name}
    wrong = [name for name, tensor in loaded.items() if own[name].shape != tensor.shape]
    if wrong:
        raise InputError(f"{wrong[0]} has shape {tuple(weights[wrong[0]].shape)}", where=where)
    network.load_state_dict(loaded, strict=False)


def untied(network: nn.Module) -> dict[str, Tensor]:
    """Return the state dict without the second and later names of tensors that share memory."""
    seen: set[int] = set()
    result: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            result[name] = tensor
    return result
