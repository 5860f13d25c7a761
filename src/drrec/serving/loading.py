"""Which saved models are read without TensorFlow, and why the others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from drrec.errors import InputError, shown
from drrec.lazy import resolved
from drrec.registry import STATES
from drrec.saving import read_model, restored

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from drrec.base import Recommender
    from drrec.registry import Registry

Backend = Literal["auto", "numpy", "keras"]

AGENTS_IN_NUMPY = frozenset(
    {
        "drrec.agents.ddpg:DDPG",
        "drrec.agents.td3:TD3",
        "drrec.agents.sac:SAC",
        "drrec.agents.ppo:PPO",
        "drrec.agents.a2c:A2C",
        "drrec.agents.supervised:Supervised",
    }
)
"""Agents that are a state module and an actor when they have learned."""

REWRITTEN = {
    "drrec.baselines.sequential.recommenders:SASRec": "drrec.serving.sequences:NumPySASRec",
    "drrec.baselines.sequential.recommenders:GRU4Rec": "drrec.serving.sequences:NumPyGRU4Rec",
}
"""Baselines of which there is a second form, without TensorFlow."""

AS_THEY_ARE = frozenset(
    {
        "drrec.baselines.chance:Random",
        "drrec.baselines.popularity:Popularity",
        "drrec.baselines.popularity:RecentPopularity",
        "drrec.baselines.personal:PersonalPopularity",
        "drrec.baselines.collaborative:ItemCF",
        "drrec.baselines.collaborative:UserCF",
        "drrec.baselines.knn:ItemKNN",
        "drrec.baselines.knn:UserKNN",
        "drrec.baselines.ease:EASE",
        "drrec.baselines.bpr:BPR",
        "drrec.baselines.factorisation:PMF",
        "drrec.baselines.factorisation:VariationalMF",
        "drrec.baselines.content:ContentKNN",
        "drrec.baselines.two_tower:TwoTower",
        "drrec.baselines.sequential.rules:SequentialRules",
    }
)
"""Baselines whose own class answers without TensorFlow."""

NOT_IN_NUMPY = {
    "bfloat16": "NumPy has no bfloat16, in which the networks multiply (--products bfloat16)",
    "state": "the state module is of a plug-in",
    "class": "the class is of a plug-in",
}
"""Why a model is served through Keras."""


class _NotInNumPy(InputError):
    """A model, or the proposer inside it, needs its own class."""


def numpy_class(registry: Registry, name: str, settings: Mapping[str, Any]) -> Any:
    """The class that restores a saved model without TensorFlow.

    Raises:
        InputError: there is none; the message says why.
    """
    path = registry.path_of(name)
    if path in AS_THEY_ARE:
        return registry[name]
    if path in REWRITTEN:
        return resolved(REWRITTEN[path])
    if path not in AGENTS_IN_NUMPY:
        raise _refusal(name, "class")
    if settings["products"] == "bfloat16":
        raise _refusal(name, "bfloat16")
    from drrec.serving.policy import NumPyAgent
    from drrec.serving.states import NUMPY_STATES

    if STATES.path_of(settings["state"]) not in NUMPY_STATES:
        raise _refusal(name, "state")
    return type(NumPyAgent.__name__, (NumPyAgent,), {"algorithm": name, "__doc__": name})


def read_served(
    path: str | os.PathLike[str],
    backend: Backend = "auto",
    before_keras: Callable[[], object] | None = None,
) -> tuple[Recommender, str, str]:
    """Read a saved model, by NumPy where that can be.

    Args:
        path: the file.
        backend: `auto` takes Keras where NumPy has no form of the model.
        before_keras: called before TensorFlow is loaded, if it is.

    Returns:
        The model, the name of its class in the registry, and the backend, numpy or keras.

    Raises:
        InputError: the file is missing or damaged, or there is no such form of the model.
    """
    if backend not in get_args(Backend):
        words = " or ".join(get_args(Backend))
        raise InputError(f"Expected `backend` to be {words}. Received: {shown(backend)}.")
    head, arrays = read_model(path)
    if backend != "keras":
        try:
            return restored(head, arrays, path, numpy_class), head["name"], "numpy"
        except _NotInNumPy:
            if backend == "numpy":
                raise
    if before_keras:
        before_keras()
    return restored(head, arrays, path), head["name"], "keras"


def _refusal(name: str, reason: str) -> _NotInNumPy:
    return _NotInNumPy(
        f"Expected a model that answers without TensorFlow. Received: {shown(name)}, and "
        f"{NOT_IN_NUMPY[reason]}. Pass the backend keras, or auto."
    )
