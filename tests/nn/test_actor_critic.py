"""Actor and critic against the same in NumPy; the anchored form starts as matrix factorisation."""

import keras
import numpy as np
import pytest

from drrec.nn.actor_critic import Actor, Critic

B, S, D = 6, 9, 4
FORMS = ["anchored", "plain"]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


STATE, USER, ACTION, ITEMS = drawn(B, S), drawn(B, D, seed=1), drawn(B, D, seed=2), drawn(30, D)


def moved(layer, *inputs):
    """Built, and with weights that are not those of the start."""
    layer(*inputs)
    for number, weight in enumerate(layer.weights):
        weight.assign(np.random.default_rng(number).normal(0, 0.5, weight.shape))
    return layer


def perceptron(weights, inputs):
    """Two ReLU layers and a linear one."""
    first, first_bias, second, second_bias, last, last_bias = weights
    hidden = np.maximum(inputs @ first + first_bias, 0)
    return np.maximum(hidden @ second + second_bias, 0) @ last + last_bias


def arrays(layer):
    return [np.array(weight) for weight in layer.perceptron.weights]


def test_the_anchored_actor_starts_at_the_users_own_factor():
    action = np.array(Actor(8, "anchored")(STATE, USER))
    lengths = np.linalg.norm(USER, axis=1, keepdims=True)
    np.testing.assert_allclose(action, USER / lengths, rtol=1e-5)
    np.testing.assert_array_equal(np.argsort(action @ ITEMS.T), np.argsort(USER @ ITEMS.T))


def test_the_anchored_critic_starts_by_ranking_as_matrix_factorisation():
    critic = Critic(8, "anchored")
    values = [
        np.array(critic(STATE, USER, np.tile(item, (B, 1)).astype(np.float32))) for item in ITEMS
    ]
    np.testing.assert_array_equal(np.argsort(np.stack(values, 1)), np.argsort(USER @ ITEMS.T))


def test_the_anchored_critic_starts_with_a_rating_point_worth_half_a_reward():
    critic = Critic(8, "anchored")
    nothing = np.array(critic(STATE, USER, np.zeros_like(ACTION)))
    gained = np.array(critic(STATE, USER, ACTION)) - nothing
    np.testing.assert_allclose(gained, np.sum(USER * ACTION, axis=1) / 2, rtol=1e-4, atol=1e-6)


def test_the_anchored_action_has_unit_length_wherever_the_weights_are():
    action = np.array(moved(Actor(8, "anchored"), STATE, USER)(STATE, USER))
    np.testing.assert_allclose(np.linalg.norm(action, axis=1), 1, rtol=1e-5)


def test_the_anchored_action_is_the_users_factor_and_what_was_learned():
    actor = moved(Actor(8, "anchored"), STATE, USER)
    raw = USER + perceptron(arrays(actor), STATE)
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(actor(STATE, USER), expected, rtol=1e-4, atol=1e-5)


def test_the_plain_actor_is_a_perceptron_of_the_state_under_tanh():
    actor = moved(Actor(8, "plain"), STATE, USER)
    expected = np.tanh(perceptron(arrays(actor), STATE))
    np.testing.assert_allclose(actor(STATE, USER), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(actor(STATE, USER), actor(STATE, USER * 2))


def test_the_plain_critic_is_a_perceptron_of_state_and_action():
    critic = moved(Critic(8, "plain"), STATE, USER, ACTION)
    expected = perceptron(arrays(critic), np.concatenate([STATE, ACTION], axis=1))[:, 0]
    np.testing.assert_allclose(critic(STATE, USER, ACTION), expected, rtol=1e-4, atol=1e-4)


def test_the_anchored_critic_by_its_formula():
    critic = moved(Critic(8, "anchored"), STATE, USER, ACTION)
    learned = perceptron(arrays(critic), STATE)
    direction, value = learned[:, :D], learned[:, D]
    gain, center = float(critic.gain), np.array(critic.center)
    expected = value + np.sum(gain * USER * ACTION + direction * (ACTION - center), axis=1)
    np.testing.assert_allclose(critic(STATE, USER, ACTION), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_actions_keep_to_the_box_and_values_are_one_a_row(form):
    actor, critic = Actor(8, form), Critic(8, form)
    action = np.array(moved(actor, STATE * 9, USER)(STATE * 9, USER))
    assert action.shape == (B, D)
    assert np.abs(action).max() <= 1 + 1e-6
    assert critic(STATE, USER, action).shape == (B,)


@keras.saving.register_keras_serializable(package="drrec_tests")
class ActorAndCritic(keras.Model):
    """A subclassed parent: an unbuilt child saves and loads here without an error."""

    def __init__(self, width, form, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"width": width, "form": form}
        self.actor, self.critic = Actor(width, form), Critic(width, form)

    def call(self, inputs):
        return self.critic(inputs["state"], inputs["user"], self.actor(**inputs))

    def get_config(self):
        return super().get_config() | self.settings


@pytest.mark.parametrize("form", FORMS)
def test_a_subclassed_parent_saves_and_loads_both(form, tmp_path):
    inputs = {"state": STATE, "user": USER}
    parent = ActorAndCritic(8, form)
    parent(inputs)
    for number, weight in enumerate(parent.weights):
        weight.assign(np.random.default_rng(number).normal(0, 0.5, weight.shape))
    before = np.array(parent(inputs))
    parent.save(tmp_path / "parent.keras")
    loaded = keras.saving.load_model(tmp_path / "parent.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(inputs), before)


@pytest.mark.parametrize("layer", [Actor, Critic])
@pytest.mark.parametrize("form", FORMS)
def test_config_round_trip(layer, form):
    made = layer(5, form, "bfloat16", name="given")
    again = layer.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    assert (again.width, again.form, again.products) == (5, form, "bfloat16")


@pytest.mark.parametrize("form", FORMS)
def test_bfloat16_products_stay_near_and_weights_stay_float32(form):
    exact, rough = (
        moved(Critic(8, form, products), STATE, USER, ACTION)
        for products in ("float32", "bfloat16")
    )
    assert {weight.dtype for weight in rough.weights} == {"float32"}
    values = np.array(rough(STATE, USER, ACTION))
    assert values.dtype == np.float32
    difference = np.abs(values - np.array(exact(STATE, USER, ACTION)))
    assert 0 < difference.max() < 0.2
