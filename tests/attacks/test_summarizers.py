"""The four attacks on a victim that writes: a real generator, the BLEU goal, the same proofs and counts."""

from __future__ import annotations

import numpy as np
import pytest

from durometer.attacks.base import ATTACKS, Tools
from durometer.attacks.driver import Limits, drive
from durometer.code import prove
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.tasks.bleu import sentence_bleu
from durometer.tasks.summarization import Summarization
from durometer.types import Outcome, Sample, Status
from durometer.victims.oracle import Oracle
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.train_generator import train_generator

pytestmark = pytest.mark.slow
VERBS, NOUNS = ["load", "parse", "merge", "write"], ["rows", "files", "names", "pages"]
THRESHOLD = 60.0  # percent: the toy's answers are right (100) or half right
TOOLS = Tools(
    vocabulary=(*VERBS, *NOUNS, "loaded", "written"),
    candidates=lambda snippet: dict.fromkeys(snippet.renameable, (*VERBS, *NOUNS)),
)


def summaries(count: int, seed: int) -> list[Sample]:
    """Functions whose summary is told by the names of a local and of a parameter."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        verb, noun = rng.choice(VERBS), rng.choice(NOUNS)
        code = f"def f({noun}):\n    {verb} = {noun} + 1\n    return {verb}\n"
        made.append(Sample(id=str(i), code=code, language="python", reference=f"{verb} the {noun} now"))
    return made


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    corpus = Corpus("toy", "summarization", {"train": summaries(192, 0), "valid": summaries(16, 1)})
    shape = EncoderPreset(
        vocabulary=300, hidden=48, layers=1, heads=2, feed_forward=64, max_length=48, beams=2, max_new=10
    )
    plan = TrainConfig(epochs=12, batch=16, learning_rate=3e-3, evaluations=2)
    victim = train_generator(corpus, shape, plan, seed=1)
    return Oracle(victim, Summarization(THRESHOLD))


def run(oracle: Oracle, name: str, samples: list[Sample], width: int = 1) -> dict[str, Outcome]:
    options = {"mhm": {"iterations": 5}, "alert": {"least_generations": 1, "generations_per_chromosome": 1}}
    outcomes = drive(
        ATTACKS.get(name)(**options.get(name, {})), samples, oracle, oracle.task, seed=1, cell=name,
        limits=Limits(max_queries=150), width=width, tools=TOOLS,
    )  # fmt: skip
    return {outcome.sample_id: outcome for outcome in outcomes}


@pytest.mark.parametrize("name", ["alert", "beam", "mhm", "wir_random"])
def test_attack_lowers_bleu_below_the_threshold_and_proves_it(oracle, name):
    samples = summaries(5, 2)
    outcomes = run(oracle, name, samples)
    assert {outcome.status for outcome in outcomes.values()} <= {
        Status.SUCCESS,
        Status.FAILURE,
        Status.BUDGET,
    }
    broken = [outcome for outcome in outcomes.values() if outcome.status is Status.SUCCESS]
    assert broken
    references = {sample.id: sample.reference for sample in samples}
    for outcome in broken:
        assert prove(outcome.original_code, outcome.adversarial_code, "python").valid
        bleu = sentence_bleu(outcome.adversarial.text, references[outcome.sample_id])
        assert outcome.adversarial_score == bleu < THRESHOLD / 100 <= outcome.original_score
    assert run(oracle, name, samples[::-1], width=3) == outcomes


def test_the_papers_threshold_is_the_default_and_nothing_it_skips_is_attacked(oracle):
    paper = Oracle(oracle.victim, Summarization())
    strange = Sample(id="s", code=summaries(1, 3)[0].code, language="python", reference="zebra")
    (outcome,) = run(paper, "wir_random", [strange]).values()
    assert (outcome.status, outcome.reason) == (Status.SKIPPED, "already_below_threshold")


def test_a_writer_has_no_gradients_to_follow(oracle):
    from durometer.attacks.gradients import gradient_source

    with pytest.raises(RefusedError, match="no gradients"):
        gradient_source(oracle)
