"""Encoders of transformers: tiny real ones of each family, written and read as folders."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from skyloom.errors import UserError
from skyloom.text.encoder import TextEncoder
from skyloom.text.huggingface import HuggingFaceTextEncoder

transformers = pytest.importorskip("transformers")

PROMPTS = ["a red ball rolls", "", "a blue cube on the beach at night", "a ball"]
SIZES = {"vocab_size": 300, "num_hidden_layers": 2, "num_attention_heads": 2}
LLM = {"hidden_size": 16, "intermediate_size": 32, "num_key_value_heads": 1, "head_dim": 8} | SIZES


def t5() -> object:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    return transformers.T5EncoderModel(transformers.T5Config(vocab_size=300, **sizes))


def umt5() -> object:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    return transformers.UMT5EncoderModel(transformers.UMT5Config(vocab_size=300, **sizes))


def clip() -> object:
    config = transformers.CLIPTextConfig(
        hidden_size=16, intermediate_size=32, max_position_embeddings=12, eos_token_id=0, **SIZES
    )
    return transformers.CLIPTextModel(config)


def qwen() -> object:
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**LLM))


def gemma() -> object:
    return transformers.Gemma2Model(transformers.Gemma2Config(**LLM))


def save_words(folder: Path, with_end: bool = True) -> None:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(PROMPTS * 3, trainer)
    if with_end:
        backend.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 0)])
    words = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
    words.save_pretrained(folder)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a local folder needs no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("make", [t5, umt5, clip, qwen, gemma])
@pytest.mark.parametrize("with_end", [True, False])
def test_packed_equals_one_by_one(
    make: Callable[[], object], with_end: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = make()
    model.save_pretrained(tmp_path)
    save_words(tmp_path, with_end)
    encoder = HuggingFaceTextEncoder.load(tmp_path)
    assert isinstance(encoder, TextEncoder)
    assert (encoder.width, encoder.max_tokens) == (16, 12 if make is clip else 256)
    text = encoder.encode(PROMPTS)
    assert text.lengths[1] == 1, "an empty prompt is one token"
    for prompt, packed in zip(PROMPTS, text.split(), strict=True):
        alone = encoder.encode([prompt]).features
        assert torch.allclose(alone, packed.features, atol=1e-5)
    ids = torch.tensor([encoder._tokenizer(PROMPTS[2])["input_ids"]])
    model = getattr(model, "model", model)
    with torch.no_grad():
        expected = model.eval()(input_ids=ids).last_hidden_state[0]
    assert torch.allclose(text.split()[2].features, expected, atol=1e-5)


def test_where_a_prompt_is_cut(tmp_path: Path) -> None:
    clip().save_pretrained(tmp_path)
    save_words(tmp_path)
    encoder = HuggingFaceTextEncoder.load(tmp_path)
    prompt = "a red ball rolls on the beach at night a blue cube a red ball"
    cut = encoder.truncated(prompt)
    assert cut == "a red ball rolls on the beach at night a blue"
    assert encoder.encode([prompt]).lengths == (12,)
    assert torch.allclose(encoder.encode([prompt]).features, encoder.encode([cut]).features)
    assert encoder.truncated("a red ball") is None


def test_an_earlier_layer_and_a_precision(tmp_path: Path) -> None:
    model = clip()
    model.save_pretrained(tmp_path)
    save_words(tmp_path)
    encoder = HuggingFaceTextEncoder.load(tmp_path, layer=-2, dtype=torch.bfloat16)
    features = encoder.encode(PROMPTS[:1]).features
    assert features.dtype == torch.bfloat16
    ids = torch.tensor([encoder._tokenizer(PROMPTS[0])["input_ids"]])
    with torch.no_grad():
        expected = model.eval()(input_ids=ids, output_hidden_states=True).hidden_states[-2][0]
    assert torch.allclose(features.float(), expected, atol=0.02)


def test_a_folder_as_diffusers_lays_it(tmp_path: Path) -> None:
    t5().save_pretrained(tmp_path / "text_encoder_2")
    save_words(tmp_path / "tokenizer_2")
    encoder = HuggingFaceTextEncoder.load(tmp_path / "text_encoder_2")
    assert encoder.encode(["a ball"]).width == 16


def test_folders_that_do_not_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        HuggingFaceTextEncoder.load(tmp_path / "none")
    with pytest.raises(UserError, match=r"has no config\.json"):
        HuggingFaceTextEncoder.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UserError, match="pickles .* are never read"):
        HuggingFaceTextEncoder.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot be loaded"):
        HuggingFaceTextEncoder.load(tmp_path)


def test_missing_weights_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    t5().save_pretrained(tmp_path)
    save_words(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state.pop("encoder.final_layer_norm.weight")
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"'encoder\.final_layer_norm\.weight' is missing"):
        HuggingFaceTextEncoder.load(tmp_path)


def test_code_in_a_folder_is_never_run(tmp_path: Path) -> None:
    t5().save_pretrained(tmp_path)
    save_words(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.M"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(UserError, match="cannot be loaded"):
        HuggingFaceTextEncoder.load(tmp_path)
