"""What one seed of a run goes on from: the item vectors and networks of an earlier run."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from drrec.arrays import read_arrays, write_arrays
from drrec.saving import read_model, restored
from drrec.types import PADDING

if TYPE_CHECKING:
    import pathlib

    from drrec.agents.base import Agent
    from drrec.data.ids import IdMap
    from drrec.experiment.config import TrainConfig
    from drrec.experiment.run import Run

logger = logging.getLogger(__name__)

START = "start.npz"
"""In the folder of a run that goes on from another, so that it needs that one no more."""

_NETWORKS = "/networks"
_ITEMS = ("items", "target_items")


@dataclasses.dataclass(frozen=True, eq=False)
class Start:
    """Item vectors, the networks with their optimizers, and how many steps they have learned for.

    New items begin at the mean of the known ones, or, in a table that the agent itself learns, as
    any item does. Replay and sessions begin anew: what they hold is of another log.
    """

    items: np.ndarray  # [I] raw ids
    vectors: np.ndarray  # [I, D + E]
    networks: dict[str, np.ndarray]  # by their names in a checkpoint; or state and actor alone
    iteration: int

    @classmethod
    def after(cls, run: Run, config: TrainConfig) -> Self:
        """What one seed of a run has learned.

        Raises:
            InputError: it is not trained to the end, or a file of it is damaged.
        """
        from drrec.agents.checkpoint import latest_values

        head, arrays = read_model(run.model_file())
        model = restored(head, arrays, run.model_file())
        values = latest_values(run.weights)
        networks = {name: each for name, each in values.items() if name.startswith(_NETWORKS)}
        if not networks:
            logger.warning(
                "%s has no checkpoint in %s: state module and actor go on, all else begins anew",
                *(run.name, run.weights),
            )
            policy: dict[str, np.ndarray] = model.state()["weights"]
            networks = {f"{_NETWORKS}/{name}": each for name, each in policy.items()}
            values["/iteration"] = np.array(config.steps // config.agent.num_envs)
        return cls(
            items=model.known.items.raw,
            vectors=model.state()["item_vectors"],
            networks=networks,
            iteration=int(values["/iteration"]),
        )

    @classmethod
    def of(cls, run: Run) -> Self | None:
        """What `write` has left in a run's folder, if anything.

        Raises:
            InputError: the file is damaged.
        """
        path = run.folder / START
        if not path.exists():
            return None
        mend = "Restore it from a copy, or update anew under another --name."
        arrays = read_arrays(path, "what a run goes on from", mend)
        networks = {name: each for name, each in arrays.items() if name.startswith(_NETWORKS)}
        return cls(arrays["items"], arrays["vectors"], networks, int(arrays["iteration"]))

    def write(self, folder: pathlib.Path) -> None:
        """Leave it in a run's folder."""
        own = {"items": self.items, "vectors": self.vectors, "iteration": np.array(self.iteration)}
        write_arrays(folder / START, own | self.networks)

    def vectors_of(self, items: IdMap) -> np.ndarray:
        """[I', D + E] float32 of other items, new ones at the mean."""
        return self._by_item(self.vectors, items, self.vectors[1:].mean(axis=0))

    def handed_to(self, agent: Agent, items: IdMap) -> None:
        """Set an agent's networks, which `begin` has built, to these."""
        from drrec.agents.checkpoint import named_variables

        nets = agent.networks
        # A tuned encoder goes on from what pre-training made of the new log.
        is_tuned = agent.setup.content.encoder == "finetuned"
        anew = (*_ITEMS, "encoder_optimizer") if is_tuned else _ITEMS
        for name, variable in named_variables(nets, _NETWORKS):
            # Without a checkpoint targets begin at what they follow.
            own = self.networks.get(name, self.networks.get(name.replace("/target_", "/")))
            if own is None or name.split("/")[2] in anew:
                continue
            if own.shape != variable.shape:  # a row for each item
                own = self._by_item(own, items, variable.numpy())
            variable.assign(own)
        for name in _ITEMS:
            if hasattr(nets, name):
                getattr(nets, name).go_on_from(self._by_item(self.vectors, items, np.nan))
        agent.iteration.assign(self.iteration)
        agent.went_on()

    def _by_item(self, rows: np.ndarray, items: IdMap, otherwise: Any) -> np.ndarray:
        """[I', …] the rows [I, …] of other items; of new ones `otherwise`, [I', …] or […]."""
        place = {raw: at for at, raw in enumerate(self.items.tolist())}
        at = np.array([place.get(raw, -1) for raw in items.raw.tolist()])
        at[PADDING] = PADDING
        is_known = (at >= 0).reshape(-1, *([1] * (rows.ndim - 1)))
        return np.where(is_known, rows[at], otherwise).astype(rows.dtype)
