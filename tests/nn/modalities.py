"""Small features of made-up items, for whoever tests what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from drrec.embeddings.config import ContentConfig
from drrec.embeddings.pretrain import Content
from drrec.features.store import Modality

NAMES = ("video", "audio", "text")


def modality(features: np.ndarray, present: np.ndarray, name: str = "made up") -> Modality:
    """As the store gives it: zero where absent, padding absent."""
    present = present & (np.arange(len(present)) > 0)
    return Modality(np.where(present[:, None], features, 0).astype(np.float32), present, name)


def random_modalities(
    num_items: int, widths: tuple[int, ...] = (3, 4, 5), share: float = 0.8, seed: int = 0
) -> list[Modality]:
    """One for each of `widths`; each item has each with probability `share`."""
    rng = np.random.default_rng(seed)
    return [
        modality(2 + 3 * rng.normal(size=(num_items, width)), rng.random(num_items) < share)
        for width in widths
    ]


def random_content(
    num_items: int, *, widths: tuple[int, ...] = (3, 4), share: float = 0.8, **settings: Any
) -> Content:
    """Random features of as many modalities as there are `widths`, and what is made of them."""
    names = NAMES[: len(widths)]
    config = ContentConfig(**({"modality": ",".join(names), "dropout": 0.0} | settings))
    made = random_modalities(num_items, widths, share)
    return Content(config, dict(zip(names, made, strict=True)))
