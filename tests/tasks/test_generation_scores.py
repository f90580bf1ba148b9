from __future__ import annotations

import math
from dataclasses import replace

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from durometer.errors import InputError, VictimError
from durometer.tasks.base import TASKS
from durometer.tasks.bleu import bleu_tokens, corpus_bleu, rouge_l, sentence_bleu
from durometer.tasks.summarization import Summarization
from durometer.types import Prediction, Sample

VOCABULARY = ["get", "set", "the", "value", "of", "a", "name", "returns", "list", "file"]
WORDS = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=14)


def sample(reference: str | None, code: str = "int f;", i: int = 0) -> Sample:
    return Sample(str(i), code, "java", reference=reference)


def test_tokens_are_lower_case_words_signs_and_underscores() -> None:
    tokens = bleu_tokens("Return get_value(x), don't.")
    assert " ".join(tokens) == "return get _ value ( x ) , don ' t ."


def test_values_worked_out_by_hand() -> None:
    assert sentence_bleu("get the value", "get the value") == pytest.approx(1.0)
    # c = 2, r = 3; unigrams 2/2, bigrams (1+1)/(1+1), longer (0+1)/(0+1): only brevity is left.
    assert sentence_bleu("get the", "get the value") == pytest.approx(math.exp(1 - 4 / 3))
    # unigrams 2/3, bigrams (1+1)/(2+1), trigrams 1/2, four-grams 1/1.
    assert sentence_bleu("get the file", "get the value") == pytest.approx((2 / 3 * 2 / 3 * 1 / 2) ** 0.25)
    assert sentence_bleu("nothing shared", "get the value") < 1e-70
    assert sentence_bleu("", "get the value") == pytest.approx(math.exp(-3))  # bleu.py's own oddity


@given(WORDS, WORDS)
def test_sacrebleu_agrees_where_the_brevity_penalty_does(answer: list[str], wanted: list[str]) -> None:
    """They agree when the answer is no shorter; for a shorter one bleu.py divides r + 1 by c + 1."""
    text, reference = " ".join(answer), " ".join(wanted)
    if len(answer) < len(wanted) or not set(answer) & set(wanted):
        return
    oracle = sacrebleu.sentence_bleu(
        text, [reference], smooth_method="add-k", smooth_value=1, tokenize="none", use_effective_order=False
    )
    assert sentence_bleu(text, reference) == pytest.approx(oracle.score / 100)


def test_sacrebleu_differs_for_short_answers() -> None:
    oracle = sacrebleu.sentence_bleu(
        "get the", ["get the value"], smooth_method="add-k", smooth_value=1, tokenize="none"
    )
    assert oracle.score / 100 == pytest.approx(math.exp(1 - 3 / 2))
    assert sentence_bleu("get the", "get the value") == pytest.approx(math.exp(1 - 4 / 3))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_corpus_bleu_is_sacrebleus(pairs: list[tuple[list[str], list[str]]]) -> None:
    texts, references = [" ".join(a) for a, _ in pairs], [" ".join(b) for _, b in pairs]
    oracle = sacrebleu.corpus_bleu(texts, [references], smooth_method="none", tokenize="none")
    assert corpus_bleu(texts, references) == pytest.approx(oracle.score / 100)


@given(st.text(max_size=40), st.text(max_size=40))
def test_scores_stay_between_zero_and_one(answer: str, wanted: str) -> None:
    for score in (sentence_bleu(answer, wanted), rouge_l(answer, wanted), corpus_bleu([answer], [wanted])):
        assert 0.0 <= score <= 1.0 + 1e-12


def test_rouge_l_by_hand() -> None:
    assert rouge_l("get a value now", "get the value") == pytest.approx(2 * 2 / (4 + 3))
    assert rouge_l("", "x") == 0.0


def test_paper_goal_is_sharing_no_word() -> None:
    task = Summarization()
    goal = task.goal(sample("Returns the value"), Prediction(text="returns the value"))
    assert goal.score(Prediction(text="returns the value")) == pytest.approx(1.0)
    assert not goal.reached(Prediction(text="the"))
    assert goal.reached(Prediction(text="close all files now"))


def test_a_threshold_of_ones_own() -> None:
    goal = Summarization(threshold=30.0).goal(sample("get the value"), Prediction(text="get the value"))
    assert not goal.reached(Prediction(text="get the file"))  # 68.7
    assert goal.reached(Prediction(text="a file value open it there"))
    for wrong in (0.0, -1.0, 101.0):
        with pytest.raises(InputError, match="threshold"):
            Summarization(threshold=wrong)


def test_an_answer_that_is_below_from_the_start_is_not_attackable() -> None:
    task = Summarization()
    assert task.attackable(sample("get it"), Prediction(text="close a file")) == "already_below_threshold"
    assert task.attackable(sample("get it"), Prediction(text="get a file")) == ""


def test_measures_and_errors() -> None:
    task = TASKS.get("summarization")()
    result = task.measure(
        [sample("get the value"), sample("close it")],
        [Prediction(text="get the value"), Prediction(text="open")],
    )
    assert result["bleu"] == pytest.approx(0.5)
    assert set(result) == {"bleu", "corpus_bleu", "rouge_l"}
    with pytest.raises(VictimError, match="without a text"):
        task.measure([sample("x")], [Prediction((0.5, 0.5))])
    with pytest.raises(InputError, match="no reference"):
        task.measure([sample(None)], [Prediction(text="x")])
    with pytest.raises(InputError, match="no samples"):
        task.measure([], [])


def test_floor_copies_the_nearest_summary_or_repeats_the_commonest() -> None:
    train = [sample("opens a file", "open ( file )", 1), sample("adds two numbers", "a + b", 2)]
    test = [sample("adds two numbers", "c = a + b", 3)]
    floor = Summarization().floor(train, test)
    assert floor["bleu"] == floor["retrieval_bleu"] == pytest.approx(1.0)
    alike = [sample("returns the name", f"f{i}", i) for i in range(5)]
    floor = Summarization().floor(
        [*alike, sample("c + d", "c + d", 9)], [sample("returns the name", "c + d", 8)]
    )
    assert floor["bleu"] == floor["constant_bleu"] == pytest.approx(1.0)
    assert floor["retrieval_bleu"] < 0.5


def test_floor_without_a_training_split_copies_from_other_groups() -> None:
    rows = [
        replace(sample("opens a file", "open ( file )", 1), group="a"),
        replace(sample("opens a path", "open ( file )", 2), group="a"),
        replace(sample("adds two numbers", "a + b", 3), group="b"),
    ]
    assert Summarization().floor([], rows)["retrieval_bleu"] < 0.5
    apart = [replace(row, group=row.id) for row in rows]
    assert (
        Summarization().floor([], apart)["retrieval_bleu"] > Summarization().floor([], rows)["retrieval_bleu"]
    )
    assert Summarization().floor([], rows[:1]) == {}


def test_an_answer_adds_its_bleu_to_the_headline() -> None:
    task = Summarization()
    samples = [sample("get the value"), sample("close the file")]
    answers = [Prediction(text="get a value"), Prediction(text="open the file")]
    scores = [task.score(s, a) for s, a in zip(samples, answers, strict=True)]
    assert task.measure(samples, answers)["bleu"] == pytest.approx(sum(scores) / 2)
