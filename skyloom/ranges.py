"""Which numbers a configuration takes: checked where it is made, in words."""

import math
from collections.abc import Mapping
from typing import Any

Limits = Mapping[str, tuple[float, float]]


def check_ranges(config: Any, limits: Limits) -> None:
    """See that fields of a dataclass, or all items of those that are tuples, are within limits.

    Args:
        limits: least and greatest value by the name of the field; the greatest may be infinite.

    Raises:
        ValueError: one is not; the message names it, its value and what would work.
    """
    for name, (least, most) in limits.items():
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else (value,):
            if not (least <= item <= most and math.isfinite(item)):
                wanted = f"{least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
                raise ValueError(f"{name} is {item:g} and must be {wanted}")
