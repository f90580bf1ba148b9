"""Substitute names from a masked language model of code (ALERT, section 3.2; spec section 1).

For each occurrence of each identifier: the model's best predictions on the *unmasked* text, re-ranked by
how little they move the contextual embedding. Computed once per snippet, deterministic, shared by all
attacks and victims.

Departures from the released code:
- white space between tokens is part of the BPE input (the released code encodes each token without it);
- an occurrence is a binding of the renameable name, not every token of that spelling;
- the union over occurrences has a fixed order (first occurrence first, then rank), not that of a Python set.

Trade-off: the cost is (occurrences · 60) rows of the snippet's length. For a 125 M-parameter model use a
GPU, or bound it with ``occurrences_per_name``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from durometer.attacks.base import Tools
from durometer.attacks.candidate_files import Candidates, cached
from durometer.code import Program, Snippet
from durometer.errors import InputError
from durometer.victims.presets import MASKED_LM
from durometer.victims.saved import read_tokenizer

# Fixed, because the shape of a batch moves its numbers by about 1e-7. Logits are 50,000 wide.
TOKENS_PER_FORWARD, LOGIT_TOKENS_PER_FORWARD = 8192, 1024


class SubstituteConfig(BaseModel):
    """The numbers of ALERT's candidate generation, and those of BeamAttack's fills."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 2
    max_length: int = Field(default=512, ge=8)
    predictions: int = Field(default=60, ge=1)
    kept: int = Field(default=30, ge=1)
    combined_sub_tokens: int = Field(default=12, ge=1)
    combined_ranks: int = Field(default=4, ge=1)
    combinations: int = Field(default=24, ge=1)
    occurrences_per_name: int | None = Field(default=None, ge=1)
    fills: int = Field(default=5, ge=1)
    window: int = Field(default=100, ge=4)  # tokens


FILL_WINDOW = {"vulnerability": 200}  # tokens (BeamAttack); 100 for the other tasks


def config_for(task: str) -> SubstituteConfig:
    """Return the published numbers for a task: they differ in BeamAttack's window alone."""
    return SubstituteConfig(window=FILL_WINDOW.get(task, 100))


class MaskedLM:
    """A transformers fill-mask model with its tokenizer, as a source of names; nothing is ever padded."""

    def __init__(
        self, model: Any, tokenizer: Tokenizer, *, fingerprint: str, config: SubstituteConfig, device: str
    ) -> None:
        self.config = config
        self.fingerprint = f"{fingerprint}/{config.model_dump_json()}"
        self.forwards = 0  # rows; model calls that make candidates are counted apart from queries
        self._model, self._tokenizer, self._device = model, tokenizer, device
        is_bert = tokenizer.token_to_id("[MASK]") is not None
        frame = ("[CLS]", "[SEP]", "[MASK]") if is_bert else ("<s>", "</s>", "<mask>")
        self._begin, self._end, self._mask = (_id(tokenizer, token) for token in frame)
        self._pieces: dict[str, list[int]] = {}

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", config: SubstituteConfig | None = None) -> MaskedLM:
        """Load a transformers ``fill-mask`` folder (safetensors, ``tokenizer.json``); nothing is downloaded.

        A victim that was trained from scratch keeps the masked language model that it began with in a folder
        of its own: the victim's folder will do, too.

        Raises:
            InputError: the folder or one of its files is missing, or it is no masked language model.

        """
        if (folder / MASKED_LM).is_dir():
            folder /= MASKED_LM
        weights, vocabulary = folder / "model.safetensors", folder / "tokenizer.json"
        for path in (folder / "config.json", weights, vocabulary):
            if not path.is_file():
                raise InputError("no such file", where=str(path), hint="A fill-mask model folder is needed.")
        from transformers import AutoModelForMaskedLM
        from transformers.utils import logging

        from durometer.victims.checkpoints import window

        logging.disable_progress_bar()
        try:
            model = AutoModelForMaskedLM.from_pretrained(folder, local_files_only=True)
        except (ValueError, OSError, SafetensorError) as error:
            raise InputError(f"not a masked language model: {error}", where=str(folder)) from error
        config = config or SubstituteConfig()
        length = min(config.max_length, window(model.config.to_dict()))
        return cls(
            model.to(device).eval(),
            read_tokenizer(vocabulary),
            fingerprint=hashlib.sha256(weights.read_bytes()).hexdigest()[:16],
            config=config.model_copy(update={"max_length": length}),
            device=device,
        )

    @torch.inference_mode()
    def substitutes(self, snippet: Snippet) -> Candidates:
        """Return ordered candidate names of every renameable name (the function's own included)."""
        text = _Encoded(self, snippet)
        places = {name: text.places(name) for name in snippet.changeable}
        limit = self.config.occurrences_per_name
        chosen = [(name, place) for name, found in places.items() for place in found[:limit]]
        if not chosen:
            return {}
        row = torch.tensor([text.ids], device=self._device)
        logits = self._logits(row)[0]
        best = logits.topk(min(self.config.predictions, logits.shape[-1]), dim=-1).indices
        scores = self._similarities(row[0], best, [place for _, place in chosen])
        offered: dict[str, dict[str, None]] = {name: {} for name in places}
        for (name, (start, stop)), similarity in zip(chosen, scores, strict=True):
            ranks = similarity.argsort(descending=True, stable=True)[: self.config.kept]
            predicted = best[start:stop, ranks]
            words = self._words(predicted)
            offered[name].update(dict.fromkeys(words))
        return _legal(snippet, offered)

    @torch.inference_mode()
    def fills(self, snippet: Snippet) -> Candidates:
        """Return BeamAttack's fills: what the model expects at each occurrence, masked in its window."""
        text = _Encoded(self, snippet)
        rows, owners, positions = [], [], []
        for name in snippet.changeable:
            for index in text.indices(name):
                first = index - index % self.config.window
                window = text.tokens[first : first + self.config.window]
                pieces = [
                    self._encode(t) if first + i != index else [self._mask] for i, t in enumerate(window)
                ]
                before = sum(map(len, pieces[: index - first]))
                flat = [piece for group in pieces for piece in group][: self.config.max_length - 2]
                if before < len(flat):
                    rows.append([self._begin, *flat, self._end])
                    owners.append(name)
                    positions.append(before + 1)
        found: dict[str, dict[str, None]] = {name: {} for name in snippet.changeable}
        for ids, members in self._batches(rows, LOGIT_TOKENS_PER_FORWARD):
            for row, member in zip(self._logits(ids), members, strict=True):
                best = row[positions[member]].topk(min(self.config.fills, row.shape[-1])).indices
                found[owners[member]].update(dict.fromkeys(self._decode([int(i)]) for i in best))
        return _legal(snippet, found)

    @torch.inference_mode()
    def similarity(self, program: Program, variants: Sequence[Program]) -> list[float]:
        """Return the cosine of mean hidden states between ``program`` and each variant, in order."""
        rows = [_Encoded(self, one.snippet, one).ids for one in (program, *variants)]
        means: list[Tensor] = [torch.empty(0)] * len(rows)
        for ids, members in self._batches(rows, TOKENS_PER_FORWARD):
            for states, member in zip(self._states(ids), members, strict=True):
                means[member] = states.mean(dim=0)
        first = means[0]
        return [float(functional.cosine_similarity(first, other, dim=0)) for other in means[1:]]

    def _similarities(self, ids: Tensor, best: Tensor, places: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Return, for each place, the mean cosine [ranks] of its states when rank r stands in its place."""
        original = self._states(ids[None])[0]
        ranks = best.shape[-1]
        rows = ids.repeat(len(places) * ranks, 1)
        for index, (start, stop) in enumerate(places):
            rows[index * ranks : (index + 1) * ranks, start:stop] = best[start:stop].T
        size = max(1, TOKENS_PER_FORWARD // len(ids))
        scores: list[float] = []
        for first in range(0, len(rows), size):
            for offset, states in enumerate(self._states(rows[first : first + size])):
                start, stop = places[(first + offset) // ranks]
                cosine = functional.cosine_similarity(states[start:stop], original[start:stop], dim=-1)
                scores.append(float(cosine.mean()))
        return list(torch.tensor(scores).view(len(places), ranks))

    def _words(self, predicted: Tensor) -> list[str]:
        """Return names from predictions [sub-tokens, ranks], best first."""
        if len(predicted) == 1:
            return [self._decode([int(i)]) for i in predicted[0]]
        head = predicted[: self.config.combined_sub_tokens, : self.config.combined_ranks].tolist()
        combined = [list(ids) for ids in islice(product(*head), self.config.combinations)]
        ids = torch.tensor(combined, device=self._device)
        loss = functional.cross_entropy(self._logits(ids).flatten(0, 1), ids.flatten(), reduction="none")
        order = loss.view(ids.shape).mean(dim=1).argsort(stable=True)
        return [self._decode(combined[int(i)]) for i in order]

    def _batches(self, rows: Sequence[Sequence[int]], tokens: int) -> Iterator[tuple[Tensor, list[int]]]:
        """Yield ids of rows of one length, at most ``tokens`` of them, with the indices of the rows."""
        by_length: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            by_length.setdefault(len(row), []).append(index)
        for length, members in sorted(by_length.items()):
            size = max(1, tokens // length)
            for start in range(0, len(members), size):
                chunk = members[start : start + size]
                yield torch.tensor([rows[i] for i in chunk], device=self._device), chunk

    def _states(self, ids: Tensor) -> Tensor:
        """Return the last hidden states [rows, length, width] of ids [rows, length]."""
        self.forwards += len(ids)
        states: Tensor = self._model.base_model(input_ids=ids).last_hidden_state
        return states

    def _logits(self, ids: Tensor) -> Tensor:
        """Return the logits [rows, length, vocabulary] of ids [rows, length]."""
        self.forwards += len(ids)
        logits: Tensor = self._model(input_ids=ids).logits
        return logits

    def _encode(self, token: str) -> list[int]:
        pieces = self._pieces.get(token)
        if pieces is None:
            clean = token.encode("utf-8", "replace").decode("utf-8")
            pieces = self._tokenizer.encode(f" {clean}", add_special_tokens=False).ids
            self._pieces[token] = pieces
        return pieces

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


def lend_masked_lm(tools: Tools, folder: Path, task: str, device: str, cache: Path | str | None) -> Tools:
    """Return ``tools`` with the names and similarities of the model in ``folder``, kept in ``cache``."""
    model = MaskedLM.load(folder, device=device, config=config_for(task))
    substitutes = cached(model.substitutes, cache, f"{model.fingerprint} substitutes")
    fills = cached(model.fills, cache, f"{model.fingerprint} fills")
    return replace(tools, candidates=substitutes, fills=fills, similarity=model.similarity)


class _Encoded:
    """The code tokens of a program as framed ids, with the place of every name."""

    def __init__(self, model: MaskedLM, snippet: Snippet, program: Program | None = None) -> None:
        self._snippet = snippet
        self._index_of = {token.start: index for index, token in enumerate(snippet.tokens)}
        self.tokens = [token.text for token in snippet.tokens]
        for old, new in (program.renames if program is not None else {}).items():
            for index in self.indices(old):
                self.tokens[index] = new
        room = model.config.max_length - 2
        ids: list[int] = []
        self._spans: list[tuple[int, int]] = []  # of each token that fits, counting the first special id
        for token in self.tokens:
            pieces = model._encode(token)
            if len(ids) + len(pieces) > room:
                break
            self._spans.append((len(ids) + 1, len(ids) + 1 + len(pieces)))
            ids.extend(pieces)
        self.ids = [model._begin, *ids, model._end]

    def indices(self, name: str) -> list[int]:
        """Return the token indices of the occurrences that a rename changes."""
        starts = self._snippet.occurrences(name)
        return [self._index_of[start] for start in starts if start in self._index_of]

    def places(self, name: str) -> list[tuple[int, int]]:
        """Return the sub-token spans of the occurrences inside the window."""
        return [self._spans[index] for index in self.indices(name) if index < len(self._spans)]


def _legal(snippet: Snippet, offered: Mapping[str, Iterable[str]]) -> Candidates:
    """Drop what could not be the new name of the snippet's name (spec section 1, step 5)."""
    check = snippet.original.check
    return {
        name: tuple(word for word in words if word != name and check(name, word) is None)
        for name, words in offered.items()
    }


def _id(tokenizer: Tokenizer, token: str) -> int:
    number: int | None = tokenizer.token_to_id(token)
    if number is None:
        raise InputError(f"the tokenizer has no token {token!r}", hint="A fill-mask tokenizer is needed.")
    return number
