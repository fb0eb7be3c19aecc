"""Guards that are models of others, in a local folder: nothing is downloaded or run from it.

Llama Guard and ShieldGemma are language models that answer about a prompt; any text or image
classifier of Hugging Face answers with labels; Stable Diffusion's safety checker compares pictures
with concepts. All need the package `transformers` (extra "text") and safetensors. NudeNet is a
package that the user installs: its licence (AGPL) is not ours to bring along.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.trust.policy import FrameSettings, PromptSettings
from skyloom.trust.verdict import Category, Finding

FINE = ("safe", "ok", "normal", "neutral", "non-toxic", "not_toxic", "sfw", "label_0",
        "drawings", "clean", "benign", "none", "other", "no_hate", "non-hate", "nothate",
        "not-hate")  # fmt: skip
"""Labels that say all is well."""

# Words in a label that tell its category.
_HINTS: tuple[tuple[str, Category], ...] = (
    ("minor", "minors"), ("child", "minors"), ("self", "self_harm"), ("suicid", "self_harm"),
    ("sex", "sexual"), ("nsfw", "sexual"), ("porn", "sexual"), ("nud", "sexual"),
    ("hentai", "sexual"), ("hate", "hate"), ("toxic", "hate"), ("insult", "hate"),
    ("celebr", "celebrity"), ("copyright", "ip"), ("gore", "violence"), ("viol", "violence"),
    ("exposed", "sexual"),
)  # fmt: skip

LLAMA_HAZARDS: dict[str, Category] = {
    "S1": "violence", "S2": "violence", "S3": "sexual", "S4": "minors", "S8": "ip",
    "S9": "violence", "S10": "hate", "S11": "self_harm", "S12": "sexual",
}  # fmt: skip
"""Of Llama Guard 3's hazards those that a picture can show; the others speak of answers."""

SHIELD_POLICIES: tuple[tuple[Category, str], ...] = (
    ("sexual", '"No Sexually Explicit Information": The prompt shall not contain or seek '
     "generation of sexually explicit content."),
    ("violence", '"No Dangerous Content": The prompt shall not contain or seek generation of '
     "content that depicts extreme violence or harms oneself or others."),
    ("hate", '"No Hate Speech": The prompt shall not contain or seek generation of content that '
     "targets identity or protected attributes."),
)  # fmt: skip


def category_of(label: str) -> Category:
    """The category that a model's label is about; "guard" stays for what it does not tell."""
    return next((kind for hint, kind in _HINTS if hint in label.lower()), "violence")


def version_of(folder: Path) -> str:
    """Twelve letters that are others for another model: of its configuration and weights' sizes."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.json")):
        digest.update(file.name.encode() + file.read_bytes())
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as opened:  # its header names every tensor, its end is weights
            digest.update(file.name.encode() + opened.read(2**20))
            opened.seek(max(file.stat().st_size - 2**20, 0))
            digest.update(opened.read(2**20))
    return digest.hexdigest()[:12]


def _load(folder: Path, kind: str, reader: str) -> tuple[Any, Any]:
    """A model and what prepares its input."""
    transformers = need("transformers", extra="text")
    _need_config(folder)
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        model = getattr(transformers, kind).from_pretrained(folder, use_safetensors=True, **local)
        prepare = getattr(transformers, reader).from_pretrained(folder, **local)
    except Exception as error:  # from a stranger's files transformers raises almost anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"the model in '{folder}' cannot be loaded: {reason}") from error
    return model.eval(), prepare


def _need_config(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise UserError(f"there is no model in '{folder}': it needs a config.json there")


class TextClassifier:
    """Any sequence classifier of Hugging Face."""

    def __init__(self, settings: PromptSettings) -> None:
        assert settings.folder is not None
        self._settings = settings
        self.version = version_of(settings.folder)
        self._model, self._tokenizer = _load(
            settings.folder, "AutoModelForSequenceClassification", "AutoTokenizer"
        )
        self._labels = _labels(self._model, settings.blocked)

    def check(self, text: str) -> list[Finding]:
        """Labels over the threshold."""
        import torch

        tokens = self._tokenizer(text, return_tensors="pt", truncation=True)
        with torch.inference_mode():
            logits = self._model(**tokens).logits[0].float()
        several = self._model.config.problem_type == "multi_label_classification"
        scores = logits.sigmoid() if several else logits.softmax(dim=0)
        return _blocked(scores.numpy(), self._labels, self._settings.threshold)


class LlamaGuard:
    """Llama Guard 3 and 4: the chat template asks, the model writes "safe" or hazards."""

    def __init__(self, settings: PromptSettings) -> None:
        assert settings.folder is not None
        self.version = version_of(settings.folder)
        self._model, self._tokenizer = _load(
            settings.folder, "AutoModelForCausalLM", "AutoTokenizer"
        )
        if not self._tokenizer.chat_template:
            raise UserError(f"'{settings.folder}' has no chat template: it is no Llama Guard")

    def check(self, text: str) -> list[Finding]:
        """The hazards that it names; an answer that is neither is an error, which blocks."""
        import torch

        said = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        tokens = self._tokenizer.apply_chat_template(
            said, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            written = self._model.generate(**tokens, max_new_tokens=20, do_sample=False)
        answer = self._tokenizer.decode(
            written[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return llama_findings(answer)


def llama_findings(answer: str) -> list[Finding]:
    """What Llama Guard's answer says.

    Raises:
        ValueError: it is neither "safe" nor "unsafe" with hazards.
    """
    first, _, rest = answer.strip().partition("\n")
    if first.strip() == "safe":
        return []
    if first.strip() != "unsafe":
        raise ValueError("its answer is neither 'safe' nor 'unsafe'")
    hazards = [hazard.strip() for hazard in rest.split(",")]
    known = [hazard for hazard in hazards if hazard in LLAMA_HAZARDS]
    return [Finding(LLAMA_HAZARDS[hazard], 1.0, f"hazard {hazard}") for hazard in known]


class ShieldGemma:
    """ShieldGemma: the probability of "Yes" to whether a prompt violates each policy."""

    def __init__(self, settings: PromptSettings) -> None:
        assert settings.folder is not None
        self._threshold = settings.threshold
        self.version = version_of(settings.folder)
        self._model, self._tokenizer = _load(
            settings.folder, "AutoModelForCausalLM", "AutoTokenizer"
        )
        self._answers = [self._tokenizer.convert_tokens_to_ids(word) for word in ("Yes", "No")]
        if None in self._answers or self._answers[0] == self._answers[1]:
            raise UserError(f"'{settings.folder}' has no words Yes and No: it is no ShieldGemma.")

    def check(self, text: str) -> list[Finding]:
        """The policies that it takes to be violated."""
        import torch

        found = []
        for category, policy in SHIELD_POLICIES:
            tokens = self._tokenizer(_shield_question(text, policy), return_tensors="pt")
            with torch.inference_mode():
                logits = self._model(**tokens).logits[0, -1, self._answers].float()
            yes = float(logits.softmax(dim=0)[0])
            if yes >= self._threshold:
                found.append(Finding(category, yes, f"policy {category}"))
        return found


def _shield_question(text: str, policy: str) -> str:
    return (
        "You are a policy expert trying to help determine whether a user prompt is in violation "
        "of the defined safety policies.\n\n<start_of_turn>\n"
        f"Human Question: {text.strip()}\n<end_of_turn>\n\n"
        f"Our safety principle is defined in the below:\n\n* {policy}\n\n"
        "Does the human question violate the above principle? Your answer must start with 'Yes' "
        "or 'No'. And then walk through step by step to be sure we answer correctly.\n\n"
    )


class ImageClassifier:
    """Any image classifier of Hugging Face."""

    def __init__(self, settings: FrameSettings) -> None:
        assert settings.folder is not None
        self._settings = settings
        self.version = version_of(settings.folder)
        self._model, self._processor = _load(
            settings.folder, "AutoModelForImageClassification", "AutoImageProcessor"
        )
        self._labels = _labels(self._model, settings.blocked)

    def check(self, frames: UInt8[np.ndarray, "F H W 3"], fps: float) -> list[Finding]:
        """Labels over the threshold in any frame that is looked at."""
        import torch

        pixels = self._processor(images=list(looked_at(frames, fps, self._settings.rate)),
                                 return_tensors="pt")  # fmt: skip
        with torch.inference_mode():
            scores = self._model(**pixels).logits.float().softmax(dim=1).amax(dim=0)
        return _blocked(scores.numpy(), self._labels, self._settings.threshold)


class StableDiffusionChecker:
    """Stable Diffusion's safety checker, of the folder `safety_checker` of a pipeline."""

    def __init__(self, settings: FrameSettings) -> None:
        assert settings.folder is not None
        self._rate = settings.rate
        transformers = need("transformers", extra="text")
        checker = need("diffusers.pipelines.stable_diffusion.safety_checker", extra="bench")
        folder = settings.folder
        _need_config(folder)
        self.version = version_of(folder)
        beside = folder.parent / "feature_extractor"
        try:
            self._model = checker.StableDiffusionSafetyChecker.from_pretrained(
                folder, use_safetensors=True, local_files_only=True
            ).eval()
            self._processor = transformers.CLIPImageProcessor.from_pretrained(
                beside if beside.is_dir() else folder, local_files_only=True
            )
        except Exception as error:  # see _load
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"the model in '{folder}' cannot be loaded: {reason}") from error

    def check(self, frames: UInt8[np.ndarray, "F H W 3"], fps: float) -> list[Finding]:
        """Whether any frame that is looked at is near its concepts."""
        import torch

        shown = looked_at(frames, fps, self._rate)
        pixels = self._processor(images=list(shown), return_tensors="pt").pixel_values
        with torch.inference_mode():
            _, bad = self._model(clip_input=pixels, images=shown.astype(np.float32) / 255)
        return [Finding("sexual", 1.0, "concept")] if any(bad) else []


class NudeNet:
    """The package `nudenet`, if the user has installed it."""

    def __init__(self, settings: FrameSettings) -> None:
        import importlib.metadata

        try:
            from nudenet import NudeDetector
        except ModuleNotFoundError as error:
            raise UserError(
                "the package 'nudenet' is not installed: pip install nudenet, if its licence "
                "(AGPL-3.0) suits you, or leave it out of the policy."
            ) from error
        self._settings = settings
        self._detector = NudeDetector()
        self.version = importlib.metadata.version("nudenet")

    def check(self, frames: UInt8[np.ndarray, "F H W 3"], fps: float) -> list[Finding]:
        """Parts that are shown bare in any frame that is looked at."""
        found: dict[str, float] = {}
        for frame in looked_at(frames, fps, self._settings.rate):
            for part in self._detector.detect(np.ascontiguousarray(frame[..., ::-1])):
                label, score = str(part["class"]), float(part["score"])
                wanted = self._settings.blocked or BARE
                if label in wanted and score >= self._settings.threshold:
                    found[label] = max(found.get(label, 0.0), score)
        return [Finding("sexual", score, label) for label, score in found.items()]


BARE = ("FEMALE_BREAST_EXPOSED", "FEMALE_GENITALIA_EXPOSED", "MALE_GENITALIA_EXPOSED",
        "ANUS_EXPOSED", "BUTTOCKS_EXPOSED")  # fmt: skip


def looked_at(
    frames: UInt8[np.ndarray, "F H W 3"], fps: float, rate: float
) -> UInt8[np.ndarray, "f H W 3"]:
    """The frames that a model looks at: `rate` a second, the first and the last among them."""
    count = max(2, round(len(frames) / fps * rate) + 1)
    picked = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    return frames[picked]


def _labels(model: Any, blocked: tuple[str, ...]) -> dict[int, str]:
    """The labels of a classifier that block, by their number."""
    labels = {int(number): str(label) for number, label in model.config.id2label.items()}
    if unknown := set(blocked) - set(labels.values()):
        raise UserError(
            f"it knows no label '{sorted(unknown)[0]}': it has "
            f"{', '.join(sorted(labels.values()))}."
        )
    return {
        number: label
        for number, label in labels.items()
        if (label in blocked if blocked else label.lower() not in FINE)
    }


def _blocked(scores: np.ndarray, labels: dict[int, str], threshold: float) -> list[Finding]:
    return [
        Finding(category_of(label), float(scores[number]), label)
        for number, label in labels.items()
        if scores[number] >= threshold
    ]
