"""Weights of logged sessions, told by hand."""

import numpy as np
import pytest

from drrec.errors import InputError
from drrec.evaluation.offpolicy import LoggedSteps


def evidence(**changed) -> LoggedSteps:
    fields = {
        "reward": np.array([[1.0, 2], [3, 4], [5, 6]]),
        "behaviour": np.array([[0.5, 0.5], [0.25, 1], [0.5, 0.8]]),
        "target": np.array([[0.5, 0.25], [0.5, 0.9], [0.02, 0.4]]),
        "is_step": np.array([[True, True], [True, False], [True, True]]),
        "unit": np.arange(3),
    }
    return LoggedSteps(**(fields | changed))


def test_weights_are_products_of_ratios_and_stay_after_the_end() -> None:
    weight = [[1, 0.5], [2, 2], [0.04, 0.02]]
    np.testing.assert_allclose(evidence().weight, weight)
    assert evidence().effective_sample == pytest.approx(2.52**2 / (0.25 + 4 + 0.0004))
    assert evidence().overlap == pytest.approx(4 / 5)  # one ratio of five steps is below a tenth
    assert evidence().max_weight == pytest.approx(2 / 2.52)
    assert evidence().mean_weight == pytest.approx(0.84)


def test_sessions_of_equal_weight_count_in_full_and_of_none_not_at_all() -> None:
    same = evidence(target=evidence().behaviour)
    assert (same.effective_sample, same.overlap) == (3, 1)
    assert same.max_weight == pytest.approx(1 / 3)
    none = evidence(target=np.zeros((3, 2)))
    assert (none.effective_sample, none.overlap) == (0, 0)
    assert np.isnan(none.max_weight)


@pytest.mark.parametrize("name", ["behaviour", "target"])
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(name, value) -> None:
    broken = getattr(evidence(), name).copy()
    broken[1, 1] = value  # after the end nobody minds
    evidence(**{name: broken})
    broken[0, 0] = value
    with pytest.raises(InputError, match="Expected probabilities"):
        evidence(**{name: broken})


def test_a_logged_item_that_could_not_be_shown_is_refused() -> None:
    with pytest.raises(InputError, match="above 0"):
        evidence(behaviour=np.array([[0.0, 0.5], [0.25, 1], [0.5, 0.8]]))


@pytest.mark.parametrize(
    "changed",
    [{"reward": np.zeros((3, 1))}, {"unit": np.arange(2)}, {"reward": np.zeros(3)}],
)
def test_shapes_that_do_not_fit_are_refused(changed) -> None:
    with pytest.raises(ValueError, match="Expected rewards"):
        evidence(**changed)
