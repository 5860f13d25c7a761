"""Which baselines an agent is blended with, and with what shares."""

from __future__ import annotations

import math

from drrec.errors import InputError, shown
from drrec.registry import BASELINES, CONTENT_BASELINES


def shares_of(blend: str) -> dict[str, float]:
    """Each baseline's share of the weight of `--blend`, by name; they add up to 1.

    Raises:
        InputError: a name is not a baseline's or there twice, or a share is not above 0.

    Examples:
        >>> shares_of("gru4rec:3,ease")
        {'gru4rec': 0.75, 'ease': 0.25}
    """
    shares: dict[str, float] = {}
    for each in filter(None, blend.split(",")):
        name, _, share = each.strip().partition(":")
        if name in shares or name not in {*BASELINES, *CONTENT_BASELINES}:
            raise InputError(
                "Expected names of different baselines for `blend`. "
                f"Received: {shown(name)}{' twice' if name in shares else ''}. "
                f"There are: {', '.join([*BASELINES, *CONTENT_BASELINES])}."
            )
        try:
            shares[name] = float(share or 1)
        except ValueError:
            shares[name] = math.nan
        if not 0 < shares[name] < math.inf:
            raise InputError(
                f"Expected a share above 0 for {name} in `blend`. Received: {shown(share)}. "
                "Write baselines with their shares: gru4rec:4,ease:1."
            )
    return {name: share / sum(shares.values()) for name, share in shares.items()}
