"""drrec: a multimodal deep-reinforcement-learning recommender after DRR (arXiv 1810.12027).

    import drrec

    data = drrec.load_dataset("ml-100k")
    train, test = data.split("temporal")
    agent = drrec.DDPG(state="drr_ave", seed=0).fit(train, steps=40_000)
    agent.recommend(["196"], k=10)
    drrec.evaluate({"ddpg": agent, "ease": drrec.EASE().fit(train)}, test, protocol="rated").table()

Names are loaded when they are first used, TensorFlow by what needs it.
"""

import os

from drrec.lazy import attach

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Under XLA oneDNN gains nothing here, and it makes results depend on the processor.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "A2C": "drrec.agents.a2c",
        "BPR": "drrec.baselines.bpr",
        "ContentKNN": "drrec.baselines.content",
        "TwoTower": "drrec.baselines.two_tower",
        "DDPG": "drrec.agents.ddpg",
        "Dataset": "drrec.data.dataset",
        "EASE": "drrec.baselines.ease",
        "Evaluation": "drrec.evaluation.result",
        "GRU4Rec": "drrec.baselines.sequential.recommenders",
        "InputError": "drrec.errors",
        "Interactions": "drrec.data.interactions",
        "ItemCF": "drrec.baselines.collaborative",
        "ItemKNN": "drrec.baselines.knn",
        "LanguageModel": "drrec.baselines.language_model",
        "PMF": "drrec.baselines.factorisation",
        "PPO": "drrec.agents.ppo",
        "PersonalPopularity": "drrec.baselines.personal",
        "Popularity": "drrec.baselines.popularity",
        "Protocol": "drrec.evaluation.protocols.protocol",
        "Random": "drrec.baselines.chance",
        "RecentPopularity": "drrec.baselines.popularity",
        "Recommender": "drrec.base",
        "SAC": "drrec.agents.sac",
        "SASRec": "drrec.baselines.sequential.recommenders",
        "SequentialRules": "drrec.baselines.sequential.rules",
        "Supervised": "drrec.agents.supervised",
        "TD3": "drrec.agents.td3",
        "UserCF": "drrec.baselines.collaborative",
        "UserKNN": "drrec.baselines.knn",
        "VariationalMF": "drrec.baselines.factorisation",
        "evaluate": "drrec.evaluation.evaluate",
        "load": "drrec.saving",
        "load_dataset": "drrec.api",
        "register": "drrec.registry",
        "with_features": "drrec.features.store",
    },
)
