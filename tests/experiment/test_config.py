import dataclasses
import json
from typing import get_type_hints

import pytest
from tests.agents.tiny import small_config

from drrec.agents.ddpg import DDPG
from drrec.baselines.sequential.config import SequenceConfig
from drrec.data.published.config import PrepareConfig
from drrec.embeddings.config import ContentConfig, EmbeddingConfig
from drrec.envs.config import LoggedConfig
from drrec.errors import InputError
from drrec.experiment.config import TrainConfig, from_dict
from drrec.features.config import ExtractConfig
from drrec.registry import AGENTS, agent_config

CONFIG = small_config("log.csv", seed=4)


def test_round_trip_through_json():
    values = json.loads(json.dumps(dataclasses.asdict(CONFIG)))
    assert from_dict(TrainConfig, values, "config.json") == CONFIG


def test_what_is_left_out_has_its_default():
    made = from_dict(TrainConfig, {"seed": 4, "agent": {"tau": 0.5}}, "a.yaml")
    default = TrainConfig()
    agent = dataclasses.replace(default.agent, tau=0.5)
    assert made == dataclasses.replace(default, seed=4, agent=agent)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sede": 1}, "Expected a known setting in a.yaml. Received: 'sede'. Did you mean 'seed'"),
        ({"agent": {"lr_acter": 1.0}}, "Received: 'lr_acter'. Did you mean 'lr_actor'?"),
        ({"xyzzy": 1}, "Received: 'xyzzy'. There are: dataset"),
        ({7: 1}, "Received: 7"),
        ({"steps": "many"}, "Expected `steps` in a.yaml to be int. Received: 'many'"),
        ({"steps": 1.5}, "Expected `steps` in a.yaml to be int. Received: 1.5"),
        ({"steps": True}, "Expected `steps` in a.yaml to be int. Received: True"),
        ({"agent": {"tau": "x"}}, "Expected `tau` in a.yaml to be float. Received: 'x'"),
        ({"agent": {"tau": False}}, "Expected `tau` in a.yaml to be float. Received: False"),
        ({"agent": {"state": "drr"}}, "`state` to be drr_p or drr_u or drr_ave"),
        ({"split": None}, "Expected `split` in a.yaml to be temporal or"),
        ({"agent": None}, "Expected settings by name in a.yaml. Received: None"),
        ([1], "Expected settings by name in a.yaml"),
        ({"steps": 0}, "`steps` must be in [1, 1000000000000]. Received: 0"),
        ({"agent": {"discount": 1}}, "`discount` must be in [0, 1). Received: 1.0"),
    ],
)
def test_what_does_not_fit_is_refused(values, words):
    with pytest.raises(InputError) as caught:
        from_dict(TrainConfig, values, "a.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize(("given", "meant"), [(1, 1.0), ("1e-4", 1e-4)])
def test_a_whole_number_is_a_float_too_and_so_is_what_yaml_takes_for_a_word(given, meant):
    made = from_dict(TrainConfig, {"agent": {"tau": given}}, "a.yaml")
    assert type(made.agent.tau) is float
    assert made.agent.tau == meant


@pytest.mark.parametrize("name", ["steps", "seeds", "min_items"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"`{name}` must be in .1, .* Received: 0"):
        small_config("log.csv", **{name: 0})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"also": "sampled"},
            "Expected --split leave_one_out for the protocols unmasked, sampled and",
        ),
        (
            {"also": "simulater"},
            "`also` to be of unmasked, sampled, sampled_9, simulator, offpolicy.*simulater",
        ),
        ({"also": "simulator,simulator"}, "Expected each also once"),
    ],
)
def test_protocols_that_there_are_not_or_that_need_another_split_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        TrainConfig(**settings)
    TrainConfig(split="leave_one_out", also="unmasked, sampled")


def test_a_negative_seed_and_shares_of_cold_things_are_refused():
    with pytest.raises(InputError, match=r"`seed` must be in .0, .* Received: -1"):
        small_config("log.csv", seed=-1)
    with pytest.raises(InputError, match=r"`cold_items` must be in \[0, 0\.5\)"):
        small_config("log.csv", cold_items=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modality": "video,smell"}, "Expected `modality` to be of video, audio, text.*smell"),
        ({"modality": "text,text"}, "each modality once"),
        ({"fusion": "gated", "aggregation": "concat"}, "Expected `aggregation` mean"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"lr_content": 0.0}, "`lr_content` must be above 0"),
    ],
)
def test_content_that_cannot_be_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        ContentConfig(**settings)


def test_modalities_keep_the_order_given():
    assert ContentConfig(modality="text, video").modalities == ("text", "video")
    assert ContentConfig().modalities == ()


def test_a_literal_that_may_be_missing_is_read_and_checked():
    read = from_dict(ContentConfig, {"aggregation": "mean"}, "own.yaml")
    assert read.aggregation == "mean"
    assert from_dict(ContentConfig, {"aggregation": None}, "own.yaml").aggregation is None
    with pytest.raises(
        InputError, match=r"`aggregation` in own\.yaml to be concat or mean or none"
    ):
        from_dict(ContentConfig, {"aggregation": "sum"}, "own.yaml")


def literals(kind):
    hints = get_type_hints(kind)
    return [
        pytest.param(kind, field.name, id=f"{kind.__name__}.{field.name}")
        for field in dataclasses.fields(kind)
        if "Literal" in str(hints[field.name])
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        each
        for kind in (
            *(agent_config(name) for name in AGENTS),
            TrainConfig,
            EmbeddingConfig,
            ContentConfig,
            LoggedConfig,
            SequenceConfig,
            ExtractConfig,
            PrepareConfig,
        )
        for each in literals(kind)
    ],
)
def test_a_word_that_a_setting_does_not_know_is_refused_when_it_is_made(kind, name):
    default = getattr(kind(), name)
    assert getattr(kind(**{name: default}), name) == default
    with pytest.raises(InputError, match=f"Expected `{name}` to be .* or .* Received: 'gibberish'"):
        kind(**{name: "gibberish"})
    with pytest.raises(InputError, match=f"Expected `{name}` to be"):
        kind(**{name: 3})


def test_a_constructor_refuses_such_a_word_too():
    with pytest.raises(InputError, match="Expected `form` to be anchored or plain"):
        DDPG(form="ancored")
