"""State modules: from what a user liked to a state vector."""

from drrec.nn.state.attention import Attention
from drrec.nn.state.drr import DRRP, DRRU, DRRAve

STATES = {"drr_p": DRRP, "drr_u": DRRU, "drr_ave": DRRAve, "attention": Attention}
