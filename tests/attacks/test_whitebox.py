"""The white-box baseline: ranks by gradient, believes only queries, refuses without gradients."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scripts import SNIPPET, GoldBelowHalf, play, snippet, table
from test_candidates import folder  # noqa: F401  (a tokenizer on disk)
from tokenizers import Tokenizer
from toys import FUNCTIONS, BagVictim, ToyTask, samples

from durometer.attacks.base import Tools
from durometer.attacks.driver import drive
from durometer.attacks.gradients import _embedding_gradients, _Spans, gradient_source
from durometer.attacks.whitebox import WhiteBox
from durometer.code import parse, prove
from durometer.errors import RefusedError
from durometer.types import Sample, Status
from durometer.victims.base import Traits
from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.presets import PRESETS
from durometer.victims.text import Framing

WORDS = ("red", "green", "blue")


def run(script, estimate, **config):
    tools = Tools(vocabulary=WORDS, first_order=lambda program, variants: [estimate(v) for v in variants])
    search = WhiteBox(**config).search(snippet().original, GoldBelowHalf(), tools, np.random.default_rng(0))
    return play(search, script)


class TestSearch:
    def test_most_promising_variants_are_asked_first(self):
        transcript, answer = run(table({}), lambda v: -("blue" in v.text) - 2 * ("total" in v.renames))
        assert transcript[0] == [{}]
        assert transcript[1][0] == {"total": "blue"}
        assert answer is None

    def test_queries_per_round_bound_the_batch(self):
        transcript, _ = run(table({}), lambda v: 0, queries_per_round=2)
        assert [len(batch) for batch in transcript] == [1, 2]

    def test_improvement_is_kept_and_a_flip_returned(self):
        scores = {(("alpha", "red"),): 0.8, (("alpha", "red"), ("beta", "blue")): 0.2}
        transcript, answer = run(table(scores), lambda v: 0)
        assert dict(answer.renames) == {"alpha": "red", "beta": "blue"}
        assert all(program["alpha"] == "red" for program in transcript[2])

    def test_first_flip_in_order_wins(self):
        _, answer = run(table({(("beta", "red"),): 0.3, (("total", "red"),): 0.1}), lambda v: 0)
        assert dict(answer.renames) == {"beta": "red"}

    def test_no_improvement_ends_it(self):
        transcript, _ = run(table({}), lambda v: 0)
        assert len(transcript) == 2

    def test_refuses_without_gradients(self):
        with pytest.raises(RefusedError):
            next(WhiteBox().search(snippet().original, GoldBelowHalf(), Tools(), np.random.default_rng(0)))
        with pytest.raises(RefusedError, match="gradients"):
            list(drive(WhiteBox(), samples(), BagVictim(), ToyTask(), seed=1))


@pytest.fixture(params=[False, True], ids=["single", "pair"])
def victim(request, folder):  # noqa: F811
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = {
        "model_type": "roberta",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 130,
        "pad_token_id": 1,
        "initializer_range": 0.1,
    }
    head = HeadConfig(pair=request.param)
    network = EncoderNetwork(encoder_config(config), head)
    framing = Framing(begin=(0,), end=(2,), max_length=120, collapse_whitespace=request.param)
    return EncoderVictim(network, tokenizer, EncoderSpec(encoder=config, head=head, framing=framing))


class TestGradients:
    def test_spans_find_the_name_among_the_ids(self, victim):
        program = parse(SNIPPET, "python").original.rename("alpha", "somewhatlonger").rename("total", "t")
        ids, spans = victim.text(program.text), _Spans(victim, program)
        for old in ("alpha", "beta", "total"):
            found = spans.of(old)
            assert len(found) == len(program.snippet.occurrences(old))
            for start, stop in found:
                assert victim.text.tokenizer.decode(list(ids[start:stop])).strip().strip(
                    "("
                ) == program.name_of(old)

    def test_estimates_follow_the_real_change(self, victim):
        """Between names of one sub-token nothing shifts, so the first order tells most of the change."""
        encode = victim.text.tokenizer.encode
        pieces = {token for text in FUNCTIONS for token in re.findall(r"[a-z]+", text)}
        words = sorted(w for w in pieces if len(encode(f" {w}").ids) == len(encode(w).ids) == 1)
        sample = Sample(id="s", code=SNIPPET, language="python", label=0, other="def g(): return 1")
        code = SNIPPET.replace("alpha", words[0])
        program = parse(code, "python").original
        variants = [
            v for w in words[1:] if (v := program.rename(words[0], w)) and program.check(words[0], w) is None
        ]
        assert len(variants) > 10
        guessed = np.array(gradient_source(victim)(sample)(program, variants))

        def log_gold(text):
            row = Sample(id="s", code=text, language="python", label=0, other=sample.other)
            return np.log(victim.predict([row])[0].probabilities[0])

        real = np.array([log_gold(v.text) for v in variants]) - log_gold(program.text)
        assert np.corrcoef(guessed, real)[0, 1] > 0.5

    def test_leaves_no_trace_on_the_victim(self, victim):
        row = Sample(id="s", code=SNIPPET, language="python", label=0, other="def g(): return 1")
        before = victim.predict([row])
        gradient_source(victim)(row)(parse(SNIPPET, "python").original, [])
        victim.forget()
        assert victim.predict([row]) == before
        assert all(parameter.grad is None for parameter in victim.network.parameters())

    def test_refuses_a_victim_whose_backward_pass_gives_nothing(self, victim):
        victim.network.head.register_forward_hook(lambda module, inputs, output: output.detach())
        with pytest.raises(RefusedError, match="None"):
            gradient_source(victim)

    def test_refuses_a_victim_that_has_none(self):
        with pytest.raises(RefusedError, match="no gradients"):
            gradient_source(BagVictim())


@pytest.mark.parametrize("preset", ["tiny", "tiny-decoder", "tiny-encoder-decoder"])
@pytest.mark.parametrize("pair", [False, True], ids=["single", "pair"])
def test_gradients_of_every_architecture_are_those_of_the_embedding_table(preset, pair, folder):  # noqa: F811
    """The table's own gradient is the sum over all places that read a row: what our hooks must add up to."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = PRESETS[preset][0].encoder(tokenizer.get_vocab_size())
    head = HeadConfig(pair=pair, pooling="last" if preset != "tiny" else "first")
    network = EncoderNetwork(encoder_config(config), head).eval()
    framing = Framing(begin=(0,), end=(2,), max_length=60)
    victim = EncoderVictim(network, tokenizer, EncoderSpec(encoder=config, head=head, framing=framing))
    row = Sample(id="s", code=SNIPPET, language="python", label=1, other="pass")
    found = _embedding_gradients(victim, row)
    ids = victim.text(row.code)
    table = network.encoder.get_input_embeddings()
    texts = [ids, victim.text(row.other)] if pair else [ids]
    states = [network.states(torch.tensor([text])) for text in texts]
    network.logits(*states)[0].log_softmax(-1)[1].backward()
    scale = float(getattr(table, "embed_scale", 1.0))
    once = [i for i in ids if i not in (0, 2) and (not pair or i not in texts[1])]
    assert len(set(once)) > 8
    for number in set(once):
        places = [place for place, i in enumerate(ids) if i == number]
        torch.testing.assert_close(
            scale * found[places].sum(0), table.weight.grad[number], rtol=1e-4, atol=1e-7
        )


def test_a_summarizer_is_refused(folder):  # noqa: F811
    class Summarizer(BagVictim):
        traits = Traits(gradients=True)

    with pytest.raises(RefusedError, match="no gradients"):
        gradient_source(Summarizer())


@pytest.mark.slow
def test_the_published_student_is_broken_through_its_own_gradients(bench_data):
    """Real gradients of a real model: more is broken with them than with the same queries in any order."""
    from durometer.attacks.campaign import Campaign

    root = Path(__file__).resolve().parents[2]
    options = {"queries_per_round": 5, "pool_per_identifier": 60}
    campaign = Campaign(
        victim=str(root / "examples" / "victims" / "codebert-3mb-vulnerability.yaml"),
        task="vulnerability",
        data=f"devign:{bench_data / 'devign' / 'test_0_1366.jsonl.gz'}",
        attack={"kind": "whitebox", **options},
        limit=24,
    )
    bench = campaign.open()
    bench = replace(bench, tools=replace(bench.tools, vocabulary=bench.tools.vocabulary[:60]))
    outcomes = list(bench.outcomes(campaign.samples))
    broken = [outcome for outcome in outcomes if outcome.status is Status.SUCCESS]
    assert not [outcome.reason for outcome in outcomes if outcome.status in (Status.ERROR, Status.INVALID)]
    assert broken
    for outcome in broken:
        assert outcome.adversarial.label != outcome.label
        assert prove(outcome.original_code, outcome.adversarial_code, "c").valid
    blind = replace(bench.tools, gradients=lambda sample: lambda program, variants: [0.0] * len(variants))
    guessing = sum(
        outcome.status is Status.SUCCESS for outcome in replace(bench, tools=blind).outcomes(campaign.samples)
    )
    assert len(broken) > guessing


def test_visible_bytes_end_where_the_window_ends(victim):
    row = Sample(id="s", code=SNIPPET, language="python", label=0, other="def g(): return 1")
    assert victim.visible_bytes(row) == len(SNIPPET)
    long = Sample(
        id="s", code=SNIPPET + "# é\n" + "x = 1\n" * 200 + "unseen = 2\n", language="python", other=""
    )
    cut = victim.visible_bytes(long)
    data = long.code.encode()
    assert len(SNIPPET) < cut < len(data)
    assert victim.text(data[:cut].decode()) == victim.text(long.code)
    assert victim.text(data[: cut - 8].decode()) != victim.text(long.code)
