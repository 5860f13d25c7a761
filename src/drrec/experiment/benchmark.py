"""Every agent and every baseline on one data set, on the same candidates: the whole table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from drrec.errors import InputError, shown
from drrec.evaluation.report import report_text, write_report
from drrec.experiment.baselines import forget
from drrec.experiment.config import TrainConfig, from_dict, laid_over
from drrec.experiment.evaluating import reported
from drrec.experiment.grid import begin_or_go_on, judged_grid
from drrec.experiment.run import Run
from drrec.experiment.task import Task
from drrec.experiment.vectors import content_of
from drrec.files import write_text
from drrec.registry import AGENTS, agent_config

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

    from drrec.cluster.tasks import Cluster
    from drrec.experiment.config import BenchmarkConfig

Tables = dict[str, dict[str, TrainConfig]]
"""By table, then by the agent's name in it: what to train."""


def tables_of(values: Any, config: BenchmarkConfig, where: str) -> Tables:
    """What a file of tables asks for, such as those in `src/drrec/configs/benchmark/`.

    Tables that have none of `--only` are left out.

    Args:
        values: `{table: {"settings": {…}, "agents": {name: {…}}}}`, the settings being
            `TrainConfig`'s, nested as there; an agent's own are laid over its table's. An agent
            that names no algorithm is of the one that it is called after.
        config: what holds for all tables.
        where: the file's name, for what is said of it.

    Raises:
        InputError: it asks for nothing, or for what there is not.
    """
    if not isinstance(values, dict) or not values:
        raise InputError(f"Expected tables by name in {where}. Received: {shown(values)}.")
    shared = dataclasses.asdict(config) | {"control": False}
    only = shared.pop("only")
    if config.baselines is None:
        del shared["baselines"]
    wanted, there = only.split(",") if only else [], []
    tables: Tables = {}
    for table, asked in values.items():
        if not _is_table(asked):
            raise InputError(
                f"Expected settings and agents for table {table} in {where}. "
                f"Received: {shown(asked)}."
            )
        if not asked["agents"]:
            raise InputError(
                f"Expected an agent for table {table} in {where}. Received: none, so name one."
            )
        there += asked["agents"]
        chosen = {
            name: from_dict(
                TrainConfig,
                _for_agent(name, asked["settings"] or {}, own or {}, shared),
                where,
            )
            for name, own in asked["agents"].items()
            if not wanted or name in wanted
        }
        if chosen:
            tables[table] = chosen
    if missing := [name for name in wanted if name not in there]:
        raise InputError(
            f"Expected agents of the tables in {where} for --only. Received: "
            f"{', '.join(missing)}. There are: {', '.join(dict.fromkeys(there))}."
        )
    return tables


def _is_table(asked: Any) -> bool:
    if not isinstance(asked, dict) or set(asked) != {"settings", "agents"}:
        return False
    parts = [asked["settings"] or {}, asked["agents"] or {}]
    parts += list(parts[1].values()) if isinstance(parts[1], dict) else []
    return all(part is None or isinstance(part, dict) for part in parts)


def benchmark(
    run: Run, tables: Tables, data_dir: pathlib.Path, cluster: Cluster | None = None
) -> dict[str, dict[str, Any]] | None:
    """Train and judge everything, and write each table's report as soon as it is there.

    Agents that are trained to the end already are not trained again, so that an interrupted
    benchmark goes on where it stopped. Where there is a cluster, agents and seeds of a table are
    trained beside each other.

    Returns:
        By table, the content of its `metrics.json`; None if training was interrupted.

    Raises:
        InputError: it was begun with other settings, or its name is taken; or they fit no data.
    """
    judged = {
        table: Task.load(next(iter(agents.values())), data_dir) for table, agents in tables.items()
    }
    settings = {
        table: {name: dataclasses.asdict(config) for name, config in agents.items()}
        for table, agents in tables.items()
    }
    begin_or_go_on(run, settings)
    found = {}
    for table, agents in tables.items():
        contents = {
            name: content_of(config, config.content, judged[table], data_dir)
            for name, config in agents.items()
        }
        part = Run(run.root, f"{run.name}/{table}")
        part.folder.mkdir(exist_ok=True)
        measured = judged_grid(part, agents, contents, judged[table], cluster)
        if measured is None:
            return None
        found[table] = reported(part, settings[table], measured, agents=list(agents))
        write_report(part.folder, found[table])
        forget(part.weights)
    write_text(run.folder / "report.md", text_of(found))
    return found


def text_of(tables: Mapping[str, dict[str, Any]]) -> str:
    """The report of all tables, one after the other."""
    return "\n".join(report_text(content) for content in tables.values())


def _for_agent(
    name: str,
    table: Mapping[str, Any],
    own: Mapping[str, Any],
    shared: Mapping[str, Any],
) -> dict[str, Any]:
    """An agent's settings over its table's; those of the table that only others have are left."""
    algorithm = own.get("algorithm", table.get("algorithm", name))
    AGENTS.checked(algorithm, "algorithm")
    theirs = {f.name for f in dataclasses.fields(agent_config(algorithm))}
    anybodys = {f.name for each in AGENTS for f in dataclasses.fields(agent_config(each))}
    given = table.get("agent") or {}
    fitting = {key: value for key, value in given.items() if key in theirs or key not in anybodys}
    table = dict(table) | {"algorithm": algorithm, "agent": fitting}
    return laid_over(table, laid_over(own, shared))
