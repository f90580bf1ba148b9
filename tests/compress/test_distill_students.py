"""Students of every kind and family, what they learn from, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from durometer.compress import compress, parse_compression
from durometer.compress.distill import distill_predictions
from durometer.compress.distill_config import Distill, StudentShape
from durometer.compress.distill_losses import attention_distance, evenly_spaced, layer_distance, softened
from durometer.compress.students import make_student, scaled, shaped
from durometer.corpora.base import Corpus
from durometer.errors import ConfigurationError, InputError, RefusedError
from durometer.types import Sample
from durometer.victims.generation import GeneratorNetwork, GeneratorSpec, GeneratorVictim
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.load import load_saved
from durometer.victims.measure import parameters
from durometer.victims.presets import EncoderPreset
from durometer.victims.text import Framing
from durometer.victims.tokenizer import snippets, train_tokenizer

FAMILIES = ["encoder", "decoder", "encoder-decoder"]
SMALL_BPE = StudentShape(layers=1, hidden=24, heads=2, feed_forward=32, vocabulary=320, lower_case=True)
STUDENTS: dict[str, dict[str, Any]] = {
    "half": {"student": "half"},
    "by shape": {"student": "1x24"},
    "own vocabulary": {"student": SMALL_BPE},
    "inside": {"student": "1x24", "hidden_states": 1.0, "attention": 1.0},
}


def shape(architecture: Any) -> EncoderPreset:
    return EncoderPreset(
        architecture=architecture,
        vocabulary=400,
        hidden=48,
        layers=2,
        heads=2,
        feed_forward=64,
        max_length=48,
        dropout=0.1,
    )


def code(i: int) -> str:
    return f"def F{i}(a):\n    return {'Load' if i % 2 else 'drop'}(a, {i})\n"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rows = [
        Sample(
            str(i),
            code(i),
            "python",
            label=i % 2,
            other=code(i + 2),
            reference=f"loads {i}" if i % 2 else f"drops {i}",
            meta={"first": str(i), "second": str(i + 2)},
        )
        for i in range(48)
    ]
    return Corpus("toy", "clone", {"train": rows[:32], "valid": rows[32:40], "test": rows[40:]})


@pytest.fixture(scope="module")
def teachers(corpus: Corpus) -> Callable[[str], EncoderVictim]:
    tokenizer = train_tokenizer(snippets(corpus.splits["train"]), vocabulary=400)
    known: dict[str, EncoderVictim] = {}

    def teacher(architecture: str) -> EncoderVictim:
        if architecture not in known:
            torch.manual_seed(0)
            preset = shape(architecture)
            spec = EncoderSpec(
                encoder=preset.encoder(tokenizer.get_vocab_size()),
                head=preset.head(pair=True, classes=2),
                framing=Framing(max_length=48),
            )
            known[architecture] = EncoderVictim(EncoderVictim.build(spec), tokenizer, spec)
        return known[architecture]

    return teacher


@pytest.mark.parametrize("architecture", FAMILIES)
@pytest.mark.parametrize("name", STUDENTS)
def test_every_student_of_every_family(
    name: str, architecture: str, corpus: Corpus, teachers: Any, tmp_path: Path
) -> None:
    teacher, test = teachers(architecture), corpus.splits["test"]
    config = Distill(**STUDENTS[name], epochs=1, batch=16)
    before = teacher.content_hash
    student = compress(teacher, [config], corpus, seed=1)
    assert teacher.content_hash == before
    assert parameters(student) < parameters(teacher)
    student.save(tmp_path, probes=test)
    loaded = load_saved(tmp_path)
    assert torch.equal(loaded.logits(test), student.logits(test))
    assert compress(teacher, [config], corpus, seed=1).content_hash == student.content_hash


def test_half_starts_from_every_second_layer(corpus: Corpus, teachers: Any) -> None:
    teacher = teachers("encoder")
    student = compress(teacher, [Distill(student="half", epochs=0.01, learning_rate=1e-12)], corpus, seed=1)
    own, given = student.network.state_dict(), teacher.network.state_dict()
    last = "attention.self.query.weight"
    assert torch.allclose(own[f"encoder.encoder.layer.0.{last}"], given[f"encoder.encoder.layer.1.{last}"])


def test_the_published_students_have_their_published_sizes() -> None:
    base = {"model_type": "roberta", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    six = Distill(student="6x256").shape()
    assert six is not None
    values = shaped(base | {"intermediate_size": 3072}, six)
    assert (values["hidden_size"], values["num_hidden_layers"], values["intermediate_size"]) == (256, 6, 1024)
    assert values["num_attention_heads"] == 4
    half = scaled(base | {"intermediate_size": 3072}, *Distill(student="half").fractions())
    assert (half["num_hidden_layers"], half["hidden_size"], half["num_attention_heads"]) == (6, 768, 12)


def test_3mb_reads_lower_case_through_its_own_vocabulary(corpus: Corpus, teachers: Any) -> None:
    teacher, config = teachers("encoder"), Distill(student="3mb")
    student = make_student(EncoderVictim, teacher.spec, None, config, corpus, shape=config.shape(), seed=1)
    assert student.text("Load(A)") == student.text("load(a)  ")
    assert student.spec.framing.max_length == 400
    assert student.spec.encoder["vocab_size"] == student.text.tokenizer.get_vocab_size() <= 1000


class KilledError(Exception):
    pass


@pytest.mark.parametrize("memory", [False, True])
def test_a_killed_distillation_goes_on_to_the_same_weights(
    memory: bool, corpus: Corpus, teachers: Any, tmp_path: Path
) -> None:
    config = Distill(student="1x24", memory=memory, epochs=28, batch=16)
    whole = compress(teachers("encoder"), [config], corpus, seed=1)

    def kill(stage: str, done: int, total: int, message: str) -> None:
        if stage == "distill" and done == 53:
            raise KilledError

    with pytest.raises(KilledError):
        compress(teachers("encoder"), [config], corpus, seed=1, progress=kill, work=tmp_path)
    steps = []

    def count(stage: str, done: int, total: int, message: str) -> None:
        steps.append((stage, done))

    resumed = compress(teachers("encoder"), [config], corpus, seed=1, progress=count, work=tmp_path)
    assert [done for stage, done in steps if stage == "distill"][:2] == [50, 51]
    assert resumed.content_hash == whole.content_hash


PREDICTIONS = "".join(f"{i} {i + 2} {i % 2 if i < 20 else -1} {i % 2}\n" for i in range(30))


def test_a_file_takes_the_place_of_a_teacher(corpus: Corpus, tmp_path: Path) -> None:
    file = tmp_path / "predictions.txt"
    file.write_text(PREDICTIONS)
    config = Distill(student=SMALL_BPE, teacher=str(file), memory=True, epochs=1, batch=8)
    one, two = (
        distill_predictions(config, corpus, template=shape("encoder"), pair=True, seed=1) for _ in range(2)
    )
    assert one.content_hash == two.content_hash
    with pytest.raises(RefusedError, match="no teacher whose tokenizer"):
        distill_predictions(
            config.model_copy(update={"student": "1x24"}),
            corpus,
            template=shape("encoder"),
            pair=True,
            seed=1,
        )


def test_unlabelled_samples_are_learnt_from(corpus: Corpus, teachers: Any) -> None:
    more = [Sample(f"u{i}", code(i), "python", other=code(i + 1)) for i in range(90, 106)]
    wider = Corpus("toy", "clone", {**corpus.splits, "unlabelled": more})
    config = Distill(student="1x24", epochs=1, batch=16)
    hashes = {compress(teachers("encoder"), [config], d, seed=1).content_hash for d in (corpus, wider)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "FILE", "hidden_states": 1.0}, "no hidden states"),
        ({"student": SMALL_BPE, "attention": 1.0}, "compare position"),
        ({"memory": True, "hidden_states": 1.0}, "memory is for pairs"),
        ({"sequence_level": True}, "for generators"),
        ({"student": "6x256"}, "as large as its teacher"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: dict[str, Any], message: str, corpus: Corpus, teachers: Any, tmp_path: Path
) -> None:
    file = tmp_path / "predictions.txt"
    file.write_text(PREDICTIONS)
    options = {k: str(file) if v == "FILE" else v for k, v in options.items()}
    with pytest.raises(RefusedError, match=message):
        compress(teachers("encoder"), [Distill(**options)], corpus, seed=1)


def test_a_missing_split_is_named(corpus: Corpus, teachers: Any) -> None:
    less = Corpus("toy", "clone", {"valid": corpus.splits["valid"]})
    with pytest.raises(InputError, match="split 'train'"):
        compress(teachers("encoder"), [Distill()], less, seed=1)


@pytest.mark.parametrize(
    "values",
    [
        {"student": "tiny"},
        {"student": "half", "layers": 0.3},
        {"student": "half", "target_size": "3MB"},
        {"target_size": "3 apples"},
        {"max_gflops": 1},
        {"student": {"layers": 2, "hidden": 50, "heads": 4}},
        {"student": {"layers": 2, "hidden": 48, "lower_case": True}},
    ],
)
def test_options_that_say_nothing_are_errors(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="distill"):
        parse_compression({"kind": "distill", **values})


@pytest.fixture(scope="module")
def generator(corpus: Corpus) -> GeneratorVictim:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(snippets(corpus.splits["train"]), vocabulary=400)
    values = shape("encoder-decoder").generator(tokenizer.get_vocab_size(), 8)
    spec = GeneratorSpec(encoder=values, framing=Framing(max_length=48), beams=2, max_new=8)
    return GeneratorVictim(GeneratorNetwork(values), tokenizer, spec)


@pytest.mark.parametrize("options", [{"student": "half"}, {"student": SMALL_BPE, "sequence_level": True}])
def test_generators_are_distilled(
    options: dict[str, Any], generator: GeneratorVictim, corpus: Corpus, tmp_path: Path
) -> None:
    config, test = Distill(**options, epochs=1, batch=16), corpus.splits["test"]
    student = compress(generator, [config], corpus, seed=1)
    assert parameters(student) < parameters(generator)
    student.save(tmp_path, probes=test)
    assert torch.equal(load_saved(tmp_path).logits(test), student.logits(test))
    assert compress(generator, [config], corpus, seed=1).content_hash == student.content_hash


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": 1.0}, "attention is for classifiers"),
        ({"memory": True}, "memory is for classifiers"),
        ({"student": SMALL_BPE}, "vocabulary of its own"),
        ({"target_size": "3MB"}, "target_size is for classifiers"),
    ],
)
def test_generators_refuse_what_they_have_not(
    options: dict[str, Any], message: str, generator: GeneratorVictim, corpus: Corpus
) -> None:
    with pytest.raises(RefusedError, match=message):
        compress(generator, [Distill(**options)], corpus, seed=1)


def test_losses_vanish_where_student_and_teacher_agree() -> None:
    logits, targets = torch.randn(4, 3), torch.full((4,), -100)
    assert float(softened(logits, logits, targets, temperature=2, hard=0.5)) == pytest.approx(0, abs=1e-6)
    certain = torch.tensor([[1.0, 0.0]]).log()
    assert torch.isfinite(softened(torch.zeros(1, 2), certain, torch.tensor([-100]), temperature=10, hard=0))
    mask, states = torch.ones(2, 5), [torch.randn(2, 5, 8) for _ in range(5)]
    assert float(layer_distance(states, states, mask, torch.nn.Identity())) == 0
    maps = [torch.rand(2, 4, 5, 5) for _ in range(4)]
    assert float(attention_distance([maps[1], maps[3]], maps, mask)) == 0
    assert evenly_spaced(6, 12) == [1, 3, 5, 7, 9, 11]
