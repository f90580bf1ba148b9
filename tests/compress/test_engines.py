"""Engines keep the contract of every compression, and refuse what they cannot do."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from durometer.attacks.gradients import gradient_source
from durometer.compress import compress, parse_compression
from durometer.compress.artefact import save_artefact
from durometer.compress.configs import Int8
from durometer.corpora.base import Corpus
from durometer.errors import InputError, MissingExtraError, RefusedError
from durometer.types import Sample
from durometer.victims.base import traits_of
from durometer.victims.engine import OPENVINO_HINTS, EngineVictim, import_openvino
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.linears import linears_as_convolutions
from durometer.victims.load import load_saved
from durometer.victims.measure import nonzero_parameters, parameters, size_bytes
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.train import train_encoder

KINDS = ["onnx", "onnx_int8", "openvino", "openvino_int8", "openvino_static_int8"]
ARCHITECTURES = ["encoder", "decoder", "encoder-decoder"]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    codes = [f"def f{i}(a):\n    return {'load' if i % 2 else 'drop'}(a, {i})\n" for i in range(96)]
    rows = [
        Sample(id=str(i), code=code, other=codes[i - 1], language="python", label=i % 2)
        for i, code in enumerate(codes)
    ]
    return Corpus("toy", "clone", {"train": rows[:64], "valid": rows[64:80], "test": rows[80:]})


@pytest.fixture(scope="module", params=ARCHITECTURES)
def victim(request: Any, corpus: Corpus) -> EncoderVictim:
    shape = EncoderPreset(
        architecture=request.param,
        vocabulary=400,
        hidden=64,
        layers=1,
        heads=2,
        feed_forward=128,
        max_length=48,
    )
    plan = TrainConfig(pretrain_epochs=0, epochs=3, batch=16, learning_rate=2e-3, evaluations=1)
    return train_encoder(corpus, shape, plan, seed=1, pair=request.param == "encoder").victim


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind: str, victim: EncoderVictim, corpus: Corpus, tmp_path: Path) -> None:
    test = corpus.splits["test"]
    before = victim.content_hash
    result = compress(victim, [parse_compression({"kind": kind})], corpus, seed=1)
    save_artefact(result, tmp_path, test)
    assert victim.content_hash == before, "the original was changed"
    names = sorted(p.name for p in tmp_path.iterdir())
    assert not any(name.endswith((".pkl", ".pt", ".bin")) and name != "engine.bin" for name in names)
    on_disk = sum((tmp_path / n).stat().st_size for n in names if n.startswith(("engine.", "weights.")))
    assert on_disk == size_bytes(result)
    assert parameters(result) == parameters(victim)
    assert 0.95 * nonzero_parameters(victim) < nonzero_parameters(result) <= nonzero_parameters(victim)
    exact = kind in ("onnx", "openvino")
    if not exact:
        assert size_bytes(result) < 0.75 * size_bytes(victim)  # mostly graph, at this size
    difference = float((result.logits(test) - victim.logits(test)).abs().max())
    assert difference < (1e-4 if exact else 0.5)
    loaded = load_saved(tmp_path)
    assert torch.equal(loaded.logits(test), result.logits(test))
    assert traits_of(loaded).batch_dependent == (kind == "onnx_int8")
    alone = []
    for sample in test[:4]:
        loaded.forget()
        alone += loaded.predict([sample])
    assert alone == result.predict(test)[:4]
    with pytest.raises(RefusedError, match="no gradients"):
        gradient_source(loaded)
    library = "onnxruntime" if kind.startswith("onnx") else "openvino"
    assert loaded.spec.notes["versions"][library] == version(library)
    with pytest.raises(RefusedError, match="step 1, int8, cannot follow an export"):
        compress(loaded, [Int8()], None, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["encoder"], indirect=True)
@pytest.mark.parametrize("kind", ["onnx_int8", "openvino_static_int8"])
def test_the_same_export_gives_the_same_bytes(kind: str, victim: EncoderVictim, corpus: Corpus) -> None:
    step = parse_compression({"kind": kind})
    first, second = (compress(victim, [step], corpus, seed=1) for _ in range(2))
    assert first.content_hash == second.content_hash


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["encoder", "encoder-decoder"], indirect=True)
def test_linears_as_convolutions_give_the_same_states(victim: EncoderVictim, corpus: Corpus) -> None:
    step = parse_compression({"kind": "openvino_static_int8"})
    engine = compress(victim, [step], corpus, seed=1)
    assert isinstance(engine, EngineVictim)
    openvino = import_openvino()
    core = openvino.Core()
    files = engine.files["engine.xml"], engine.files["engine.bin"]
    plain, rewritten = (core.read_model(*files) for _ in range(2))
    linears = linears_as_convolutions(rewritten, openvino)
    assert linears == [node.get_type_name() for node in rewritten.get_ordered_ops()].count("Convolution")
    assert linears >= 6, "query, key, value, output and two of the feed-forward"
    ids = np.random.default_rng(1).integers(5, 200, (4, 20))
    first, second = (
        core.compile_model(model, "CPU", OPENVINO_HINTS)({0: ids})[0] for model in (plain, rewritten)
    )
    assert np.abs(first - second).max() < 0.02 * np.abs(first).max()


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["encoder"], indirect=True)
def test_an_engine_holds_what_pruning_left(victim: EncoderVictim, corpus: Corpus) -> None:
    prune = parse_compression({"kind": "structured_prune", "heads": 0.5, "feed_forward": 0.5})
    test = corpus.splits["test"]
    pruned = compress(victim, [prune], corpus, seed=1)
    engine = compress(victim, [prune, parse_compression({"kind": "onnx"})], corpus, seed=1)
    smaller = compress(victim, [prune, parse_compression({"kind": "onnx_int8"})], corpus, seed=1)
    assert parameters(engine) == parameters(pruned) < parameters(victim)
    assert size_bytes(smaller) < size_bytes(engine)
    assert float((engine.logits(test) - pruned.logits(test)).abs().max()) < 1e-4


@pytest.mark.parametrize("victim", ["encoder"], indirect=True)
def test_a_missing_library_names_its_extra(victim: EncoderVictim, monkeypatch: Any) -> None:
    from durometer.victims.engine import start_onnx, start_openvino

    def after_distilling(export: str) -> None:  # refused before it is found that there is no data to distil
        compress(victim, [parse_compression({"kind": kind}) for kind in ("distill", export)], None, seed=1)

    for module, start in (
        ("onnxruntime", lambda: start_onnx(b"")),
        ("onnxruntime", lambda: after_distilling("onnx_int8")),
        ("nncf", lambda: after_distilling("openvino_int8")),
        ("openvino", lambda: start_openvino(b"", b"")),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError, match=r"pip install 'durometer\["):
            start()


@pytest.mark.parametrize("victim", ["encoder"], indirect=True)
def test_calibration_needs_data(victim: EncoderVictim) -> None:
    with pytest.raises(InputError, match="needs data"):
        compress(victim, [parse_compression({"kind": "openvino_static_int8"})], None, seed=1)
