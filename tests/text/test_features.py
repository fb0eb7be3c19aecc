"""Packed features: splitting and joining are inverse, and rows must add up."""

import pytest
import torch

from skyloom.text.features import TextFeatures, concatenate


def some() -> TextFeatures:
    return TextFeatures(torch.randn(6, 3), (1, 3, 2))


def test_split_and_concatenate_are_inverse() -> None:
    text = some()
    back = concatenate(text.split())
    assert back.lengths == text.lengths and torch.equal(back.features, text.features)
    assert (len(text), text.width) == (3, 3)


def test_select_orders_and_repeats() -> None:
    text = some()
    chosen = text.select([2, 0, 2])
    assert chosen.lengths == (2, 1, 2)
    expected = torch.cat([text.features[4:], text.features[:1], text.features[4:]])
    assert torch.equal(chosen.features, expected)


def test_to_changes_precision() -> None:
    assert some().to(dtype=torch.bfloat16).features.dtype == torch.bfloat16


def test_rows_must_add_up() -> None:
    with pytest.raises(ValueError, match="6 rows"):
        TextFeatures(torch.randn(6, 3), (1, 3))
