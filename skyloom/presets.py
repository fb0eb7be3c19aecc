"""Named sizes of the diffusion transformer and its text encoder, in one table.

A recipe names one, `preset = "sd3-d15"`, and what its [model] and [text] say goes over it. On the
command line, `preset=sd3-d15` stands for all of the recipe's own [model] and [text]. What a size
costs is not written down here: `skyloom plan` computes it from the very networks.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyloom.config import to_dict
from skyloom.errors import UserError
from skyloom.text.bundled import BundledTextConfig
from skyloom.transformer.config import TransformerConfig


@dataclass(frozen=True)
class Preset:
    """A size.

    Attributes:
        model, text: the two networks that are trained together.
        about: where the size comes from.
    """

    model: TransformerConfig
    text: BundledTextConfig
    about: str


def _ladder(depth: int) -> Preset:
    """A rung of the Stable Diffusion 3 report (arXiv 2403.03206, section 5.3).

    Width 64 * depth and a head of 64 for every block, 16 channels in patches of 2x2. That report
    reads frozen text encoders and modulates each block by itself; here the text encoder is
    trained along, and the modulation is shared, which saves a third of a block's parameters.
    """
    return Preset(
        TransformerConfig(
            channels=16,
            patch=(1, 2, 2),
            width=64 * depth,
            depth=depth,
            heads=depth,
            text_mlp_ratio=4,
            text_width=1024,
        ),
        BundledTextConfig(vocabulary=32768, width=1024, depth=6, heads=16, max_tokens=256),
        f"depth {depth} of Stable Diffusion 3's ladder",
    )


PRESETS: Mapping[str, Preset] = {
    "tiny": Preset(
        TransformerConfig(channels=16, width=96, depth=3, heads=3, text_width=64),
        BundledTextConfig(vocabulary=512, width=64, depth=1, heads=2),
        "runs/tiny_transformer.toml, for tests",
    ),
    "bundled": Preset(
        TransformerConfig(
            channels=192, patch=(1, 1, 1), width=256, depth=6, heads=4, text_width=192
        ),
        BundledTextConfig(vocabulary=1400, width=192, depth=2, heads=3),
        "the model in the box, runs/default_transformer.toml",
    ),
    **{f"sd3-d{depth}": _ladder(depth) for depth in (15, 18, 21, 30, 38)},
    # Open-Sora 2.0 has 19 blocks of two streams and 38 of one (arXiv 2503.09642); here all 57 are
    # of two streams, and the text's MLPs are half as wide, which comes to the same parameters.
    "open-sora-2": Preset(
        TransformerConfig(
            channels=16,
            patch=(1, 2, 2),
            width=3072,
            depth=57,
            heads=24,
            text_mlp_ratio=2,
            text_width=1024,
        ),
        BundledTextConfig(vocabulary=32768, width=1024, depth=12, heads=16, max_tokens=512),
        "width, depth and heads of Open-Sora 2.0",
    ),
}
"""Every preset by its name, from the smallest to the largest."""


def named_preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if name not in PRESETS:
        (nearest,) = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.0)
        raise UserError(
            f"There is no preset '{name}': the nearest is '{nearest}', of {', '.join(PRESETS)}."
        )
    return PRESETS[name]


def expanded(values: dict[str, Any], said: Sequence[str] = ()) -> dict[str, Any]:
    """A recipe's values with those of its preset below its own [model] and [text].

    Args:
        said: the dotted keys that the command line has set. Where the preset is one of them, only
            what they say goes over it: it would change nothing below a recipe that says it all.

    Raises:
        UserError: the preset is unknown.
    """
    name = values.get("preset", "")
    if not isinstance(name, str) or not name:
        return values
    preset = named_preset(name)
    own = {part: values.get(part, {}) for part in ("model", "text")}
    # What is no table is refused by the reader.
    own = {part: table for part, table in own.items() if isinstance(table, dict)}
    if "preset" in said:
        own = {part: _said(part, table, said) for part, table in own.items()}
    sizes = {"model": to_dict(preset.model), "text": to_dict(preset.text)}
    return values | {part: sizes[part] | table for part, table in own.items()}


def _said(part: str, table: dict[str, Any], said: Sequence[str]) -> dict[str, Any]:
    """Of a table, what the command line has set."""
    return table if part in said else {k: v for k, v in table.items() if f"{part}.{k}" in said}
