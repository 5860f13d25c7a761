"""Two small runs of made-up films, as they lie in save_model/."""

from __future__ import annotations

import json
import pathlib

import numpy as np

from drrec.baselines.knn import ItemKNN
from drrec.baselines.popularity import Popularity
from drrec.data.dataset import Dataset
from drrec.data.interactions import Interactions
from drrec.experiment.config import TrainConfig
from drrec.experiment.run import GENRES, write_config

HOSTILE = '<img src=x onerror="window.hacked=1"><b>Bold</b> (1999)'
"""The title of an item that many like."""

METRICS = {
    "dataset": "films",
    "split": "temporal",
    "seeds": [0],
    "protocols": {
        "rated": {
            "random": {
                "ndcg@5": {"mean": 0.4321, "low": 0.4, "high": 0.47},
                "map": {"mean": 0.3, "low": None, "high": None},
            },
            "item_knn": {
                "ndcg@5": {"mean": 0.6543, "low": 0.61, "high": 0.69},
                "map": {"mean": None, "low": None, "high": None},
            },
        },
        "session": {"item_knn": {"regret": {"mean": 1.25, "low": 1.0, "high": 1.5}}},
    },
    "comparisons": {"rated": {"metric": "ndcg@5"}},
}


def film_runs(log: Interactions, root: pathlib.Path) -> pathlib.Path:
    """The folder of a run `films`, beside which is a run `rival` without a report."""
    raw = [str(each) for each in log.items.raw.tolist()]
    titles = [f"Film {each}, The ({1950 + n})" if n else "" for n, each in enumerate(raw)]
    titles[log.items.dense("i03")] = HOSTILE
    dataset = Dataset("films", log, np.array(titles))
    for name, model in {"films": ItemKNN(), "rival": Popularity()}.items():
        folder = root / "save_model" / name
        folder.mkdir(parents=True)
        write_config(folder, TrainConfig())
        model.fit(dataset).save(folder / "agent.drrec")
    films = root / "save_model" / "films"
    (films / "metrics.json").write_text(json.dumps(METRICS), encoding="utf-8")
    steps = "".join(f"{10 * step},{step / 10}\n" for step in range(1, 9))
    (films / "training.csv").write_text("step,reward\n" + steps, encoding="utf-8")
    genres = {each: "Drama, Comedy" for each in raw[1:40]}
    (films / GENRES).write_text(json.dumps(genres), encoding="utf-8")
    return films
