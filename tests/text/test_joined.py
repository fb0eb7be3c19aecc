"""Several encoders at once: tokens one after the other, padded to one width, each droppable."""

import pytest
import torch

from skyloom.errors import UserError
from skyloom.text.bundled import BundledTextConfig, BundledTextEncoder
from skyloom.text.encoder import TextEncoder
from skyloom.text.joined import JoinedTextEncoder
from skyloom.text.tokenizer import Tokenizer

PROMPTS = ["a red ball", "", "a blue cube on the beach"]


def encoder(width: int, max_tokens: int = 128) -> BundledTextEncoder:
    tokenizer = Tokenizer.train(PROMPTS, vocabulary=300, max_tokens=max_tokens)
    config = BundledTextConfig(300, width, depth=1, heads=2, max_tokens=max_tokens)
    return BundledTextEncoder(config, tokenizer)


def test_tokens_one_after_the_other_padded_to_the_widest() -> None:
    small, large = encoder(8), encoder(16)
    joined = JoinedTextEncoder({"small": small, "large": large})
    assert isinstance(joined, TextEncoder)
    assert (joined.width, joined.max_tokens) == (16, 256)
    text = joined.encode(PROMPTS)
    for prompt, piece in zip(PROMPTS, text.split(), strict=True):
        first, second = small.encode([prompt]).features, large.encode([prompt]).features
        assert torch.allclose(piece.features[: len(first), :8], first, atol=1e-5)
        assert torch.equal(piece.features[: len(first), 8:], torch.zeros(len(first), 8))
        assert torch.allclose(piece.features[len(first) :], second, atol=1e-5)


def test_each_can_be_left_out() -> None:
    joined = JoinedTextEncoder({"small": encoder(8), "large": encoder(16)})
    small = joined.without("large")
    assert small.width == 16
    assert small.encode(PROMPTS).lengths == joined.encoders["small"].encode(PROMPTS).lengths
    with pytest.raises(UserError, match="no text encoder 't5': the model has small and large"):
        joined.without("t5")
    with pytest.raises(UserError, match="no text encoder is left"):
        joined.without("small", "large")


def test_a_prompt_is_cut_where_the_last_encoder_stops() -> None:
    short, shorter = encoder(8, max_tokens=6), encoder(8, max_tokens=4)
    prompt = "a red ball a red ball a red ball"
    joined = JoinedTextEncoder({"short": short, "shorter": shorter})
    assert joined.truncated(prompt) == short.truncated(prompt)
    assert joined.truncated("a red") is None
    assert JoinedTextEncoder({"short": short, "all": encoder(8)}).truncated(prompt) is None
