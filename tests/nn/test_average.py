"""A model that follows another on average."""

import numpy as np
import pytest

from drrec.nn.sequence import NextItem, averaged, follow


@pytest.fixture
def model():
    made = NextItem(9, 4, "transformer", {"num_layers": 1, "num_heads": 2, "dropout": 0.5})
    made.build((None, 5))
    return made


def test_it_starts_as_the_other_and_nothing_trains_it(model):
    mean = averaged(model)
    items = np.array([[0, 0, 3, 1, 8]])
    np.testing.assert_array_equal(mean(items), model(items))
    assert mean.trainable_variables == []
    assert len(model.trainable_variables) > 5


@pytest.mark.parametrize(
    ("share", "updates", "expected"), [(0.25, 10**6, 0.25), (1.0, 10**6, 1), (0.01, 8, 0.5)]
)
def test_it_goes_so_far_towards_the_other(model, share, updates, expected):
    mean = averaged(model)
    start = [np.array(weight) for weight in model.trainable_variables]
    for weight in model.trainable_variables:
        weight.assign(np.array(weight) + 2)
    follow(mean, model, share, updates)
    for average, before in zip(mean.weights, start, strict=False):
        np.testing.assert_allclose(average, before + 2 * expected, rtol=1e-4)
