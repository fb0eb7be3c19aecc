"""Guards that are models of others: tiny random ones, written and read as folders."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from skyloom.errors import UserError
from skyloom.trust.guard import Guards
from skyloom.trust.guards import hosted
from skyloom.trust.policy import FrameSettings, Policy, PromptSettings

transformers = pytest.importorskip("transformers")

WORDS = ["</s>", "<unk>", "a", "red", "ball", "Yes", "No", "safe", "unsafe", "S1"]
LLM = {"vocab_size": 16, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
       "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}  # fmt: skip


def save_tokenizer(folder: Path, template: bool = False) -> None:
    backend = Backend(models.WordLevel({word: at for at, word in enumerate(WORDS)}, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    words = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )
    if template:
        words.chat_template = "{% for m in messages %}{{ m.content[0].text }}{% endfor %}"
    words.save_pretrained(folder)


def text_classifier(folder: Path, bias: float) -> Path:
    """One whose every answer is "toxic" with a logit of `bias` over "neutral"."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, id2label={0: "neutral", 1: "sexual"},
        label2id={"neutral": 0, "sexual": 1},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    model.classifier.weight.data.zero_()
    model.classifier.bias.data = torch.tensor([0.0, bias])
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def language_model(folder: Path, template: bool) -> Path:
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLM)).save_pretrained(folder)
    save_tokenizer(folder, template)
    return folder


def image_classifier(folder: Path, bias: float) -> Path:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=16, id2label={0: "normal", 1: "nsfw"},
        label2id={"normal": 0, "nsfw": 1},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    model.classifier.weight.data.zero_()
    model.classifier.bias.data = torch.tensor([0.0, bias])
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("bias", "found"), [(4.0, ["sexual"]), (-4.0, [])])
def test_a_text_classifier(bias: float, found: list[str], tmp_path: Path) -> None:
    folder = text_classifier(tmp_path / "model", bias)
    guard = hosted.TextClassifier(PromptSettings("text-classifier", folder))
    assert [finding.category for finding in guard.check("a red ball")] == found
    with pytest.raises(UserError, match="knows no label 'gore': it has neutral, sexual"):
        hosted.TextClassifier(PromptSettings("text-classifier", folder, blocked=("gore",)))


def test_another_model_has_another_version(tmp_path: Path) -> None:
    one, two = (text_classifier(tmp_path / str(bias), bias) for bias in (1.0, 2.0))
    assert hosted.version_of(one) != hosted.version_of(two)


def test_llama_guard_answers_are_read_strictly(tmp_path: Path) -> None:
    assert hosted.llama_findings("\n\nsafe") == []
    said = hosted.llama_findings("unsafe\nS4,S13")
    assert [finding.category for finding in said] == ["minors"]
    for answer in ("", "Sure, here is", "unsafe-ish"):
        with pytest.raises(ValueError, match="neither"):
            hosted.llama_findings(answer)
    guard = hosted.LlamaGuard(PromptSettings("llama-guard", language_model(tmp_path / "m", True)))
    with pytest.raises(ValueError, match="neither"):
        guard.check("a red ball")  # random weights write nonsense: that must not pass
    with pytest.raises(UserError, match="no chat template"):
        hosted.LlamaGuard(PromptSettings("llama-guard", language_model(tmp_path / "n", False)))


def test_a_model_that_talks_nonsense_blocks(tmp_path: Path) -> None:
    settings = PromptSettings("llama-guard", language_model(tmp_path / "m", True))
    with Guards(Policy(name="house", prompts=(settings,))) as guards:
        verdict = guards.prompts.check("a red ball")
    assert not verdict.allowed and verdict.ran == ()
    assert verdict.failed is not None and "failed with ValueError" in verdict.failed


@pytest.mark.parametrize(("threshold", "count"), [(1e-6, 3), (1.0, 0)])
def test_shieldgemma(threshold: float, count: int, tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", False)
    guard = hosted.ShieldGemma(PromptSettings("shieldgemma", folder, threshold))
    assert len(guard.check("a red ball")) == count


@pytest.mark.parametrize(("bias", "found"), [(4.0, ["sexual"]), (-4.0, [])])
def test_an_image_classifier(bias: float, found: list[str], tmp_path: Path) -> None:
    folder = image_classifier(tmp_path / "model", bias)
    guard = hosted.ImageClassifier(FrameSettings("image-classifier", folder))
    frames = np.zeros((12, 48, 64, 3), np.uint8)
    assert [finding.category for finding in guard.check(frames, 12.0)] == found


@pytest.mark.skipif(importlib.util.find_spec("diffusers") is None, reason="diffusers is an extra")
@pytest.mark.parametrize("bad", [True, False])
def test_the_safety_checker_of_stable_diffusion(bad: bool, tmp_path: Path) -> None:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    part = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 32}  # fmt: skip
    config = transformers.CLIPConfig(
        vision_config=part | {"image_size": 32, "patch_size": 16},
        text_config=part | {"vocab_size": 16},
        projection_dim=8,
    )
    model = StableDiffusionSafetyChecker(config)
    model.concept_embeds_weights.data.fill_(-2.0 if bad else 2.0)
    model.save_pretrained(tmp_path / "safety_checker")
    transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(tmp_path / "feature_extractor")
    guard = hosted.StableDiffusionChecker(
        FrameSettings("stable-diffusion", tmp_path / "safety_checker")
    )
    found = guard.check(np.zeros((6, 48, 64, 3), np.uint8), 12.0)
    assert bool(found) == bad


def test_frames_that_are_looked_at() -> None:
    frames = np.arange(24, dtype=np.uint8)[:, None, None, None] + np.zeros((24, 1, 1, 3), np.uint8)
    assert hosted.looked_at(frames, 12.0, 2.0)[:, 0, 0, 0].tolist() == [0, 6, 12, 17, 23]
    assert len(hosted.looked_at(frames[:1], 12.0, 2.0)) == 1


def test_a_safety_checker_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    with pytest.raises(UserError, match=r"no model in .*config\.json"):
        hosted.StableDiffusionChecker(FrameSettings("stable-diffusion", tmp_path))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs a config\.json"):
        hosted.TextClassifier(PromptSettings("text-classifier", tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be loaded"):
        hosted.TextClassifier(PromptSettings("text-classifier", tmp_path))
