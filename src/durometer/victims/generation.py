"""Victims that write: code in, a summary out, by beam search with a key-value cache.

Three shapes, as in the study's grid: an encoder with a decoder of its own layers behind it (the CodeXGLUE
recipe for CodeBERT), a decoder that continues code with its summary (GPT-2), an encoder-decoder (PLBART).
One row is generated at a time with all its beams as the batch, so a query never depends on its neighbours.
The search is our own: the library's costs 25 to 50 ms a token for models of this size, most of it outside the
network.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from durometer.types import Prediction, Sample
from durometer.victims import plbart
from durometer.victims.saved import SavedVictim, VictimSpec
from durometer.victims.structure import resize
from durometer.victims.text import Memory

ANSWERS = 4096  # summaries remembered by ids


class GeneratorSpec(VictimSpec):
    """A generating victim. ``beams`` is 10 in CodeXGLUE; ``max_new`` counts the tokens of a summary.

    ``no_repeat`` forbids it to write a row of so many tokens twice (0: CodeXGLUE does not).
    """

    kind: str = "generator"
    beams: int = Field(default=10, ge=1)
    max_new: int = Field(default=32, ge=1)
    start: int | None = None  # the id to write after; the framing's first one by default
    stop: int | None = None  # the id that ends a summary; the framing's first end by default
    no_repeat: int = Field(default=0, ge=0)

    @property
    def first(self) -> int:
        """What the summary is written after."""
        return self.framing.begin[0] if self.start is None else self.start

    @property
    def last(self) -> int:
        """What ends the summary."""
        return self.framing.end[0] if self.stop is None else self.stop

    def identity(self) -> dict[str, Any]:
        """Return what decides answers; what is at its default is not named, so that hashes stay."""
        values, defaults = super().identity(), {"start": None, "stop": None, "no_repeat": 0}
        return {k: v for k, v in values.items() if k not in defaults or v != defaults[k]}


class GeneratorNetwork(nn.Module):
    """A language model that reads ids and writes ids; ``config`` is the transformers configuration."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        values = dict(values)
        self.config = AutoConfig.for_model(values.pop("model_type"), **values)
        self.joint = self.config.model_type == "gpt2"  # code and summary are one sequence
        self.lean = self.config.model_type == "plbart"
        factory = AutoModelForCausalLM if self.joint else AutoModelForSeq2SeqLM
        self.encoder = factory.from_config(self.config)

    def logits(self, ids: Tensor, mask: Tensor, answers: Tensor) -> Tensor:
        """Return logits [rows, answer length, vocabulary]: position i has read ``answers[:, : i + 1]``."""
        if not self.joint:
            out = self.encoder(input_ids=ids, attention_mask=mask, decoder_input_ids=answers)
            return out.logits  # type: ignore[no-any-return]
        both = torch.cat([ids, answers], dim=1)
        seen = torch.cat([mask, torch.ones_like(answers)], dim=1)
        places = (seen.cumsum(dim=1) - 1).clamp(min=0)
        out = self.encoder(input_ids=both, attention_mask=seen, position_ids=places)
        return out.logits[:, ids.shape[1] :]  # type: ignore[no-any-return]

    def start(self, ids: Tensor, begin: int, beams: int) -> tuple[Tensor, Any, Any]:
        """Read one row [1, length]; return log-probabilities [1, vocabulary], cache and encoder states."""
        first = torch.tensor([[begin]], device=ids.device)
        if self.lean:
            states = self.encoder.get_encoder()(input_ids=ids).last_hidden_state
            cache: Any = plbart.begin(self.encoder, states)
            logits = plbart.step(self.encoder, first[0], cache)
            cache.reorder_cache(first[0].new_zeros(beams))
            return functional.log_softmax(logits, dim=-1), cache, states
        if self.joint:
            out = self.encoder(input_ids=torch.cat([ids, first], dim=1), use_cache=True)
            states = None
        else:
            states = self.encoder.get_encoder()(input_ids=ids)
            out = self.encoder(encoder_outputs=states, decoder_input_ids=first, use_cache=True)
            states = copy.copy(states)
            states.last_hidden_state = states.last_hidden_state.expand(beams, -1, -1)
        out.past_key_values.batch_repeat_interleave(beams)
        return functional.log_softmax(out.logits[:, -1], dim=-1), out.past_key_values, states

    def step(self, tokens: Tensor, cache: Any, states: Any) -> Tensor:
        """Read one token a beam [beams]; return log-probabilities [beams, vocabulary]; the cache grows."""
        if self.lean:
            return functional.log_softmax(plbart.step(self.encoder, tokens, cache), dim=-1)
        if self.joint:
            out = self.encoder(input_ids=tokens[:, None], past_key_values=cache, use_cache=True)
        else:
            out = self.encoder(
                encoder_outputs=states,
                decoder_input_ids=tokens[:, None],
                past_key_values=cache,
                use_cache=True,
            )
        return functional.log_softmax(out.logits[:, -1], dim=-1)


class Written(NamedTuple):
    """A generated row and its mean token log-probability, the end token included."""

    ids: tuple[int, ...]
    score: float


def beam_search(
    network: GeneratorNetwork,
    ids: Tensor,
    *,
    begin: int,
    end: int,
    beams: int,
    max_new: int,
    no_repeat: int = 0,
) -> Written:
    """Return the best answer to one row of ids [1, length] by mean token log-probability.

    Stops when ``beams`` answers are finished, or no open beam can become better than the worst of them. With
    ``no_repeat`` no row of so many tokens is in it twice.
    """
    scores, cache, states = network.start(ids, begin, beams)
    totals, tokens = scores[0].topk(beams)
    written = [[int(token)] for token in tokens]
    finished: list[Written] = []
    for length in range(1, max_new + 1):
        for beam, token in enumerate(tokens.tolist()):
            if token == end or length == max_new:
                answer = tuple(written[beam][:-1] if token == end else written[beam])
                if totals[beam] > -torch.inf:
                    finished.append(Written(answer, float(totals[beam]) / length))
                totals[beam] = -torch.inf
        finished = sorted(finished, key=lambda w: -w.score)[:beams]
        open_best = float(totals.max())
        if open_best == -torch.inf or (len(finished) == beams and finished[-1].score >= open_best / max_new):
            break
        scores = totals[:, None] + network.step(tokens, cache, states)
        for beam, row in enumerate(written if no_repeat else ()):
            scores[beam, repeats(row, no_repeat)] = -torch.inf
        totals, flat = scores.reshape(-1).topk(beams)
        origins, tokens = flat // scores.shape[1], flat % scores.shape[1]
        cache.reorder_cache(origins)
        written = [[*written[int(o)], int(t)] for o, t in zip(origins, tokens, strict=True)]
    return finished[0]


def repeats(row: list[int], size: int) -> list[int]:
    """Return the tokens with which ``row`` would end in ``size`` tokens that it has in it already."""
    last = row[len(row) - size + 1 :]
    return [row[i + size - 1] for i in range(len(row) - size + 1) if row[i : i + size - 1] == last]


class GeneratorVictim(SavedVictim):
    """A summarizer in evaluation mode; equal ids are answered from memory."""

    spec_class: ClassVar[type[VictimSpec]] = GeneratorSpec
    network: GeneratorNetwork
    spec: GeneratorSpec

    def __init__(self, network: nn.Module, tokenizer: Any, spec: Any, **options: Any) -> None:
        super().__init__(network, tokenizer, spec, **options)
        self._answers: Memory[Prediction] = Memory(ANSWERS)

    @classmethod
    def build(cls, spec: GeneratorSpec) -> GeneratorNetwork:
        """Return the network that ``spec`` describes, its weights drawn."""
        network = GeneratorNetwork(dict(spec.encoder))
        resize(network, spec.structure)
        return network

    @torch.inference_mode()
    def predict(self, inputs: Sequence[Sample]) -> list[Prediction]:
        """Return the summaries, in order; ``score`` is the mean token log-probability."""
        predictions = []
        for sample in inputs:
            ids = self.text(sample.code)
            answer = self._answers.get(ids)
            if answer is None:
                answer = self._write(ids)
                self._answers.put(ids, answer)
            predictions.append(answer)
        return predictions

    def _write(self, ids: tuple[int, ...]) -> Prediction:
        best = beam_search(
            self.network,
            torch.tensor([ids], device=self.device),
            begin=self.spec.first,
            end=self.spec.last,
            beams=self.spec.beams,
            max_new=self.spec.max_new,
            no_repeat=self.spec.no_repeat,
        )
        text = self.text.tokenizer.decode(list(best.ids), skip_special_tokens=True)
        return Prediction(text=" ".join(text.split()), score=best.score)

    @torch.inference_mode()
    def logits(self, inputs: Sequence[Sample]) -> Tensor:
        """Return the log-probabilities of the first token, [samples, vocabulary]."""
        begin = self.spec.first
        rows = [torch.empty(0, self.network.config.get_text_config(decoder=True).vocab_size)]
        for sample in inputs:
            ids = torch.tensor([self.text(sample.code)], device=self.device)
            rows.append(self.network.start(ids, begin, 1)[0].cpu())
        return torch.cat(rows)

    def forget(self) -> None:
        """Empty the memories."""
        super().forget()
        self._answers.clear()
