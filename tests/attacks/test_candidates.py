"""Substitutes of a masked language model: deterministic, legal, ordered as the spec says."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from toys import FUNCTIONS

from durometer.attacks.candidates import MaskedLM, SubstituteConfig, config_for
from durometer.code import parse
from durometer.errors import InputError
from durometer.victims.presets import MASKED_LM

SMALL = SubstituteConfig(predictions=12, kept=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random RoBERTa with its own byte-level BPE, saved as a transformers folder."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    folder = tmp_path_factory.mktemp("mlm")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(FUNCTIONS, trainers.BpeTrainer(vocab_size=400, special_tokens=specials))
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(5)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=130, pad_token_id=1,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return MaskedLM.load(folder, config=SMALL)


@pytest.fixture(params=FUNCTIONS[:4])
def snippet(request):
    return parse(request.param, "python")


def test_every_renameable_name_and_the_functions_own_get_a_list(model, snippet):
    table = model.substitutes(snippet)
    assert set(table) == {*snippet.renameable, snippet.function_name}


def test_no_candidate_is_blank_repeated_or_a_word_of_the_snippet(model, snippet):
    for words in model.substitutes(snippet).values():
        assert len(set(words)) == len(words)
        assert all(word == word.strip() and word not in snippet.words for word in words)


def test_every_candidate_is_a_name_that_may_be_queried(model, snippet):
    for table in (model.substitutes(snippet), model.fills(snippet)):
        for name, words in table.items():
            assert [word for word in words if snippet.original.check(name, word) is not None] == []


def test_repeats_to_the_letter(model, folder, snippet):
    again = MaskedLM.load(folder, config=SMALL)
    assert again.substitutes(snippet) == model.substitutes(snippet)
    assert again.fills(snippet) == model.fills(snippet)
    assert again.fingerprint == model.fingerprint


def test_single_piece_names_follow_the_definition(model):
    """One occurrence, one sub-token: the 60 best predictions, ranked by cosine, first 30 kept."""
    tokenizer = model._tokenizer
    words = ("result", "value", "base", "total", "seen", "low")
    name = next(w for w in words if len(tokenizer.encode(f" {w}", add_special_tokens=False).ids) == 1)
    code = parse(f"def f({name}):\n    return 0\n", "python")
    pieces = [tokenizer.encode(f" {token.text}", add_special_tokens=False).ids for token in code.tokens]
    position = next(i for i, token in enumerate(code.tokens) if token.text == name)
    at = 1 + sum(map(len, pieces[:position]))
    ids = torch.tensor([[0, *(i for piece in pieces for i in piece), 2]])
    with torch.inference_mode():
        best = model._logits(ids)[0, at].topk(12).indices
        original = model._states(ids)[0, at]
        cosines = []
        for candidate in best:
            changed = ids.clone()
            changed[0, at] = candidate
            state = model._states(changed)[0, at]
            cosines.append(torch.cosine_similarity(state, original, dim=0))
    order = torch.stack(cosines).argsort(descending=True, stable=True)[:6]
    expected = [tokenizer.decode([int(best[i])]).strip() for i in order]
    expected = [word for word in dict.fromkeys(expected) if code.original.check(name, word) is None]
    assert list(model.substitutes(code)[name]) == expected


def test_long_names_are_combined_and_bounded(folder):
    code = parse("def f(unheardof, resultpath, problemlines, exponentglue):\n    pass\n", "python")
    few, many = (
        MaskedLM.load(folder, config=SubstituteConfig(combinations=combinations)).substitutes(code)
        for combinations in (5, 24)
    )
    assert all(len(few[name]) <= 5 and len(many[name]) <= 24 for name in code.renameable)
    assert sum(map(len, few.values())) < sum(map(len, many.values()))


def test_names_beyond_the_window_get_nothing(folder):
    model = MaskedLM.load(folder, config=SubstituteConfig(max_length=8, predictions=5))
    code = parse(FUNCTIONS[0], "python")
    table = model.substitutes(code)
    assert table["value"] == ()
    assert model.fills(code)["values"] is not None


def test_occurrences_can_be_bounded(folder, snippet):
    bounded = MaskedLM.load(folder, config=SMALL.model_copy(update={"occurrences_per_name": 1}))
    full = MaskedLM.load(folder, config=SMALL)
    bounded.substitutes(snippet), full.substitutes(snippet)
    assert bounded.forwards < full.forwards


def test_fills_keep_at_most_five_an_occurrence(model, snippet):
    for name, words in model.fills(snippet).items():
        assert len(words) <= 5 * len(snippet.occurrences(name))
        assert not set(words) & snippet.words


def test_fill_windows_are_cut_from_the_token_list(folder):
    whole = MaskedLM.load(folder, config=SubstituteConfig(window=100))
    pieces = MaskedLM.load(folder, config=SubstituteConfig(window=4))
    code = parse(FUNCTIONS[5], "python")
    assert whole.fills(code) != pieces.fills(code)


def test_similarity_is_one_for_the_same_and_less_for_others(model, snippet):
    name = snippet.renameable[0]
    variants = [snippet.original, *(snippet.original.rename(name, new) for new in ("q", "somewhere_else"))]
    same, *others = model.similarity(snippet.original, variants)
    assert same == pytest.approx(1.0, abs=1e-6)
    assert all(-1 <= other < same for other in others)


def test_model_calls_are_counted(folder, snippet):
    model = MaskedLM.load(folder, config=SMALL)
    model.substitutes(snippet)
    occurrences = sum(len(snippet.occurrences(n)) for n in (*snippet.renameable, snippet.function_name))
    assert model.forwards >= 12 * occurrences


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_file_is_named(folder, tmp_path, missing):
    for path in folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=missing):
        MaskedLM.load(tmp_path)
    (tmp_path / missing).write_bytes(b"torn")
    with pytest.raises(InputError, match=str(tmp_path)):
        MaskedLM.load(tmp_path)


def test_a_snippet_longer_than_the_models_positions_is_cut(folder):
    long = "def f(values):\n" + "    print(values)\n" * 100
    model = MaskedLM.load(folder, config=SubstituteConfig(predictions=3, kept=3, occurrences_per_name=1))
    assert set(model.substitutes(parse(long, "python"))) == {"values", "f"}


def test_the_folder_of_a_victim_that_kept_its_masked_model_will_do(folder, tmp_path):
    (tmp_path / MASKED_LM).symlink_to(folder)
    code = parse(FUNCTIONS[1], "python")
    models = [MaskedLM.load(path, config=SMALL) for path in (folder, tmp_path)]
    assert models[0].fingerprint == models[1].fingerprint
    assert models[0].fills(code) == models[1].fills(code)


def test_windows_of_fills_follow_the_task():
    assert [config_for(task).window for task in ("clone", "vulnerability", "summarization")] == [
        100,
        200,
        100,
    ]


def test_snippet_without_names(model):
    assert model.substitutes(parse("x = 1\n", "python")) == {}
