"""The bundled encoder: packed equals one by one, order matters, all of it learns."""

from pathlib import Path

import pytest
import torch

from skyloom.errors import UserError
from skyloom.text.bundled import BundledTextConfig, BundledTextEncoder
from skyloom.text.encoder import TextEncoder
from skyloom.text.folder import load_text_encoder, save_text_encoder
from skyloom.text.tokenizer import Tokenizer

PROMPTS = [
    'a red ball rolls across the snow, a sign reads "SORA"',
    "",
    "a blue cube",
    "a yellow robot walks on the beach at night, the camera orbits left",
]
TOKENIZER = Tokenizer.train(PROMPTS * 3, vocabulary=400)
CONFIG = BundledTextConfig(vocabulary=400, width=32, depth=2, heads=4)


def tiny(seed: int = 0) -> BundledTextEncoder:
    torch.manual_seed(seed)
    return BundledTextEncoder(CONFIG, TOKENIZER)


def test_packed_equals_one_by_one() -> None:
    encoder = tiny()
    together = encoder.encode(PROMPTS)
    assert together.features.shape == (sum(together.lengths), encoder.width)
    assert together.lengths[1] == 1, "the empty prompt is END alone"
    for prompt, packed in zip(PROMPTS, together.split(), strict=True):
        alone = encoder.encode([prompt])
        assert torch.allclose(alone.features, packed.features, atol=1e-5)


def test_is_a_text_encoder() -> None:
    encoder = tiny()
    assert isinstance(encoder, TextEncoder)
    assert (encoder.width, encoder.max_tokens) == (32, 128)
    long = "a red ball and " * 60
    cut = encoder.truncated(long)
    assert cut is not None and long.startswith(cut)
    assert torch.equal(encoder.encode([long]).features, encoder.encode([cut]).features)
    assert encoder.encode([long]).lengths == (128,)
    assert encoder.truncated("a red ball") is None


def test_order_of_words_and_of_letters_matters() -> None:
    encoder = tiny()

    def end_of(prompt: str) -> torch.Tensor:
        return encoder.encode([prompt]).features[-1]

    assert not torch.allclose(end_of("a red cube, a blue ball"), end_of("a blue cube, a red ball"))
    assert not torch.allclose(end_of('"ABC"'), end_of('"CBA"'))


def test_tokens_ahead_give_what_encode_gives() -> None:
    encoder = tiny()
    tokens = encoder.tokenize(PROMPTS)
    assert tokens.ids.shape == tokens.places.shape == (sum(tokens.lengths),)
    assert torch.equal(encoder(tokens).features, encoder.encode(PROMPTS).features)


def test_every_weight_learns() -> None:
    encoder = tiny()
    (encoder.encode(PROMPTS).features * torch.randn(32)).sum().backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


def test_bf16_is_close_to_fp32() -> None:
    encoder = tiny()
    exact = encoder.encode(PROMPTS).features
    rounded = encoder.to(torch.bfloat16).encode(PROMPTS).features
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().mean() < 0.02 * exact.abs().mean()


def test_same_seed_same_weights() -> None:
    one, other = (tiny(seed=3).encode(PROMPTS).features for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_and_loaded_is_the_same(dtype: torch.dtype, tmp_path: Path) -> None:
    encoder = tiny().to(dtype)
    save_text_encoder(tmp_path, encoder)
    loaded = load_text_encoder(tmp_path)
    assert loaded.config == encoder.config
    assert not any(weight.requires_grad for weight in loaded.parameters())
    assert torch.equal(loaded.encode(PROMPTS).features, encoder.encode(PROMPTS).features)


def test_a_folder_without_tokenizer(tmp_path: Path) -> None:
    save_text_encoder(tmp_path, tiny())
    (tmp_path / "text_encoder" / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json' cannot be read"):
        load_text_encoder(tmp_path)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="do not fit a vocabulary of 64"):
        BundledTextEncoder(BundledTextConfig(vocabulary=64), TOKENIZER)
    with pytest.raises(ValueError, match="not at 77"):
        BundledTextEncoder(BundledTextConfig(vocabulary=400, max_tokens=77), TOKENIZER)
    with pytest.raises(ValueError, match="width 30 over 4 heads"):
        BundledTextConfig(width=30)
    with pytest.raises(ValueError, match="no prompts"):
        tiny().encode([])
