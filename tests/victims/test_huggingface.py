"""Encoder victims: answers independent of neighbours, saved folders that load to the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_pairs import pair_corpus

from durometer.corpora.base import Corpus
from durometer.errors import InputError, VictimError
from durometer.types import Sample
from durometer.victims.encoder import EncoderNetwork, encoder_config
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.presets import EncoderPreset
from durometer.victims.shapes import Shapes
from durometer.victims.text import Framing
from durometer.victims.tokenizer import snippets, train_tokenizer

SHAPE = EncoderPreset(vocabulary=400, hidden=32, layers=2, heads=2, feed_forward=64, max_length=64)


def untrained(
    corpus: Corpus, *, pair: bool, shapes: Shapes | None = None, labels: tuple[int, ...] = (0, 1)
) -> EncoderVictim:
    tokenizer = train_tokenizer(snippets(corpus.splits["train"]), vocabulary=400)
    torch.manual_seed(7)
    values = SHAPE.encoder(tokenizer.get_vocab_size())
    network = EncoderNetwork(encoder_config(values), SHAPE.head(pair=pair, classes=2))
    spec = EncoderSpec(
        encoder=values, head=network.head_config, framing=Framing(max_length=64), labels=labels
    )
    return EncoderVictim(network, tokenizer, spec, shapes=shapes)


@pytest.mark.parametrize("shapes", [Shapes(1, 1), Shapes(4, 16), Shapes(8, 32)])
@pytest.mark.parametrize("pair", [True, False])
def test_rows_are_bit_identical_whatever_their_neighbours(pair: bool, shapes: Shapes) -> None:
    samples = pair_corpus(pair=pair).splits["train"][:24]
    victim = untrained(pair_corpus(pair=pair), pair=pair, shapes=shapes)
    together = victim.predict(samples)
    victim.forget()
    backwards = victim.predict(samples[::-1])[::-1]
    alone = []
    for sample in samples:
        victim.forget()
        alone += victim.predict([sample])
    assert together == backwards == alone


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=12))
def test_any_selection_in_any_order_gives_the_same_rows(indices: list[int]) -> None:
    corpus = pair_corpus()
    victim = untrained(corpus, pair=True)
    samples = corpus.splits["train"][:16]
    expected = victim.predict(samples)
    victim.forget()
    assert victim.predict([samples[i] for i in indices]) == [expected[i] for i in indices]


def test_the_fixed_partner_of_a_pair_is_encoded_once(pairs: Corpus) -> None:
    victim = untrained(pairs, pair=True)
    rows = 0
    original = victim.network.states

    def counting(ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        nonlocal rows
        rows += len(ids)
        return original(ids, mask)

    victim.network.states = counting  # type: ignore[method-assign]
    partner = pairs.splits["train"][0].other
    for i in range(5):
        victim.predict([Sample(id="s", code=f"def f{i}(): pass", other=partner, language="python")])
    assert rows == 5 + 1


def test_label_order_is_mapped(singles: Corpus) -> None:
    sample = singles.splits["test"][:3]
    straight = untrained(singles, pair=False).predict(sample)
    swapped = untrained(singles, pair=False, labels=(1, 0)).predict(sample)
    assert [p.probabilities[::-1] for p in swapped] == [p.probabilities for p in straight]


def test_a_saved_folder_loads_to_the_same_bits(pairs: Corpus, tmp_path: Path) -> None:
    victim = untrained(pairs, pair=True)
    samples = pairs.splits["test"]
    victim.save(tmp_path / "v", probes=samples)
    loaded = EncoderVictim.load(tmp_path / "v")
    assert loaded.predict(samples) == victim.predict(samples)
    assert loaded.content_hash == victim.content_hash
    assert not list((tmp_path / "v").glob(".*"))


def test_damage_is_found_on_load(pairs: Corpus, tmp_path: Path) -> None:
    victim = untrained(pairs, pair=True)
    samples = pairs.splits["test"]
    victim.save(tmp_path, probes=samples)
    card = json.loads((tmp_path / "victim.json").read_text())
    card["encoder"]["layer_norm_eps"] = 1.0  # another arithmetic, as a library's new default
    (tmp_path / "victim.json").write_text(json.dumps(card))
    with pytest.raises(VictimError, match="self-test saved with these weights fails"):
        EncoderVictim.load(tmp_path)
    card["probe"][2] += 1
    (tmp_path / "victim.json").write_text(json.dumps(card))
    with pytest.raises(VictimError, match="tokenizer"):
        EncoderVictim.load(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"torn")
    (tmp_path / "self-test.safetensors").unlink()
    with pytest.raises(InputError, match="safetensors"):
        EncoderVictim.load(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        EncoderVictim.load(tmp_path / "nowhere")


def test_a_flipped_bit_and_an_unfinished_save_are_found_on_load(pairs: Corpus, tmp_path: Path) -> None:
    victim, other = untrained(pairs, pair=True), untrained(pairs, pair=True)
    victim.save(tmp_path, probes=pairs.splits["test"])
    path, test = tmp_path / "weights.safetensors", tmp_path / "self-test.safetensors"
    saved, about = path.read_bytes(), test.read_bytes()
    for place in (-1, len(saved) // 2, 200):  # of a weight, where no logit moves enough; of the header
        flipped = bytearray(saved)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(VictimError, match="not the file that was saved"):
            EncoderVictim.load(tmp_path)
    with torch.no_grad():
        other.network.head.out_proj.bias += 1e-6
    path.write_bytes(saved)
    killed = patch("durometer.victims.saved.write_json", side_effect=KeyboardInterrupt)
    with killed, pytest.raises(KeyboardInterrupt):
        other.save(tmp_path, probes=pairs.splits["test"])
    with pytest.raises(VictimError, match="not the file that was saved"):
        EncoderVictim.load(tmp_path)
    test.write_bytes(about.replace(b"[[", b"[{", 1))
    with pytest.raises(InputError, match="not a self-test"):
        EncoderVictim.load(tmp_path)


def test_a_tokenizer_that_drifted_is_found_without_a_self_test(singles: Corpus, tmp_path: Path) -> None:
    victim = untrained(singles, pair=False)
    victim.save(tmp_path)
    values = json.loads((tmp_path / "tokenizer.json").read_text())
    values["pre_tokenizer"]["add_prefix_space"] = True  # a library's new default, say
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(VictimError, match=r"other ids than when the model was saved \(from id 1 on\)"):
        EncoderVictim.load(tmp_path)


def test_a_pair_head_needs_pairs(singles: Corpus) -> None:
    with pytest.raises(VictimError, match="no second snippet"):
        untrained(singles, pair=True).predict(singles.splits["test"][:1])


def test_weights_of_another_shape_are_refused(pairs: Corpus, tmp_path: Path) -> None:
    victim = untrained(pairs, pair=True)
    victim.save(tmp_path)
    card = json.loads((tmp_path / "victim.json").read_text())
    card["encoder"]["num_hidden_layers"] = 3
    (tmp_path / "victim.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="do not fit"):
        EncoderVictim.load(tmp_path)
