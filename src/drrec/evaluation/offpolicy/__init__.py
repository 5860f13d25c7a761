"""What a policy would have earned, from what another one was paid (docs/offpolicy.md)."""

from drrec.evaluation.offpolicy.behaviour import PopularityPolicy
from drrec.evaluation.offpolicy.estimators import ESTIMATORS, Estimate, OffPolicy, estimates
from drrec.evaluation.offpolicy.indication import Indication, indicative
from drrec.evaluation.offpolicy.log import Features, LoggedSteps
from drrec.evaluation.offpolicy.played import PlayedLog, evidence_of, played_log
from drrec.evaluation.offpolicy.policies import SoftmaxPolicy, StochasticPolicy

__all__ = [
    "ESTIMATORS",
    "Estimate",
    "Features",
    "Indication",
    "LoggedSteps",
    "OffPolicy",
    "PlayedLog",
    "PopularityPolicy",
    "SoftmaxPolicy",
    "StochasticPolicy",
    "estimates",
    "evidence_of",
    "indicative",
    "played_log",
]
