"""A language model ranks what another method proposes: a baseline, or the agent of a saved run."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from drrec.agents.proposing import check_proposer, final_proposals, fitted_baseline
from drrec.agents.reranked import reranked_scores
from drrec.envs.config import LoggedConfig, ProposalConfig
from drrec.errors import InputError
from drrec.evaluation.evaluate import evaluated
from drrec.evaluation.markdown import grid, short
from drrec.evaluation.protocols.protocol import protocol_of
from drrec.experiment.ceilings import ceilings
from drrec.experiment.config import TrainConfig
from drrec.experiment.language import model_after
from drrec.saving import load

if TYPE_CHECKING:
    from drrec.experiment.language_config import LanguageConfig
    from drrec.experiment.task import Task
    from drrec.types import Scorer

_PROTOCOL = "full"
_METRICS = ("hr@10", "ndcg@10", "mrr@10")


class Reranked:
    """Proposed items in a ranker's order, above all others in the proposer's."""

    def __init__(
        self,
        ranker: Scorer,
        proposer: Scorer,
        proposer_name: str,
        proposals: np.ndarray,
        num_items: int,
    ) -> None:
        """`proposals [U, K]` are items, 0 = padding; the ranker is asked for these alone."""
        self._asked, self._proposer = _Asked(ranker, proposals, num_items), proposer
        self.proposer_name, self.proposals = proposer_name, proposals

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        """[B, C] or [B, I], for order alone; see `agents.reranked.reranked_scores`."""
        return reranked_scores(
            self._asked, self._proposer, self.proposals, users, histories, candidates
        )


class _Asked:
    """A scorer that is asked for what is proposed alone; all else gets the user's lowest score."""

    uses_history = True

    def __init__(self, ranker: Scorer, proposals: np.ndarray, num_items: int) -> None:
        self._ranker, self._proposals, self._num_items = ranker, proposals, num_items

    def score(
        self, users: np.ndarray, histories: np.ndarray, candidates: np.ndarray | None = None
    ) -> np.ndarray:
        asked = self._proposals[users]
        own = self._ranker.score(users, histories, asked)
        table = np.repeat(own.min(axis=1, keepdims=True), self._num_items, axis=1)
        np.put_along_axis(table, asked, own, axis=1)
        return table if candidates is None else np.take_along_axis(table, candidates, axis=1)


def rerank(
    config: LanguageConfig, task: Task, folder: pathlib.Path, after: str, propose: str, k: int
) -> str:
    """Judge the language model as a ranker of what is proposed; returns a table and the ceiling.

    Args:
        config: the language model's.
        task: the split.
        folder: of the run; stages that are done in it are not done again.
        after: the last stage of training.
        propose: a baseline, or the file of an agent that was trained on the same split.
        k: proposed items for each user.

    Raises:
        InputError: there is no such baseline or file, or the agent was trained on another log.
    """
    setup = TrainConfig(
        seed=config.training.seed,
        environment=LoggedConfig(unlogged="constant", proposals=ProposalConfig(propose_k=k)),
    )
    proposer = _proposer(propose, setup, task)
    proposals = final_proposals(setup, task.train, proposer)
    name = pathlib.PurePath(propose).stem
    ranker = model_after(folder, config, task, after)
    methods: dict[str, Any] = {
        name: proposer,
        f"llm of {name}'s {proposals.shape[1]}": Reranked(
            ranker, proposer, name, proposals, task.train.num_items
        ),
    }
    found = evaluated(
        methods, {_PROTOCOL: protocol_of(_PROTOCOL).asked(task.test_data)}, task.train, seed=0
    )
    means = found.values.groupby(["method", "metric"], sort=False)["value"].mean().unstack()
    rows = [["method", *_METRICS]]
    values = means.loc[[*methods], [*_METRICS]].to_numpy().tolist()
    rows += [[name, *map(short, row)] for name, row in zip(methods, values, strict=True)]
    (ceiling,) = ceilings(methods, task, [_PROTOCOL], 0).values()
    said = f"Ceiling: {name} proposes {ceiling.recall:.3f} of what the test asks for."
    return "\n".join([*grid(rows), "", said])


def _proposer(propose: str, setup: TrainConfig, task: Task) -> Any:
    if not propose.endswith(".drrec"):
        check_proposer(propose)
        return fitted_baseline(propose, setup, task.train)
    model = load(propose)
    own, train = model.known, task.train
    same = np.array_equal(own.offsets, train.offsets) and np.array_equal(own.item, train.item)
    if not same:
        raise InputError(
            f"Expected an agent of this split's training log in {propose}. Received: one of "
            "another log. Train it by --split leave_one_out, and name its agent.drrec."
        )
    return model
