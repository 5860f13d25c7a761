"""A package from elsewhere: its agent, fusion, state, baseline and protocol, by their names."""

import os
import pathlib
import subprocess
import sys

import pytest
from tests.agents.tiny import write_csv
from tests.featured import write_random_features

from drrec.experiment.config import RunConfig

ROOT = pathlib.Path(__file__).parents[1]

MODULE = '''
"""Things that drrec has not."""
import dataclasses
import sys

import keras
import numpy as np
from keras import ops

import drrec
from drrec.agents.config import DDPGConfig
from drrec.agents.ddpg import DDPG
from drrec.evaluation.protocols.protocol import Protocol
from drrec.evaluation.protocols.ranked import RANKED_METRICS, ranked
from drrec.nn.fusion.early import EarlyFusion


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoldConfig(DDPGConfig):
    """Settings of Bold."""

    courage: float = 2.0
    """Factor on the exploration noise. [>= 0]"""


class Bold(DDPG):
    """DDPG that explores more."""

    Config = BoldConfig

    def _explore(self, action):
        return action + self.config.courage * (super()._explore(action) - action)


@keras.saving.register_keras_serializable(package="drrec_plugin")
class LastLiked(keras.layers.Layer):
    """The user and what was liked last."""

    def build(self, user_shape, history_shape):
        self.built = True

    def call(self, user, history):
        return ops.concatenate([user, history[:, -1]], axis=1)

    def compute_output_shape(self, user_shape, history_shape):
        return (user_shape[0], user_shape[-1] + history_shape[-1])


class Mine(EarlyFusion):
    """An early fusion by another name, that says so."""

    def call(self, *given, **named):
        print("fused by mine", file=sys.stderr)
        return super().call(*given, **named)


class Alphabetical(drrec.Recommender):
    """The catalogue as it is numbered."""

    def __init__(self, seed=0):
        self.seed = seed

    def _fit(self, train):
        self._score = -np.arange(train.num_items, dtype=np.float32)

    def score(self, users, histories, candidates=None):
        if candidates is None:
            return np.tile(self._score, (len(users), 1))
        return self._score[candidates]


CATALOGUE = Protocol(run=ranked, metrics=RANKED_METRICS, primary="hr@10", columns=("hr@10",))
'''

ENTRY_POINTS = """
[drrec.agents]
bold = drrec_plugin:Bold
[drrec.states]
last_liked = drrec_plugin:LastLiked
[drrec.fusions]
mine = drrec_plugin:Mine
[drrec.baselines]
alphabetical = drrec_plugin:Alphabetical
[drrec.protocols]
catalogue = drrec_plugin:CATALOGUE
"""

TRAIN = (
    "--dataset log.csv --steps 16 --algorithm bold --courage 3 --state last_liked --num-envs 4 "
    "--batch-size 16 --memory-size 64 --dim-emb 7 --embedding variational --min-items 5 "
    "--episode-length 5 --state-size 4 --baselines alphabetical,popularity --also catalogue "
    "--modality video,text --fusion mine --features content.h5 --no-control --gpu -1 --name first"
)


@pytest.fixture(scope="module")
def installed(tiny_interactions, tmp_path_factory):
    """A folder with a log, and an environment in which the plug-in is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    site = folder / "site"
    about = site / "drrec_plugin-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "drrec_plugin.py").write_text(MODULE, encoding="utf-8")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: drrec-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    log = RunConfig(dataset=str(write_csv(tiny_interactions, folder / "log.csv")))
    write_random_features(log, folder, path=folder / "content.h5")
    paths = os.pathsep.join([str(ROOT / "src"), str(site)])
    return folder, os.environ | {"PYTHONPATH": paths}


def run(installed, *words):
    folder, environment = installed
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


# One process, for each loads TensorFlow; so few steps are not worth a compilation.
WHOLE = f"""
import sys
import drrec
from drrec import cli

try:
    cli.run(*cli.STAGES, argv="train --algorithm bold --help".split())
except SystemExit as ended:
    assert ended.code == 0
    print("END")

import tensorflow as tf
from drrec.embeddings import content, contrast

content._MOST_ROUNDS, content._STEPS_A_ROUND, contrast._STEPS = 2, 1, 1
tf.config.run_functions_eagerly(True)
for words in ("train {TRAIN}", "eval --run first --gpu -1"):
    assert cli.run(*cli.STAGES, argv=words.split()) == 0
    print("END")
model = drrec.load("save_model/first/agent.drrec")
print(type(model).__name__, model.config.courage, len(model.recommend(["u07"], k=3)))
"""


@pytest.fixture(scope="module")
def done(installed):
    found = run(installed, "-c", WHOLE)
    assert found.returncode == 0, found.stderr
    return found


def test_help_shows_the_plugins_choices_and_its_agents_flags(done):
    said = done.stdout.partition("END\n")[0]
    for words in ("bold}", "last_liked}", "mine}", "--courage"):
        assert words in said.replace("\n", " "), words


def test_a_run_is_trained_judged_and_restored_by_its_names_alone(done):
    assert "fused by mine" in done.stderr
    _, trained, again, loaded = done.stdout.split("END\n")
    for words in ("| bold ", "| alphabetical ", "## Protocol `catalogue`"):
        assert words in trained
    assert again.partition("## What it took")[0] == trained.partition("## What it took")[0]
    assert loaded.split() == ["Bold", "3.0", "3"]


def test_what_nobody_has_installed_is_refused(installed):
    refused = run(installed, "-m", "drrec", "train", "--algorithm", "bald")
    assert refused.returncode == 2
    assert "Did you mean 'bold'?" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
