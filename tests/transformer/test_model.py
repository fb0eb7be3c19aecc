"""The transformer: a packed batch is its clips one by one, and it listens to all it is told."""

from dataclasses import replace

import pytest
import torch
from tiny import shaken
from torch import Tensor
from torch.testing import assert_close

from skyloom.text.features import TextFeatures, concatenate
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import Packed, pack

CONFIG = TransformerConfig(channels=4, width=32, depth=2, heads=2, text_width=12)
SHAPES = [(4, 3, 4, 4), (4, 1, 2, 6), (4, 2, 4, 2), (4, 3, 4, 4)]
RATES = [12.0, 12.0, 8.0, 24.0]


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return shaken(Transformer(CONFIG))


def batch() -> tuple[list[Packed], list[Tensor], list[TextFeatures]]:
    """Clips, a noise level for each of their tokens, and prompts of different lengths."""
    generator = torch.Generator().manual_seed(1)
    clips, sigmas, texts = [], [], []
    for index, (shape, fps) in enumerate(zip(SHAPES, RATES, strict=True)):
        clips.append(pack([torch.randn(shape, generator=generator)], [fps], CONFIG.patch))
        grid = clips[-1].grids[0]
        per_frame = torch.rand(grid[0], generator=generator)
        sigmas.append(per_frame.repeat_interleave(grid[1] * grid[2]))
        words = torch.randn(index + 1, 12, generator=generator)
        texts.append(TextFeatures(words, (index + 1,)))
    return clips, sigmas, texts


def joined(clips: list[Packed]) -> Packed:
    whole = clips[0]
    for clip in clips[1:]:
        whole = whole.followed_by(clip)
    return whole


def test_a_packed_batch_is_its_clips_one_by_one(model: Transformer) -> None:
    clips, sigmas, texts = batch()
    together = model(joined(clips), torch.cat(sigmas), concatenate(texts))
    alone = [model(*one) for one in zip(clips, sigmas, texts, strict=True)]
    assert_close(together.prediction, torch.cat([one.prediction for one in alone]))
    assert_close(together.middle, torch.cat([one.middle for one in alone]))
    assert together.prediction.shape == (sum(map(len, sigmas)), CONFIG.token_width)


def changed(model: Transformer, **other: object) -> float:
    """How far the prediction moves when a part of the input is another one."""
    clips, sigmas, texts = batch()
    given: dict = {"packed": clips[0], "sigma": sigmas[0], "text": texts[2]}
    return (model(**given).prediction - model(**{**given, **other}).prediction).abs().max().item()


def test_routing_all_tokens_changes_nothing(model: Transformer) -> None:
    clips, sigmas, texts = batch()
    inputs = (joined(clips), torch.cat(sigmas), concatenate(texts))
    deep = shaken(Transformer(replace(CONFIG, depth=4)))
    whole = deep(*inputs)
    routed = deep(*inputs, torch.arange(len(inputs[1])))
    assert_close(routed.prediction, whole.prediction)
    assert_close(routed.middle, whole.middle)


def test_tokens_routed_past_the_middle_still_get_a_prediction() -> None:
    clips, sigmas, texts = batch()
    inputs = (joined(clips), torch.cat(sigmas), concatenate(texts))
    deep = shaken(Transformer(replace(CONFIG, depth=4))).requires_grad_(True)
    kept = torch.arange(0, len(inputs[1]), 2)
    output = deep(*inputs, kept)
    assert output.prediction.shape == (len(inputs[1]), CONFIG.token_width)
    assert output.middle.shape == (len(kept), CONFIG.width)
    output.prediction[1::2].sum().backward()
    assert deep.enter.weight.grad is not None and deep.enter.weight.grad.abs().max() > 0


def test_it_listens_to_all_it_is_told(model: Transformer) -> None:
    clips, sigmas, texts = batch()
    clip, sigma, text = clips[0], sigmas[0], texts[2]
    assert changed(model) == 0
    assert changed(model, packed=clip.with_tokens(clip.tokens.flip(0))) > 0.01
    assert changed(model, sigma=sigma.flip(0)) > 0.01
    assert changed(model, text=texts[1]) > 0.01
    slower = pack([torch.zeros(SHAPES[0])], [6.0], CONFIG.patch).with_tokens(clip.tokens)
    assert changed(model, packed=slower) > 0.01
    one_word = text.features.clone()
    one_word[1] = one_word[1].flip(0)
    assert changed(model, text=TextFeatures(one_word, text.lengths)) > 0.01


def test_words_are_a_set(model: Transformer) -> None:
    _, _, texts = batch()
    turned = TextFeatures(texts[2].features.flip(0), texts[2].lengths)
    assert changed(model, text=turned) < 1e-5


def test_a_fresh_network_is_a_constant() -> None:
    clips, sigmas, texts = batch()
    output = Transformer(CONFIG)(clips[0], sigmas[0], texts[0])
    assert torch.equal(output.prediction, torch.zeros_like(output.prediction))


def test_gradients_reach_every_weight_and_the_words() -> None:
    clips, sigmas, texts = batch()
    model = shaken(Transformer(CONFIG)).requires_grad_(True)
    words = texts[0].features.requires_grad_(True)
    output = model(clips[0], sigmas[0], TextFeatures(words, (1,)))
    output.prediction.square().sum().backward()
    # The text stream has no reader after the last block.
    last = ("out", "rise", "fall")
    silent = {f"blocks.1.text.{name}" for name in last} | {"blocks.1.text.q_scale"}
    for name, weight in model.named_parameters():
        if name.rpartition(".")[0] in silent or name in silent:
            continue
        assert weight.grad is not None and weight.grad.abs().max() > 0, name
    assert words.grad is not None and words.grad.abs().max() > 0


def test_bf16_is_close(model: Transformer) -> None:
    clips, sigmas, texts = batch()
    half = shaken(Transformer(CONFIG))
    half.load_state_dict(model.state_dict())
    output = half.bfloat16()(clips[0], sigmas[0], texts[0].to(dtype=torch.bfloat16)).prediction
    wanted = model(clips[0], sigmas[0], texts[0]).prediction
    assert output.dtype == torch.float32
    assert (output - wanted).std() < 0.05 * wanted.std()


def test_heads_that_do_not_fit() -> None:
    assert CONFIG.token_width == 4 * 2 * 2
    for width, heads in ((30, 4), (24, 2)):
        with pytest.raises(ValueError, match=f"width {width} over {heads} heads must give a mult"):
            TransformerConfig(width=width, heads=heads)
