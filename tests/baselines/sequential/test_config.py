"""Settings that cannot be are refused in one line."""

import pytest

from drrec.baselines.sequential.config import SequenceConfig
from drrec.errors import InputError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 0}, "`width` must be in .1, .* Received: 0"),
        ({"length": -1}, "`length` must be in .1, .* Received: -1"),
        ({"patience": 0}, "`patience` must be in .1, .* Received: 0"),
        ({"num_heads": 3}, "`num_heads` must divide `width`. Received: 3 and 64"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\).*Received: 1.0"),
        ({"calibration": 1.5}, r"`calibration` must be in \[0, 1\].*1.5"),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0.*0.0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be above 0.*nan"),
        ({"average": 0.0}, r"`average` must be in \(0, 1\]. Received: 0.0"),
        ({"loss": "hinge"}, "`loss` to be auto or cross_entropy or sampled.*Received: 'hinge'"),
    ],
)
def test_what_cannot_be_is_refused(settings, said):
    with pytest.raises(InputError, match=said):
        SequenceConfig(**settings)


def test_a_large_catalogue_is_sampled_unless_it_is_said_otherwise():
    assert SequenceConfig().loss_over(19_999) == "cross_entropy"
    assert SequenceConfig().loss_over(20_000) == "sampled_softmax"
    assert SequenceConfig(loss="gbce").loss_over(20_000) == "gbce"
    assert SequenceConfig(loss="cross_entropy").loss_over(10**6) == "cross_entropy"
