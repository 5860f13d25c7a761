"""Fusions by name: how an item's modalities become one vector (docs/fusion.md).

Each is a Keras layer `(features, present) -> [B, width]`, made by `Fusion(width, aggregation)`:
`features` is a list of M tensors [B, dim_m], zero where absent, and `present` is [B, M] bool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drrec.nn.fusion.early import EarlyFusion
from drrec.nn.fusion.gated import GatedFusion
from drrec.nn.fusion.late import LateFusion

if TYPE_CHECKING:
    from drrec.nn.fusion.base import Fusion

FUSIONS: dict[str, type[Fusion]] = {
    "early": EarlyFusion,
    "late": LateFusion,
    "gated": GatedFusion,
}
