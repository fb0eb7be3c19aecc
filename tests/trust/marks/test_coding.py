"""The error-correcting code of the watermark."""

import numpy as np
import pytest

from skyloom.trust.marks.coding import CODE_BITS, PAYLOAD_BITS, decode, encode


def test_what_is_encoded_is_decoded() -> None:
    rng = np.random.default_rng(0)
    for payload in (0, 1, 2**PAYLOAD_BITS - 1, *map(int, rng.integers(2**48, size=5))):
        assert decode(encode(payload).astype(float)) == payload
    for wrong in (-1, 2**PAYLOAD_BITS):
        with pytest.raises(ValueError, match="48 bits"):
            encode(wrong)


def test_a_tenth_of_the_bits_wrong_is_put_right() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        payload = int(rng.integers(2**PAYLOAD_BITS))
        coded = encode(payload).astype(float)
        places = np.arange(0, CODE_BITS, 12) + rng.integers(12, size=-(-CODE_BITS // 12))
        coded[places[places < CODE_BITS]] *= -1  # 8%, evenly spread, which the code is made for
        assert decode(coded) == payload


def test_what_is_sure_counts_for_more() -> None:
    rng = np.random.default_rng(2)
    right = 0
    for _ in range(40):
        payload = int(rng.integers(2**PAYLOAD_BITS))
        soft = 1.3 * encode(payload) + rng.normal(size=CODE_BITS)  # a tenth has the wrong sign
        right += decode(soft) == payload
    assert right >= 36


def test_noise_is_no_payload() -> None:
    rng = np.random.default_rng(3)
    assert all(decode(rng.normal(size=CODE_BITS)) is None for _ in range(200))
