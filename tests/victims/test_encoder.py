"""The network: our lean forward is the library's, poolings and pair features are what they say."""

from __future__ import annotations

import pytest
import torch

from durometer.victims.encoder import (
    EncoderNetwork,
    HeadConfig,
    encoder_config,
    features,
    pool,
    roberta_states,
)
from durometer.victims.presets import EncoderPreset


def network(head: HeadConfig = HeadConfig(), **shape: int) -> EncoderNetwork:  # noqa: B008
    torch.manual_seed(0)
    preset = EncoderPreset(
        vocabulary=300, hidden=32, layers=2, heads=2, feed_forward=48, max_length=64, **shape
    )
    return EncoderNetwork(encoder_config(preset.encoder(300)), head).eval()


@pytest.mark.parametrize("length", [3, 17, 64])
def test_lean_forward_is_the_librarys_to_the_bit(length: int) -> None:
    net = network()
    ids = torch.randint(5, 300, (3, length))
    with torch.inference_mode():
        expected = net.encoder(input_ids=ids).last_hidden_state
        actual = roberta_states(net.encoder, net.encoder.embeddings.word_embeddings(ids))
    assert torch.equal(actual, expected)


def test_text_that_holds_the_padding_id_gets_the_librarys_positions() -> None:
    net = network()
    ids = torch.tensor([[0, 7, 1, 9, 2]])
    with torch.inference_mode():
        expected = net.encoder(input_ids=ids).last_hidden_state[:, 0]
        assert torch.equal(net.states(ids), expected)


def test_gradients_reach_the_embeddings() -> None:
    net = network()
    words = net.encoder.embeddings.word_embeddings(torch.tensor([[0, 7, 8, 2]])).detach().requires_grad_()
    net.logits(pool(roberta_states(net.encoder, words), None, "first")).sum().backward()
    assert words.grad is not None
    assert float(words.grad.abs().sum()) > 0


def test_mean_pooling_ignores_padding() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [99.0]]])
    assert pool(hidden, torch.tensor([[1, 1, 0]]), "mean").tolist() == [[2.0]]
    assert pool(hidden[:, :2], None, "mean").tolist() == [[2.0]]
    assert pool(hidden, None, "first").tolist() == [[1.0]]


def test_interaction_features_hold_difference_and_product() -> None:
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]])
    config = HeadConfig(pair=True, pair_features="interaction")
    assert features(a, b, config).tolist() == [[1, 2, 3, -1, 2, 3, 3, -2]]
    assert features(a, b, HeadConfig(pair=True)).shape[1] == HeadConfig(pair=True).width(2)
