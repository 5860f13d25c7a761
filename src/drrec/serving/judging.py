"""What a run would have earned in place of what was served, from lists that explored."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from drrec.errors import InputError
from drrec.serving.engine import Engine
from drrec.serving.exploring import POOL
from drrec.serving.records import History
from drrec.serving.sessions import query_of, reward_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Sequence

    from drrec.serving.queries import Query
    from drrec.serving.records import Shown
    from drrec.serving.store import Store

LEAST_SAMPLE = 1_000
"""Positions of equal weight that an estimate needs at least."""

LEAST_OVERLAP = 0.8
"""Share of the logged positions that the run has to support at least."""

_AT_ONCE = 256


class _List(NamedTuple):
    """A list that explored, and what to ask the run for in its place."""

    shown: Shown
    rewards: list[float]
    query: Query


class _Step(NamedTuple):
    """A position of a list."""

    reward: float
    behaviour: float
    target: float
    logged: float
    """What the reward is regressed on: 1 / rank of the item by the run, 0 beyond its best 100."""
    expected: float
    """The same of what the run would have shown."""


def estimated(store: Store, path: pathlib.Path, explore: float | None = None) -> dict[str, Any]:
    """Estimate the mean reward of a position of a session's list, had a run served.

    Each position is a step of its own, in the state in which it was logged; what was not answered
    earned 0. Steps of a session are drawn together.

    Args:
        store: the log.
        path: the run's file.
        explore: the exploration that the run is imagined with; None takes the log's.

    Raises:
        InputError: no lists explored, or the run cannot be loaded.
    """
    # Not above: it loads a good part of the package.
    from drrec.evaluation.offpolicy import Features, LoggedSteps, estimates

    engine = Engine.load(path)
    steps: list[_Step] = []
    unit: list[int] = []
    used: set[float] = set()
    sessions: dict[str, int] = {}
    lists = _exploring(store, engine)
    while part := list(itertools.islice(lists, _AT_ONCE)):
        best = engine.recommend([each.query for each in part], POOL)
        for each, found in zip(part, best, strict=True):
            share = _explored(each.shown) if explore is None else explore
            used.add(share)
            made = _steps(each, [item.item for item in found], share)
            steps += made
            number = sessions.setdefault(str(each.shown.session), len(sessions))
            unit += [number] * len(made)
    if not steps:
        raise InputError(
            f"Expected lists of sessions that explored in {store}. Received: none. Serve with "
            "--explore 0.1 for a while."
        )
    columns = np.array(steps)[:, :, None]  # [N, 5, 1]
    reward, behaviour, target = columns[:, 0], columns[:, 1], columns[:, 2]
    evidence = LoggedSteps(reward, behaviour, target, np.ones(reward.shape, bool), np.array(unit))
    one = np.ones(reward.shape)
    features = Features(
        np.stack([one, columns[:, 3]], axis=2), np.stack([one, columns[:, 4]], axis=2)
    )
    found_of = estimates(evidence, features)
    return {
        "run": f"{engine.name}@{engine.version}",
        "verdict": _verdict(evidence.effective_sample, evidence.overlap),
        "explore": sorted(used),
        "sessions": len(sessions),
        "steps": len(steps),
        "earned": float(reward.mean()),
    } | {
        name: value._asdict() if hasattr(value, "_asdict") else value
        for name, value in found_of._asdict().items()
    }


def table_of(found: dict[str, Any]) -> str:
    """The same as a table in Markdown."""
    lines = [
        f"{found['run']}, in place of what was served: mean reward of a position, in [−1, 1]. "
        f"{found['verdict']}.",
        "",
        "| | value | 95 % interval |",
        "|---|---|---|",
        f"| the log earned | {found['earned']:.3f} | |",
    ]
    for name in ("snips", "doubly_robust", "fitted_q"):
        each = found[name]
        lines.append(f"| {name} | {each['value']:.3f} | [{each['low']:.3f}, {each['high']:.3f}] |")
    lines += [
        "",
        f"{found['steps']:,} positions of {found['sessions']:,} sessions; effective sample "
        f"{found['effective_sample']:,.0f}, overlap {found['overlap']:.2f}, mean weight "
        f"{found['mean_weight']:.2f} (1 is expected), largest weight {found['max_weight']:.3f}.",
    ]
    return "\n".join(lines)


def _verdict(effective_sample: float, overlap: float) -> str:
    if effective_sample < LEAST_SAMPLE:
        return f"Too thin: an effective sample of {effective_sample:,.0f} below {LEAST_SAMPLE:,}"
    if overlap < LEAST_OVERLAP:
        return f"Too thin: an overlap of {overlap:.2f} below {LEAST_OVERLAP}"
    return "Enough to go by"


def _exploring(store: Store, engine: Engine) -> Iterator[_List]:
    names = dict.fromkeys(
        each.session
        for each in store.recommendations()
        if each.session is not None and each.policy.startswith("explore:")
    )
    for name in names:
        history = store.history(str(name))
        if history is not None:
            yield from _lists_of(history, engine)


def _lists_of(history: History, engine: Engine) -> Iterator[_List]:
    for place, shown in enumerate(history.shown):
        if not shown.policy.startswith("explore:"):
            continue
        before = dataclasses.replace(
            history,
            events=tuple(each for each in history.events if each.time < shown.time),
            shown=history.shown[:place],
        )
        earlier = {item for each in before.shown for item in each.items}
        keeps = not earlier.isdisjoint(shown.items)
        rewards = {
            each.item: reward_of(each.kind, each.value)
            for each in reversed(history.events)
            if each.time >= shown.time
        }
        yield _List(
            shown,
            [rewards.get(item, 0.0) for item in shown.items],
            query_of(before, engine.users, engine.items, keep_unanswered=keeps),
        )


def _explored(shown: Shown) -> float:
    return float(shown.policy.partition(":")[2])


def _steps(logged: _List, best: Sequence[str], explore: float) -> list[_Step]:
    ranks = {item: 1 / rank for rank, item in enumerate(best, 1)}
    left = list(best)
    steps = []
    for item, chance, reward in zip(
        logged.shown.items, logged.shown.propensities, logged.rewards, strict=True
    ):
        if not left:
            break
        is_in, is_best = item in left, item == left[0]
        target = (explore / len(left) if is_in else 0.0) + ((1 - explore) if is_best else 0.0)
        evenly = sum(ranks[each] for each in left) / len(left)
        expected = explore * evenly + (1 - explore) * ranks[left[0]]
        steps.append(_Step(reward, chance, target, ranks.get(item, 0.0), expected))
        if is_in:
            left.remove(item)
    return steps
