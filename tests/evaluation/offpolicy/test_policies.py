"""Softmax policies against the plain definition."""

import numpy as np
import pytest
from tests.evaluation.stubs import Stub

from drrec.errors import InputError
from drrec.evaluation.offpolicy import SoftmaxPolicy

CANDIDATES = np.array([[False, True, True, False, True], [False, True, True, True, True]])
USERS, HISTORIES = np.arange(2), np.zeros((2, 3), np.int32)
SCORES = np.array([[9.0, 1, 2, 99, 4], [9, 5, 5, 5, 5]], np.float32)


def policy(scale: float = 1.0, shift: float = 0.0, temperature: float = 0.5) -> SoftmaxPolicy:
    return SoftmaxPolicy(Stub(lambda u, h, i: SCORES * scale + shift, 5), temperature)


def test_scores_are_standardised_over_the_candidates_and_then_exponentiated() -> None:
    found = policy().probabilities(USERS, HISTORIES, CANDIDATES)
    own = np.array([1.0, 2, 4])
    weight = np.exp((own - own.mean()) / own.std() / 0.5)
    np.testing.assert_allclose(found[0], np.insert(weight / weight.sum(), [0, 2], 0), rtol=1e-6)
    np.testing.assert_allclose(found[1], [0, 0.25, 0.25, 0.25, 0.25])
    other = policy(scale=7, shift=-3).probabilities(USERS, HISTORIES, CANDIDATES)
    np.testing.assert_allclose(other, found, rtol=1e-5)
    cold = policy(temperature=0.01).probabilities(USERS, HISTORIES, CANDIDATES)
    np.testing.assert_allclose(cold[0], [0, 0, 0, 0, 1], atol=1e-12)


def test_scores_that_differ_in_the_last_bit_are_no_preference() -> None:
    near = np.float32([0.1, 0.1, np.nextafter(np.float32(0.1), np.float32(1)), 9, 0.1])
    equal = SoftmaxPolicy(Stub(lambda u, h, i: near[i], 5), 0.01)
    found = equal.probabilities(USERS, HISTORIES, CANDIDATES)
    np.testing.assert_allclose(found[0], np.array([0, 1, 1, 0, 1]) / 3, rtol=1e-6)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="temperature above 0"):
        policy(temperature=0)
    nobody = np.zeros((2, 5), bool)
    with pytest.raises(InputError, match="a user who has seen all"):
        policy().probabilities(USERS, HISTORIES, nobody)
