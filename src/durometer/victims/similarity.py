"""How alike two programs are to a model: the two readings of ACS (spec: metrics), with any model of code.

``sound``: the cosine of mean-pooled last hidden states, the text tokenised as the model wants it.
``reference``: as ``evaluation/eval.py`` of BeamAttack (Du et al., FSE 2023) has it: the first 510 lexer
tokens are looked up whole in the vocabulary (a token that is not there is the unknown one), and the cosine
is that of all logits of a masked language model, flattened. That wants a model with such a head;
``codebert-base-mlm`` is the paper's.

An edit beyond the model's window moves nothing: its cosine is 1. Rows are computed one at a time, without
padding, so a cosine does not depend on what is asked beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor

from durometer.errors import InputError
from durometer.victims.checkpoints import find_tokenizer, locate, read_config, window
from durometer.victims.load import DEFAULT_WINDOW, load_saved
from durometer.victims.saved import CARD, SavedVictim
from durometer.victims.text import Framing, Memory, TextEncoder

REMEMBERED = 8192  # programs: variants and attacks share their originals
TOKENS = 510  # of the reference reading: 512 positions less the two special ones
Numbers = Callable[[Tensor], Tensor]  # ids [1, length] to numbers [1, length, any]


class CodeEncoder:
    """A model as a measure of likeness. ``name`` says which, ``fingerprint`` to the bit."""

    def __init__(
        self,
        states: Numbers,
        text: TextEncoder,
        *,
        name: str,
        fingerprint: str,
        logits: Numbers | None = None,
    ) -> None:
        self.name, self.fingerprint = name, fingerprint
        self._states, self._logits, self._text = states, logits, text
        self._known: Memory[npt.NDArray[np.float64]] = Memory(REMEMBERED)

    @property
    def masked(self) -> bool:
        """Whether the model has the masked-language-model head that the reference reading needs."""
        return self._logits is not None

    @torch.inference_mode()
    def vectors(self, codes: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the mean last hidden state of each program, [programs, width]; remembered by ids."""
        rows = [self._mean(self._text(code)) for code in codes]
        return np.stack(rows) if rows else np.empty((0, 0))

    @torch.inference_mode()
    def token_cosine(self, before: Sequence[str], after: Sequence[str]) -> float | None:
        """Return the reference reading of two programs of as many lexer tokens; None without such a head."""
        if self._logits is None:
            return None
        first, second = (self._logits(self._looked_up(tokens)).flatten(1) for tokens in (before, after))
        return float(torch.cosine_similarity(first, second, dim=1))

    def _mean(self, ids: tuple[int, ...]) -> npt.NDArray[np.float64]:
        known = self._known.get(ids)
        if known is None:
            known = self._states(torch.tensor([ids]))[0].mean(dim=0).double().numpy()
            self._known.put(ids, known)
        return known

    def _looked_up(self, tokens: Sequence[str]) -> Tensor:
        find, frame = self._text.tokenizer.token_to_id, self._text.framing
        unknown = next((i for i in (find("<unk>"), find("[UNK]")) if i is not None), frame.pad)
        ids = [unknown if (i := find(token)) is None else i for token in tokens[:TOKENS]]
        room = frame.max_length - len(frame.begin) - len(frame.end)
        return torch.tensor([[*frame.begin, *ids[:room], *frame.end]])


def load_encoder(spec: Path | str) -> CodeEncoder:
    """Return the model in ``spec``: a saved victim (any form), or a transformers folder.

    Raises:
        InputError: there is none, or it has no hidden states to read.

    """
    folder = locate(str(spec))
    if (folder / CARD).is_file():
        return encoder_of(load_saved(folder))
    config = read_config(folder)
    masked = any("MaskedLM" in name for name in config.get("architectures") or ())
    from transformers import AutoModel, AutoModelForMaskedLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = (AutoModelForMaskedLM if masked else AutoModel).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(f"not a model of code ({error})", where=str(folder)) from error
    model.eval()
    tokenizer = find_tokenizer(folder)
    text = TextEncoder(tokenizer, _framing(tokenizer, config))
    weights = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
    return CodeEncoder(
        _states_of(model.base_model if masked else model),
        text,
        name="/".join(folder.absolute().parts[-2:]),
        fingerprint=hashlib.sha256(weights).hexdigest()[:16],
        logits=(lambda ids: model(input_ids=ids).logits) if masked else None,
    )


def encoder_of(victim: SavedVictim) -> CodeEncoder:
    """Return the encoder inside a victim, its head left aside."""
    model: Any = victim.network.encoder
    base = getattr(model, "base_model", model)
    return CodeEncoder(_states_of(base), victim.text, name=victim.name, fingerprint=victim.content_hash)


def _states_of(model: Any) -> Numbers:
    """Return the last hidden states of what reads the code: an encoder-decoder's encoder, else all of it."""
    reader = model.get_encoder() if model.config.is_encoder_decoder else model

    def states(ids: Tensor) -> Tensor:
        hidden: Tensor = reader(input_ids=ids).last_hidden_state
        return hidden

    return states


def _framing(tokenizer: Tokenizer, config: dict[str, Any]) -> Framing:
    ends = [
        [tokenizer.token_to_id(name) for name in names] for names in (("<s>", "[CLS]"), ("</s>", "[SEP]"))
    ]
    begin, end = (tuple(i for i in found if i is not None)[:1] for found in ends)
    if config["model_type"] == "gpt2":  # reads text bare
        begin, end = (), ()
    return Framing(begin=begin, end=end, max_length=min(window(config), DEFAULT_WINDOW))
