"""Training that is over in a moment, for what no long one shows."""

import functools

import keras
import pytest

from drrec.embeddings import pmf


def brief_pmf(patch: pytest.MonkeyPatch) -> None:
    """Two epochs of PMF, in Python: so few batches are not worth a trace."""
    patch.setattr(pmf, "_MOST_EPOCHS", 2)
    in_python = functools.partialmethod(keras.Model.compile, run_eagerly=True)
    patch.setattr(pmf.MatrixFactorisation, "compile", in_python)
