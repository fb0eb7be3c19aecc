"""The error-correcting code of the watermark: a checked number as code bits, and back.

48 bits and their CRC-16 go through the convolutional code of constraint length 7 and rate 1/2
(generators 171 and 133, octal; the code of Voyager and of DVB), closed by six zeros. Decoding is
Viterbi's algorithm on soft values, so that a bit that came through weakly counts for little.
"""

from functools import cache

import numpy as np
from jaxtyping import Float, Int8

PAYLOAD_BITS = 48
_CRC_BITS, _MEMORY = 16, 6
_GENERATORS = (0o171, 0o133)
_CRC_POLYNOMIAL = 0x1021  # CCITT

CODE_BITS = 2 * (PAYLOAD_BITS + _CRC_BITS + _MEMORY)
"""Bits that stand for one payload."""


def encode(payload: int) -> Int8[np.ndarray, "c"]:
    """The code bits of a payload, as -1 and 1.

    Raises:
        ValueError: the payload is not a number of 48 bits.
    """
    if not 0 <= payload < 2**PAYLOAD_BITS:
        raise ValueError(f"{payload} is no number of {PAYLOAD_BITS} bits")
    checked = payload << _CRC_BITS | _crc(payload)
    length = PAYLOAD_BITS + _CRC_BITS
    bits = [checked >> (length - 1 - place) & 1 for place in range(length)] + [0] * _MEMORY
    state, coded = 0, []
    for bit in bits:
        register = bit << _MEMORY | state
        coded += [(register & generator).bit_count() & 1 for generator in _GENERATORS]
        state = register >> 1
    return (1 - 2 * np.array(coded)).astype(np.int8)


def decode(soft: Float[np.ndarray, "c"]) -> int | None:
    """The payload whose code bits agree best with `soft`, or None where its checksum is wrong.

    Args:
        soft: what was seen of each code bit: its sign, the larger the surer, in any unit.
    """
    if soft.shape != (CODE_BITS,):
        raise ValueError(f"{soft.shape} are not {CODE_BITS} code bits")
    before, told = _trellis()
    score = np.full(2**_MEMORY, -np.inf)
    score[0] = 0.0
    choices = []
    for pair in soft.astype(np.float64).reshape(-1, 2):
        ways = score[before] + told @ pair  # (state, which of the two ways into it)
        choice = ways.argmax(axis=1)
        score = ways[np.arange(len(ways)), choice]
        choices.append(choice)
    state, bits = 0, []  # the six zeros lead back to state 0
    for choice in reversed(choices):
        bits.append(state >> (_MEMORY - 1))  # the newest bit is the highest of the state
        state = int(before[state, choice[state]])
    number = int("".join(map(str, reversed(bits))), 2) >> _MEMORY
    payload = number >> _CRC_BITS
    return payload if _crc(payload) == number & (2**_CRC_BITS - 1) else None


@cache
def _trellis() -> tuple[np.ndarray, np.ndarray]:
    """The two states before each state, and the two code bits (as -1, 1) of each way into it."""
    states = 2**_MEMORY
    before = np.zeros((states, 2), dtype=np.int64)
    told = np.zeros((states, 2, 2))
    for state in range(states):
        for way in range(2):
            register = state << 1 | way
            before[state, way] = register & (states - 1)
            told[state, way] = [1 - 2 * ((register & g).bit_count() & 1) for g in _GENERATORS]
    return before, told


def _crc(payload: int) -> int:
    """CRC-16 (CCITT, initial value all ones), so that a payload of zeros has ones in it."""
    crc = 0xFFFF
    for byte in payload.to_bytes(PAYLOAD_BITS // 8, "big"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (_CRC_POLYNOMIAL if crc & 0x8000 else 0)) & 0xFFFF
    return crc
