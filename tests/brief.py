"""Training that is over in a moment, for what no long one shows."""

import contextlib
import functools

import keras
import pytest
import tensorflow as tf

from drrec.embeddings import pmf


def brief_pmf(patch: pytest.MonkeyPatch) -> None:
    """Two epochs of PMF, in Python: so few batches are not worth a trace."""
    patch.setattr(pmf, "_MOST_EPOCHS", 2)
    in_python = functools.partialmethod(keras.Model.compile, run_eagerly=True)
    patch.setattr(pmf.MatrixFactorisation, "compile", in_python)


def brief_figures(patch: pytest.MonkeyPatch) -> None:
    """Reports' figures are set out and stay empty: `tests/evaluation/` has them drawn.

    To draw a training's curves takes a second.
    """
    from drrec.evaluation import figures  # not for all: matplotlib takes long to import

    save = figures._save

    def emptied(figure, path):
        figure.set_layout_engine("none")
        for axes in figure.axes:
            axes.set_visible(False)
        save(figure, path)

    patch.setattr(figures, "_save", emptied)


@contextlib.contextmanager
def eagerly(*changes):
    """Trainings run eagerly, with `changes` (module, name, value), until the end of the body."""
    with pytest.MonkeyPatch.context() as patch:
        for change in changes:
            patch.setattr(*change)
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
