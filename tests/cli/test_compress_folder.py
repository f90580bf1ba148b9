"""Where ``durometer compress`` writes: what it replaces, what it refuses, what names its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from durometer.compress import parse_compression
from durometer.compress.artefact import WORK, work_name
from durometer.corpora.base import Corpus
from durometer.study.lock import RunLock
from durometer.types import Sample
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.load import load_victim
from durometer.victims.presets import EncoderPreset
from durometer.victims.text import Framing
from durometer.victims.tokenizer import train_tokenizer

CODES = [f"int f{i}(int a) {{ return {'load' if i % 2 else 'drop'}(a, {i}); }}" for i in range(8)]
ARTEFACT = {"recipe.json", "self-test.safetensors", "tokenizer.json", "victim.json", "weights.safetensors"}


def drawn(seed: int) -> EncoderVictim:
    tokenizer = train_tokenizer(CODES, vocabulary=300)
    shape = EncoderPreset(hidden=16, heads=2, layers=1, feed_forward=16, max_length=48)
    values, head = shape.encoder(tokenizer.get_vocab_size()), shape.head(pair=False, classes=2)
    spec = EncoderSpec(encoder=values, head=head, framing=Framing(max_length=48), task="vulnerability")
    torch.manual_seed(seed)
    return EncoderVictim(EncoderVictim.build(spec), tokenizer, spec)


@pytest.fixture
def compress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any) -> Any:
    """Compress a drawn victim in this process; return the exit code and what is said about a mistake."""
    drawn(1).save(tmp_path / "victim")
    monkeypatch.setattr("durometer.cli.compress.SECONDS", 0.1)

    def verb(method: str, out: Path, *more: str) -> Any:
        words = ["compress", "--victim", str(tmp_path / "victim"), "--method", method, "--out", str(out)]
        return run([*words, "--threads", "1", *more])

    return verb


def test_an_artefact_is_replaced_whole(tmp_path: Path, compress: Any) -> None:
    out = tmp_path / "out"
    assert compress("bf16", out) == (0, "")
    for name in ("engine.onnx", "engine.bin", f"{WORK}/old/0-distill/a"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"of another form, or of a run that was killed")
    (out / "notes.txt").write_text("mine")
    assert compress("int8", out) == (0, "")
    assert {path.name for path in out.iterdir()} == {*ARTEFACT, "notes.txt"}
    assert load_victim(out).spec.notes["recipe_words"] == "int8 weights"


def test_what_is_no_artefact_is_refused_before_anything_is_read(tmp_path: Path, compress: Any) -> None:
    drawn(2).save(tmp_path / "another")
    before = {path: path.read_bytes() for path in (tmp_path / "another").iterdir()}
    code, said = compress("int8", tmp_path / "another")
    assert code == 2
    assert "holds no artefact but something else (tokenizer.json, victim.json, weights" in said
    assert "Name a new or empty folder, or an artefact's" in said
    assert {path: path.read_bytes() for path in (tmp_path / "another").iterdir()} == before
    (tmp_path / "file").write_text("")
    assert compress("int8", tmp_path / "file")[0] == 2
    (tmp_path / "training" / "checkpoints").mkdir(parents=True)
    assert compress("int8", tmp_path / "training")[0] == 2
    variant = tmp_path / "variant"
    assert compress("int8", variant)[0] == 0
    (variant / "meta.json").write_text("{}")
    assert "part of a study's run" in compress("bf16", variant)[1]


def test_one_process_at_a_time_and_a_refusal_leaves_nothing(tmp_path: Path, compress: Any) -> None:
    out = tmp_path / "out"
    assert "needs data" in compress("distill", out)[1]
    assert not out.exists()
    (out / WORK).mkdir(parents=True)
    with RunLock(out / WORK):
        code, said = compress("int8", out)
    assert code == 1
    assert "another durometer is running in this folder" in said
    assert compress("int8", out) == (0, "")
    assert {path.name for path in out.iterdir()} == ARTEFACT


def test_what_is_shown_fits_the_terminal(
    tmp_path: Path, compress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durometer.cli.compress.typer.echo", lambda text: shown.extend(text.splitlines()))
    monkeypatch.setenv("COLUMNS", "80")
    shown: list[str] = []
    assert compress("prune(heads: 0.5, feed_forward: 0.5)", tmp_path / "out")[0] == 0
    assert max(map(len, shown[1:])) <= 80
    assert shown[2].startswith(" " * 35), "the recipe in words goes on below itself"


def test_a_device_that_is_not_there_is_told(tmp_path: Path, compress: Any) -> None:
    assert compress("int8", tmp_path / "out", "--device", "gpu")[0] == 2
    assert not (tmp_path / "out").exists()


def test_a_save_without_probes_leaves_no_self_test_of_another(tmp_path: Path) -> None:
    rows = [Sample(id=str(i), code=code, language="c", label=i % 2) for i, code in enumerate(CODES)]
    drawn(1).save(tmp_path, probes=rows)
    drawn(2).save(tmp_path)
    assert load_victim(tmp_path).content_hash == drawn(2).content_hash


def test_checkpoints_are_named_by_all_that_decides_the_result(tmp_path: Path) -> None:
    rows = [Sample(id=str(i), code=code, language="c", label=i % 2) for i, code in enumerate(CODES)]
    data = Corpus("toy", "vulnerability", {"train": rows, "valid": rows})
    less = Corpus("toy", "vulnerability", {"train": rows[1:], "valid": rows})
    for folder, text in (("here", "0 0 1"), ("there", "0 0 1"), ("changed", "0 0 0")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "teacher.txt").write_text(text)

    def name(
        seed: int = 1, victim: int = 1, corpus: Corpus = data, place: str = "here", **options: Any
    ) -> str:
        options = {
            "kind": "distill",
            "teacher": str(tmp_path / place / "teacher.txt"),
            "student": "3mb",
        } | options
        return work_name(drawn(victim), [parse_compression(options)], corpus, seed=seed)

    assert name() == name() == name(place="there") == name(temperature=2.0)
    others = [name(seed=2), name(victim=2), name(corpus=less), name(place="changed"), name(temperature=3.0)]
    assert len({name(), *others}) == 6
