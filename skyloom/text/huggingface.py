"""Any text encoder that lies in a local Hugging Face folder: T5, umT5, CLIP, Qwen, Gemma, ...

Nothing is downloaded, no code of the folder is run, and weights are safetensors or nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from skyloom.errors import UserError
from skyloom.extras import need
from skyloom.text.features import TextFeatures

# Families of which only a part reads text; of all others the whole model is its hidden states.
_TEXT_PART = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "clip": "CLIPTextModel",
    "clip_text_model": "CLIPTextModel",
    "siglip": "SiglipTextModel",
    "siglip_text_model": "SiglipTextModel",
}


class HuggingFaceTextEncoder:
    """A frozen `TextEncoder` over a model and a tokenizer of `transformers`.

    Prompts are taken as they are, without a chat template, and each is encoded as if alone.
    """

    def __init__(self, model: Any, tokenizer: Any, max_tokens: int = 256, layer: int = -1) -> None:
        """Use `load` to read a folder.

        Args:
            max_tokens: cut prompts there, or earlier where the model has fewer positions.
            layer: which hidden states are the features: -1 the model's output, -2 those before
                its last layer (as Stable Diffusion 3 takes CLIP's), and so on.
        """
        text_config = model.config.get_text_config()
        positions = getattr(text_config, "max_position_embeddings", None) or max_tokens
        self._model = model.requires_grad_(False).eval()
        self._tokenizer = tokenizer
        self._width: int = text_config.hidden_size
        self._max_tokens = min(max_tokens, positions)
        self._layer = layer

    @classmethod
    def load(
        cls,
        folder: Path,
        tokenizer: Path | None = None,
        max_tokens: int = 256,
        layer: int = -1,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> "HuggingFaceTextEncoder":
        """Read a model and its tokenizer.

        Args:
            folder: with config.json and *.safetensors.
            tokenizer: where the tokenizer is if it is neither in `folder` nor beside it, in
                'tokenizer' for 'text_encoder' and 'tokenizer_2' for 'text_encoder_2'.
            dtype: precision; that of the file if None.

        Raises:
            UserError: the package `transformers` is not installed, or the folder is missing,
                incomplete, needs code of its own, or holds no safetensors.
        """
        transformers = need("transformers", extra="text")
        _check_folder(folder)
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            config = transformers.AutoConfig.from_pretrained(folder, **local)
            kind = getattr(transformers, _TEXT_PART.get(config.model_type, "AutoModel"))
            model, report = kind.from_pretrained(
                folder,
                use_safetensors=True,
                output_loading_info=True,
                dtype=dtype or "auto",
                **local,
            )
            words = transformers.AutoTokenizer.from_pretrained(
                tokenizer or _tokenizer_beside(folder), **local
            )
        except Exception as error:  # from a stranger's files transformers raises almost anything
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"The text encoder in '{folder}' cannot be loaded: {reason}") from error
        if lost := sorted(report["missing_keys"]):
            raise UserError(
                f"The weights in '{folder}' are incomplete, '{lost[0]}' is missing: "
                "get a whole copy of the text encoder."
            )
        return cls(model.to(device), words, max_tokens, layer)

    @property
    def width(self) -> int:
        """E of the features."""
        return self._width

    @property
    def max_tokens(self) -> int:
        """The longest prompt in tokens."""
        return self._max_tokens

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> TextFeatures:
        """Features of each prompt, in order. Padding exists only within this call."""
        rows = [self._ids(prompt) or [self._nothing()] for prompt in prompts]
        lengths = tuple(len(row) for row in rows)
        ids = torch.full((len(rows), max(lengths)), self._nothing())
        there = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            # To the right, whatever the tokenizer prefers: positions then start at the prompt.
            ids[index, : len(row)] = torch.tensor(row)
            there[index, : len(row)] = 1
        hidden = self._hidden(ids.to(self._model.device), there.to(self._model.device))
        packed = torch.cat([piece[:n] for piece, n in zip(hidden, lengths, strict=True)])
        return TextFeatures(packed, lengths)

    def truncated(self, prompt: str) -> str | None:
        """The prompt up to where `encode` cuts it, None if all of it fits."""
        if len(self._tokenizer(prompt, verbose=False)["input_ids"]) <= self._max_tokens:
            return None
        if not self._tokenizer.is_fast:
            return self._tokenizer.decode(self._ids(prompt), skip_special_tokens=True)
        kept = self._tokenizer(
            prompt, truncation=True, max_length=self._max_tokens, return_offsets_mapping=True
        )
        return prompt[: max(end for _, end in kept["offset_mapping"])]

    def _ids(self, prompt: str) -> list[int]:
        return self._tokenizer(prompt, truncation=True, max_length=self._max_tokens)["input_ids"]

    def _nothing(self) -> int:
        """The token that stands for no text, and in the padding, where nothing sees it."""
        words = self._tokenizer
        known = (words.eos_token_id, words.pad_token_id, words.bos_token_id, 0)
        return next(number for number in known if number is not None)

    def _hidden(self, ids: Tensor, there: Tensor) -> Float[Tensor, "B M E"]:
        if self._layer == -1:
            return self._model(input_ids=ids, attention_mask=there).last_hidden_state
        out = self._model(input_ids=ids, attention_mask=there, output_hidden_states=True)
        return out.hidden_states[self._layer]


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"The text encoder's folder '{folder}' does not exist.")
    if not (folder / "config.json").is_file():
        raise UserError(
            f"'{folder}' is no text encoder, it has no config.json: name a folder that "
            "Hugging Face's save_pretrained wrote."
        )
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"'{folder}' has no *.safetensors, and pickles (.bin) are never read: convert them."
        )


def _tokenizer_beside(folder: Path) -> Path:
    """`folder` itself if it has a tokenizer, else the one beside it, as diffusers lays them."""
    beside = folder.with_name(folder.name.replace("text_encoder", "tokenizer"))
    own = ("tokenizer.json", "tokenizer_config.json", "spiece.model", "vocab.json")
    here = any((folder / name).is_file() for name in own)
    return folder if here or not beside.is_dir() else beside
